-- Tables of the documents, and how these are put, indexed, removed and expired.

-- The documents: JSON objects under (realm, collection, id). The body is text, since jsonb would refuse \u0000 and
-- reorder keys. kept is how many older versions are kept; NULL in plain collections. fields and vals are its index entries, each of which has a
-- row in document_keys.
CREATE TABLE documents (
  realm text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  kept integer,
  fields text[] COLLATE "C",
  vals text[] COLLATE "C",
  PRIMARY KEY (realm, collection, id)
);

CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;

-- Versions older than the one in documents.
CREATE TABLE document_versions (
  realm text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (realm, collection, id, version)
);

-- Index entries: of a document's newest version the value of a declared field, as text whose byte order is the order of values. There is one index
-- only, so that no plan can take another: whoever looks for the entries of a document finds them in its row.
CREATE TABLE document_keys (
  realm text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  field text COLLATE "C" NOT NULL,
  value text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  PRIMARY KEY (realm, collection, field, value, id)
);

-- The last versions of what has been removed from versioned collections, kept 30 days, so that no version comes twice. Of one id there is a row here or in
-- documents, never both; whoever changes it here holds the row there.
CREATE TABLE document_tombstones (
  realm text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  removed_at timestamptz NOT NULL,
  PRIMARY KEY (realm, collection, id)
);

CREATE INDEX document_tombstones_by_age ON document_tombstones (removed_at);

-- Puts one document of a plain collection if its version is in_if_version (NULL: any; 0: none may be there). An expired one counts as absent.
-- status is put or stale; of a stale one version is what is there.
CREATE FUNCTION document_put(
  in_realm text, in_collection text, in_id text, in_body text, in_if_version bigint, in_expires_ms double precision
) RETURNS TABLE (status text, version bigint, is_new boolean, created_ms double precision, updated_ms double precision)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  expiry timestamptz := to_timestamp(in_expires_ms / 1000);
BEGIN
  IF coalesce(in_if_version, 0) = 0 THEN
    RETURN QUERY
    INSERT INTO documents AS d (realm, collection, id, version, body, created_at, updated_at, expires_at)
    VALUES (in_realm, in_collection, in_id, 1, in_body, moment, moment, expiry)
    ON CONFLICT (realm, collection, id) DO UPDATE SET
      version = CASE WHEN d.expires_at <= moment THEN 1 ELSE d.version + 1 END,
      created_at = CASE WHEN d.expires_at <= moment THEN moment ELSE d.created_at END,
      body = excluded.body, updated_at = excluded.updated_at, expires_at = excluded.expires_at
    WHERE in_if_version IS NULL OR d.expires_at <= moment
    RETURNING 'put', d.version, d.version = 1, millrace_ms(d.created_at), millrace_ms(d.updated_at);
  ELSE
    RETURN QUERY
    UPDATE documents d SET version = d.version + 1, body = in_body, updated_at = moment, expires_at = expiry
    WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id AND d.version = in_if_version
      AND (d.expires_at IS NULL OR d.expires_at > moment)
    RETURNING 'put', d.version, d.version = 1, millrace_ms(d.created_at), millrace_ms(d.updated_at);
  END IF;
  IF NOT FOUND THEN
    RETURN QUERY
    SELECT 'stale', coalesce((
      SELECT d.version FROM documents d
      WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id
        AND (d.expires_at IS NULL OR d.expires_at > moment)
    ), 0), false, NULL::double precision, NULL::double precision;
  END IF;
END
$$;

-- Puts one document of a versioned collection, as document_put does: the version before goes to document_versions, of which in_kept stay. in_fields and
-- in_values are its index entries.
CREATE FUNCTION document_put_version(
  in_realm text, in_collection text, in_id text, in_body text, in_if_version bigint, in_expires_ms double precision,
  in_kept integer, in_fields text[], in_values text[]
) RETURNS TABLE (status text, version bigint, is_new boolean, created_ms double precision, updated_ms double precision)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  expiry timestamptz := to_timestamp(in_expires_ms / 1000);
  moment timestamptz;
  held record;
  is_live boolean;
  last bigint;
  born timestamptz;
BEGIN
  LOOP
    SELECT d.version, d.created_at, d.updated_at, d.expires_at, d.fields, d.vals INTO held FROM documents d
    WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id FOR UPDATE;
    moment := date_trunc('milliseconds', millrace_now());
    is_live := FOUND AND (held.expires_at IS NULL OR held.expires_at > moment);
    IF in_if_version <> (CASE WHEN is_live THEN held.version ELSE 0 END) THEN
      RETURN QUERY SELECT 'stale', CASE WHEN is_live THEN held.version ELSE 0 END, false, NULL::double precision, NULL::double precision;
      RETURN;
    END IF;
    IF held.version IS NOT NULL THEN
      last := held.version;
      born := CASE WHEN is_live THEN held.created_at ELSE moment END;
      IF is_live AND in_kept > 0 THEN
        INSERT INTO document_versions (realm, collection, id, version, body, created_at)
        SELECT d.realm, d.collection, d.id, d.version, d.body, d.updated_at FROM documents d
        WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id;
      END IF;
      DELETE FROM document_versions v
      WHERE v.realm = in_realm AND v.collection = in_collection AND v.id = in_id
        AND v.version <= CASE WHEN is_live THEN last - in_kept ELSE last END;
      UPDATE documents d SET version = last + 1, body = in_body, created_at = born, updated_at = moment,
        expires_at = expiry, kept = in_kept, fields = in_fields, vals = in_values
      WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id;
      EXIT;
    END IF;
    INSERT INTO documents (realm, collection, id, version, body, created_at, updated_at, expires_at, kept, fields, vals)
    VALUES (in_realm, in_collection, in_id, 1, in_body, moment, moment, expiry, in_kept, in_fields, in_values)
    ON CONFLICT DO NOTHING;
    IF FOUND THEN
      born := moment;
      -- Only now: whoever removed it while this one waited has left its last version by the time that the row is ours.
      DELETE FROM document_tombstones t WHERE t.realm = in_realm AND t.collection = in_collection AND t.id = in_id
      RETURNING t.version INTO last;
      IF FOUND THEN
        UPDATE documents d SET version = last + 1
        WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id;
      END IF;
      EXIT;
    END IF;
  END LOOP;
  PERFORM document_index(in_realm, in_collection, in_id, held.fields, held.vals, in_fields, in_values);
  RETURN QUERY SELECT 'put', coalesce(last, 0) + 1, NOT is_live, millrace_ms(born), millrace_ms(moment);
END
$$;

-- Replaces the index entries of a document whose row the caller holds, entry by entry, so that each is looked up by the whole key.
CREATE FUNCTION document_index(
  in_realm text, in_collection text, in_id text,
  old_fields text[], old_values text[], new_fields text[], new_values text[]
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  place integer;
BEGIN
  FOR i IN 1 .. coalesce(cardinality(old_fields), 0) LOOP
    place := array_position(new_fields, old_fields[i]);
    IF place IS NULL OR new_values[place] <> old_values[i] THEN
      DELETE FROM document_keys k
      WHERE k.realm = in_realm AND k.collection = in_collection AND k.field = old_fields[i] AND k.value = old_values[i]
        AND k.id = in_id;
    END IF;
  END LOOP;
  FOR i IN 1 .. coalesce(cardinality(new_fields), 0) LOOP
    place := array_position(old_fields, new_fields[i]);
    IF place IS NULL OR old_values[place] <> new_values[i] THEN
      INSERT INTO document_keys (realm, collection, field, value, id)
      VALUES (in_realm, in_collection, new_fields[i], new_values[i], in_id);
    END IF;
  END LOOP;
END
$$;

-- Removes one document with all that belongs to it; version is that which was there, 0 when there was none or it had expired.
CREATE FUNCTION document_remove(in_realm text, in_collection text, in_id text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  moment timestamptz := millrace_now();
  gone record;
BEGIN
  DELETE FROM documents d WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id
  RETURNING d.version, d.kept, d.fields, d.vals, d.expires_at IS NULL OR d.expires_at > moment AS live INTO gone;
  IF gone.kept IS NOT NULL THEN
    DELETE FROM document_versions v WHERE v.realm = in_realm AND v.collection = in_collection AND v.id = in_id;
    INSERT INTO document_tombstones (realm, collection, id, version, removed_at)
    VALUES (in_realm, in_collection, in_id, gone.version, moment);
  END IF;
  PERFORM document_index(in_realm, in_collection, in_id, gone.fields, gone.vals, NULL, NULL);
  RETURN CASE WHEN gone.live THEN gone.version ELSE 0 END;
END
$$;

-- Drops up to in_limit expired documents and older versions of them, and forgets tombstones; returns how many documents and versions went.
-- Rows that others hold are left to them.
CREATE FUNCTION document_expire(in_limit integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  moment timestamptz := millrace_now();
  due record;
  older integer;
  went integer := 0;
BEGIN
  FOR due IN
    SELECT d.realm, d.collection, d.id, d.version, d.kept, d.fields, d.vals FROM documents d
    WHERE d.expires_at <= moment ORDER BY d.expires_at LIMIT in_limit FOR UPDATE SKIP LOCKED
  LOOP
    IF due.kept IS NOT NULL THEN
      DELETE FROM document_versions v WHERE v.ctid = ANY (ARRAY(
        SELECT o.ctid FROM document_versions o
        WHERE o.realm = due.realm AND o.collection = due.collection AND o.id = due.id LIMIT in_limit - went
      ));
      GET DIAGNOSTICS older = ROW_COUNT;
      went := went + older;
      EXIT WHEN went >= in_limit;
      INSERT INTO document_tombstones (realm, collection, id, version, removed_at)
      VALUES (due.realm, due.collection, due.id, due.version, moment);
    END IF;
    PERFORM document_index(due.realm, due.collection, due.id, due.fields, due.vals, NULL, NULL);
    DELETE FROM documents d WHERE d.realm = due.realm AND d.collection = due.collection AND d.id = due.id;
    went := went + 1;
    EXIT WHEN went >= in_limit;
  END LOOP;
  DELETE FROM document_tombstones t WHERE t.ctid = ANY (ARRAY(
    SELECT o.ctid FROM document_tombstones o
    WHERE o.removed_at <= moment - interval '30 days' ORDER BY o.removed_at LIMIT in_limit FOR UPDATE SKIP LOCKED
  ));
  RETURN went;
END
$$;
