-- Units: commands on documents and the journal of which all take effect or none; and the guard under which a unit looks at a version.

-- The version of a document, 0 when there is none or it has expired. in_exclusive NULL: as it is. false: and none that is put with
-- in_exclusive until the end of the transaction; true: and no others look so until then.
CREATE FUNCTION document_guarded(in_realm text, in_collection text, in_id text, in_exclusive boolean) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  guard bigint := hashtextextended(current_schema() || '/document/' || in_realm || '/' || in_collection || '/' || in_id, 0);
BEGIN
  IF in_exclusive THEN
    PERFORM pg_advisory_xact_lock(guard);
  ELSIF NOT in_exclusive THEN
    PERFORM pg_advisory_xact_lock_shared(guard);
  END IF;
  -- A statement of its own after the lock: only its snapshot sees what was put while this one waited.
  RETURN coalesce((
    SELECT d.version FROM documents d
    WHERE d.realm = in_realm AND d.collection = in_collection AND d.id = in_id
      AND (d.expires_at IS NULL OR d.expires_at > millrace_now())
  ), 0);
END
$$;

-- A whole unit in one round trip: documents, then subjects, then appends; all of it or nothing. in_documents and
-- in_subjects are arrays of commands with their place `n` in the unit; the arrays are those of journal_append. Rows come back
-- as (place, refused, outcome), that of all appends together without a place: with a refused one among them, nothing has
-- been stored. in_version_of is NULL, or has for each entry the place of the document command whose version becomes its first member, or NULL.
-- Rows of each kind are taken in one order everywhere, so units cannot deadlock.
CREATE FUNCTION commit_unit(
  in_documents jsonb, in_subjects jsonb,
  in_realm text[], in_subject text[], in_count integer[], in_soonest_ms bigint[], in_latest_ms bigint[],
  in_at integer[], in_if_open boolean[], in_key text[], in_fingerprint text[],
  in_of integer[], in_step integer[], in_data text[], in_ttl_ms bigint[],
  in_blob_key text[], in_blob_size bigint[], in_blob_sha256 text[], in_version_of integer[]
) RETURNS TABLE (place integer, refused boolean, outcome jsonb) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  command record;
  written record;
  any_refused boolean := false;
  moment timestamptz;
  made bigint;
  versions bigint[];
BEGIN
  FOR command IN
    SELECT * FROM jsonb_to_recordset(in_documents) AS c (
      n integer, op text, realm text COLLATE "C", collection text COLLATE "C", id text COLLATE "C",
      body text, if_version bigint, expires_ms double precision, versions integer, fields text[], vals text[],
      exclusive boolean, must_exist boolean
    ) ORDER BY c.realm, c.collection, c.id, c.n
  LOOP
    place := command.n;
    refused := false;
    IF command.op = 'document.put' THEN
      IF command.exclusive THEN
        PERFORM document_guarded(command.realm, command.collection, command.id, true);
      END IF;
      IF command.versions IS NULL THEN
        SELECT * INTO written FROM document_put(
          command.realm, command.collection, command.id, command.body, command.if_version, command.expires_ms
        );
      ELSE
        SELECT * INTO written FROM document_put_version(
          command.realm, command.collection, command.id, command.body, command.if_version, command.expires_ms,
          command.versions, command.fields, command.vals
        );
      END IF;
      refused := written.status = 'stale';
      made := written.version;
      outcome := to_jsonb(written);
    ELSIF command.op = 'document.remove' THEN
      made := document_remove(command.realm, command.collection, command.id);
      refused := command.if_version <> made OR (command.must_exist AND made = 0);
      refused := coalesce(refused, false);
      outcome := jsonb_build_object(
        'status', CASE WHEN refused THEN 'stale' WHEN made = 0 THEN 'absent' ELSE 'removed' END, 'version', made
      );
    ELSIF command.op = 'document.check' THEN
      made := document_guarded(command.realm, command.collection, command.id, false);
      refused := made <> command.if_version;
      outcome := jsonb_build_object('status', CASE WHEN refused THEN 'changed' ELSE 'checked' END, 'version', made);
    ELSE
      SELECT d.fields, d.vals INTO written FROM documents d
      WHERE d.realm = command.realm AND d.collection = command.collection AND d.id = command.id
        AND d.version = command.if_version AND (d.expires_at IS NULL OR d.expires_at > millrace_now()) FOR UPDATE;
      outcome := jsonb_build_object('status', CASE WHEN FOUND THEN 'indexed' ELSE 'absent' END);
      IF FOUND THEN
        PERFORM document_index(
          command.realm, command.collection, command.id, written.fields, written.vals, command.fields, command.vals
        );
        UPDATE documents d SET fields = command.fields, vals = command.vals
        WHERE d.realm = command.realm AND d.collection = command.collection AND d.id = command.id;
      END IF;
    END IF;
    versions[command.n + 1] := made;
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
    IF in_version_of IS NOT NULL THEN
      FOR i IN 1 .. cardinality(in_data) LOOP
        IF in_version_of[i] IS NOT NULL THEN
          in_data[i] := '{"version":' || versions[in_version_of[i] + 1] || ',' || substr(in_data[i], 2);
        END IF;
      END LOOP;
    END IF;
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
