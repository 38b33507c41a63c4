-- The documents: JSON objects under (realm, collection, id). The body is text, since jsonb would refuse \u0000 and
-- reorder keys.
CREATE TABLE documents (
  realm text COLLATE "C" NOT NULL,
  collection text COLLATE "C" NOT NULL,
  id text COLLATE "C" NOT NULL,
  version bigint NOT NULL,
  body text NOT NULL,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (realm, collection, id)
);

CREATE INDEX documents_by_expiry ON documents (expires_at) WHERE expires_at IS NOT NULL;

-- Puts one document if its version is in_if_version (NULL: any; 0: none may be there). An expired one counts as absent.
-- status is put or stale; of a stale one version is what is there.
CREATE FUNCTION document_put(
  in_realm text, in_collection text, in_id text, in_body text, in_if_version bigint, in_expires_ms double precision
) RETURNS TABLE (status text, version bigint, created_ms double precision, updated_ms double precision)
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
    RETURNING 'put', d.version, millrace_ms(d.created_at), millrace_ms(d.updated_at);
  ELSE
    RETURN QUERY
    UPDATE documents d SET version = d.version + 1, body = in_body, updated_at = moment, expires_at = expiry
    WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id AND d.version = in_if_version
      AND (d.expires_at IS NULL OR d.expires_at > moment)
    RETURNING 'put', d.version, millrace_ms(d.created_at), millrace_ms(d.updated_at);
  END IF;
  IF NOT FOUND THEN
    RETURN QUERY
    SELECT 'stale', coalesce((
      SELECT d.version FROM documents d
      WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id
        AND (d.expires_at IS NULL OR d.expires_at > moment)
    ), 0), NULL::double precision, NULL::double precision;
  END IF;
END
$$;

-- Removes one document; false when there was none or it had expired.
CREATE FUNCTION document_remove(in_realm text, in_collection text, in_id text) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  present boolean;
BEGIN
  DELETE FROM documents d WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id
  RETURNING d.expires_at IS NULL OR d.expires_at > millrace_now() INTO present;
  RETURN coalesce(present, false);
END
$$;

-- A whole unit in one round trip: documents, then subjects, then appends; all of it or nothing. in_documents and
-- in_subjects are arrays of commands with their place `n` in the unit; the arrays are those of journal_append. Rows come back
-- as (place, refused, outcome), that of all appends together without a place: with a refused one among them, nothing has
-- been stored.
-- Rows of each kind are taken in one order everywhere, so units cannot deadlock.
CREATE FUNCTION commit_unit(
  in_documents jsonb, in_subjects jsonb,
  in_realm text[], in_subject text[], in_count integer[], in_soonest_ms bigint[], in_latest_ms bigint[],
  in_at integer[], in_if_open boolean[], in_key text[], in_fingerprint text[],
  in_of integer[], in_step integer[], in_data text[], in_ttl_ms bigint[],
  in_blob_key text[], in_blob_size bigint[], in_blob_sha256 text[]
) RETURNS TABLE (place integer, refused boolean, outcome jsonb) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  command record;
  written record;
  any_refused boolean := false;
  moment timestamptz;
BEGIN
  FOR command IN
    SELECT * FROM jsonb_to_recordset(in_documents) AS c (
      n integer, op text, realm text COLLATE "C", collection text COLLATE "C", id text COLLATE "C",
      body text, if_version bigint, expires_ms double precision
    ) ORDER BY c.realm, c.collection, c.id, c.n
  LOOP
    place := command.n;
    refused := false;
    IF command.op = 'document.put' THEN
      SELECT * INTO written FROM document_put(
        command.realm, command.collection, command.id, command.body, command.if_version, command.expires_ms
      );
      refused := written.status = 'stale';
      outcome := to_jsonb(written);
    ELSE
      outcome := jsonb_build_object('status',
        CASE WHEN document_remove(command.realm, command.collection, command.id) THEN 'removed' ELSE 'absent' END);
    END IF;
    any_refused := any_refused OR refused;
    RETURN NEXT;
  END LOOP;
  IF any_refused THEN
    RAISE EXCEPTION USING ERRCODE = 'MR001';
  END IF;

  -- All subjects of the unit at once; without openings and closings journal_append does this by itself.
  IF in_subjects <> '[]' THEN
    PERFORM FROM (
      SELECT u.realm, u.subject FROM unnest(in_realm, in_subject) AS u (realm, subject)
      ORDER BY u.realm COLLATE "C", u.subject COLLATE "C"
    ) w
    CROSS JOIN LATERAL (
      SELECT FROM journal_subjects s WHERE s.realm = w.realm AND s.subject = w.subject FOR UPDATE
    ) held;
    moment := date_trunc('milliseconds', millrace_now());
  END IF;
  FOR command IN
    SELECT * FROM jsonb_to_recordset(in_subjects) AS c (
      n integer, op text, realm text COLLATE "C", subject text COLLATE "C", if_idle_ms double precision
    ) ORDER BY c.realm, c.subject, c.n
  LOOP
    place := command.n;
    refused := false;
    IF command.op = 'journal.open' THEN
      INSERT INTO journal_subjects (realm, subject, appended_at) VALUES (command.realm, command.subject, moment)
      ON CONFLICT DO NOTHING;
      outcome := jsonb_build_object('status', CASE WHEN FOUND THEN 'opened' ELSE 'exists' END);
    ELSE
      UPDATE journal_subjects s SET closed_at = coalesce(s.closed_at, moment)
      WHERE s.realm = command.realm AND s.subject = command.subject
        AND (s.closed_at IS NOT NULL OR command.if_idle_ms IS NULL
          OR s.appended_at <= moment - command.if_idle_ms * interval '1 millisecond');
      refused := NOT FOUND AND EXISTS (
        SELECT FROM journal_subjects s WHERE s.realm = command.realm AND s.subject = command.subject
      );
      outcome := jsonb_build_object('status', CASE WHEN refused THEN 'active' ELSE 'closed' END);
    END IF;
    any_refused := any_refused OR refused;
    RETURN NEXT;
  END LOOP;
  IF any_refused THEN
    RAISE EXCEPTION USING ERRCODE = 'MR001';
  END IF;

  IF cardinality(in_at) > 0 THEN
    SELECT * INTO written FROM journal_append(
      in_realm, in_subject, in_count, in_soonest_ms, in_latest_ms, in_at, in_if_open, in_key, in_fingerprint,
      in_of, in_step, in_data, in_ttl_ms, in_blob_key, in_blob_size, in_blob_sha256
    );
    place := NULL;
    refused := written.refused;
    outcome := to_jsonb(written);
    RETURN NEXT;
    IF refused THEN
      RAISE EXCEPTION USING ERRCODE = 'MR001';
    END IF;
  END IF;
-- Caught here, the refusal undoes all writes above and still returns the rows.
EXCEPTION WHEN SQLSTATE 'MR001' THEN
  RETURN;
END
$$;
