-- Appends to the journal: one entry to one subject, which is the quick way, and a batch over many subjects.

-- One entry to a subject that must be open, which is what a lone caller asks for, in half the time that journal_append takes for it.
-- Returns the id, the subject's last id before it and the moment in milliseconds, with a space between; NULL: closed; 'known': the key
-- has been used, and journal_append can tell for what. The update takes the lock, and whoever had to wait for it counts on from what the
-- row says then.
CREATE FUNCTION journal_append_one(
  in_realm text, in_subject text, in_key text, in_fingerprint text,
  in_data text, in_ttl_ms bigint, in_blob_key text, in_blob_size bigint, in_blob_sha256 text
) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  clock timestamptz := millrace_now();
  -- Each in a variable of its own: only so is the next inlined, and a call that is not costs more than the insert.
  high bigint := millrace_id_clock(clock);
  low bigint := millrace_id_noise();
  fresh uuid := millrace_id(high, low, 0);
  moment timestamptz := date_trunc('milliseconds', clock);
  expiry timestamptz := moment + in_ttl_ms * interval '1 millisecond';
  found_number bigint;
  made uuid;
  previous uuid;
BEGIN
  IF in_key IS NOT NULL THEN
    SELECT s.number INTO found_number FROM journal_subjects s
    WHERE s.realm = in_realm AND s.subject = in_subject AND s.closed_at IS NULL FOR UPDATE;
    -- A statement of its own after the lock: only its snapshot sees a key that was stored while this one waited.
    IF EXISTS (SELECT FROM journal_keys k WHERE k.subject_number = found_number AND k.key = in_key) THEN
      RETURN 'known';
    END IF;
  END IF;

  UPDATE journal_subjects s SET
    last_id = CASE WHEN s.last_id < fresh THEN fresh ELSE millrace_id_after(s.last_id, 1) END,
    previous_id = s.last_id,
    appended_at = moment,
    next_expiry = least(s.next_expiry, expiry),
    last_expiry = CASE
      WHEN expiry < s.last_expiry - interval '1 second' THEN 'infinity'
      ELSE greatest(s.last_expiry, expiry)
    END
  WHERE s.realm = in_realm AND s.subject = in_subject AND s.closed_at IS NULL
  RETURNING s.number, s.last_id, s.previous_id INTO found_number, made, previous;
  IF NOT FOUND THEN
    RETURN NULL;
  END IF;
  INSERT INTO journal_entries (subject_number, id, created_at, expires_at, blob_size, blob_key, blob_sha256, data)
  VALUES (found_number, made, moment, expiry, in_blob_size, in_blob_key, in_blob_sha256, in_data);
  IF in_key IS NOT NULL THEN
    INSERT INTO journal_keys (subject_number, key, fingerprint, ids, expiries, created_at)
    VALUES (found_number, in_key, in_fingerprint, ARRAY[made], ARRAY[expiry], moment);
  END IF;
  RETURN made || ' ' || previous || ' ' || round(date_part('epoch', moment) * 1000);
END
$$;

-- A batch of appends over many subjects. in_realm, in_subject, in_count, in_soonest_ms and in_latest_ms hold each subject once: how
-- many entries it is to get, and the shortest and the longest of their lifetimes. in_at, in_if_open, in_key and in_fingerprint
-- describe an append each (in_at: which subject); the rest describe an entry each (in_of: which append; in_step: its place among
-- those of the subject). Positions count from 1. in_if_open is NULL when it holds for all, in_key when there is none; one
-- batch never holds a (subject, key) twice.
-- ids has an element for each entry, NULL where the append was refused or replayed; previous has one for each subject, its last id
-- before these; known has an object for each append whose key was known. Refused is what is closed or a mismatch.
-- A plan made while there is one subject must suit a hundred thousand. So arrays are read by subscript rather than joined, and where a
-- subject or a key is looked up, it is by LATERAL or ANY, which leave no other way than from the array to the row: a plain
-- join may as well read all rows and search the array for each.
CREATE FUNCTION journal_append(
  in_realm text[], in_subject text[], in_count integer[], in_soonest_ms bigint[], in_latest_ms bigint[],
  in_at integer[], in_if_open boolean[], in_key text[], in_fingerprint text[],
  in_of integer[], in_step integer[], in_data text[], in_ttl_ms bigint[],
  in_blob_key text[], in_blob_size bigint[], in_blob_sha256 text[]
) RETURNS TABLE (refused boolean, created_ms double precision, ids uuid[], previous uuid[], known jsonb)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  counts integer[] := in_count;
  steps integer[] := in_step;
  held integer[];
  shut boolean[];
  closed boolean[];
  found bigint[];
  verdict text[];
  clock timestamptz;
  clock_high bigint;
  first_fresh uuid;
  moment timestamptz;
  places integer[];
  number bigint[];
  last uuid[];
  high bigint[];
  low bigint[];
BEGIN
  IF in_key IS NOT NULL OR in_if_open IS NOT NULL THEN
    LOOP
      -- Locked in one order everywhere, so appenders cannot deadlock; a locked row is read as its last commit left it.
      SELECT coalesce(array_agg(w.at), '{}'), array_agg(h.number), array_agg(h.closed_at IS NOT NULL) INTO held, number, shut
      FROM (
        SELECT u.realm, u.subject, u.at FROM unnest(in_realm, in_subject) WITH ORDINALITY AS u (realm, subject, at)
        ORDER BY u.realm COLLATE "C", u.subject COLLATE "C"
      ) w
      CROSS JOIN LATERAL (
        SELECT s.number, s.closed_at FROM journal_subjects s
        WHERE s.realm = w.realm AND s.subject = w.subject FOR UPDATE
      ) h;
      EXIT WHEN cardinality(held) = cardinality(in_subject);
      EXIT WHEN NOT EXISTS (
        SELECT FROM unnest(in_at, in_if_open) AS a (at, if_open) WHERE NOT a.if_open AND a.at <> ALL (held)
      );
      INSERT INTO journal_subjects (realm, subject, appended_at)
      SELECT DISTINCT in_realm[a.at] COLLATE "C", in_subject[a.at] COLLATE "C", millrace_now()
      FROM unnest(in_at, in_if_open) AS a (at, if_open)
      WHERE NOT a.if_open AND a.at <> ALL (held)
      ORDER BY 1, 2
      ON CONFLICT DO NOTHING;
    END LOOP;

    closed := array_fill(true, ARRAY[cardinality(in_subject)]);
    FOR i IN 1 .. cardinality(held) LOOP
      closed[held[i]] := shut[i];
      found[held[i]] := number[i];
    END LOOP;
    SELECT array_agg(CASE WHEN coalesce(a.if_open, true) AND closed[a.at] THEN 'closed' ELSE 'appended' END ORDER BY a.n)
    INTO verdict
    FROM unnest(in_at, in_if_open) WITH ORDINALITY AS a (at, if_open, n);

    -- A statement of its own after the lock: only its snapshot sees a key that was stored while this one waited.
    IF in_key IS NOT NULL THEN
      SELECT jsonb_agg(f) INTO known
      FROM (
        SELECT a.n, CASE WHEN k.fingerprint IS NOT DISTINCT FROM a.fingerprint THEN 'replayed' ELSE 'mismatch' END AS status,
          k.ids, millrace_ms(k.created_at) AS created_ms,
          ARRAY(SELECT millrace_ms(x.expiry) FROM unnest(k.expiries) WITH ORDINALITY AS x (expiry, i) ORDER BY x.i) AS expires_ms
        FROM unnest(in_at, in_key, in_fingerprint) WITH ORDINALITY AS a (at, key, fingerprint, n)
        CROSS JOIN LATERAL (
          SELECT o.* FROM journal_keys o WHERE o.subject_number = found[a.at] AND o.key = a.key OFFSET 0
        ) k
        WHERE verdict[a.n] = 'appended' AND k.created_at > millrace_now() - interval '48 hours'
      ) f;
      FOR i IN 0 .. coalesce(jsonb_array_length(known), 0) - 1 LOOP
        verdict[(known -> i ->> 'n')::integer] := known -> i ->> 'status';
      END LOOP;
    END IF;

    counts := array_fill(0, ARRAY[cardinality(in_subject)]);
    FOR i IN 1 .. cardinality(in_of) LOOP
      IF verdict[in_of[i]] = 'appended' THEN
        counts[in_at[in_of[i]]] := counts[in_at[in_of[i]]] + 1;
        steps[i] := counts[in_at[in_of[i]]];
      ELSE
        steps[i] := NULL;
      END IF;
    END LOOP;
  END IF;

  clock := millrace_now();
  clock_high := millrace_id_clock(clock);
  first_fresh := millrace_id(clock_high, 0, 0);
  moment := date_trunc('milliseconds', clock);
  created_ms := round(date_part('epoch', moment) * 1000);

  -- Ids go on at the clock with a random low part, or right after the last id.
  WITH moved AS (
    UPDATE journal_subjects s SET
      last_id = CASE
        WHEN s.last_id < first_fresh THEN millrace_id(clock_high, w.noise, w.count - 1)
        ELSE millrace_id_after(s.last_id, w.count)
      END,
      previous_id = s.last_id,
      appended_at = moment,
      next_expiry = least(s.next_expiry, w.soonest),
      last_expiry = CASE
        WHEN w.soonest < greatest(s.last_expiry, w.latest) - interval '1 second' THEN 'infinity'
        ELSE greatest(s.last_expiry, w.latest)
      END
    FROM (
      SELECT u.realm, u.subject, u.at, u.count::bigint AS count, millrace_id_noise() AS noise,
        moment + u.soonest_ms * interval '1 millisecond' AS soonest, moment + u.latest_ms * interval '1 millisecond' AS latest
      FROM unnest(in_realm, in_subject, counts, in_soonest_ms, in_latest_ms) WITH ORDINALITY
        AS u (realm, subject, count, soonest_ms, latest_ms, at)
      WHERE u.count > 0
      ORDER BY u.realm COLLATE "C", u.subject COLLATE "C"
    ) w
    WHERE s.subject = ANY (ARRAY[w.subject]) AND s.realm = w.realm AND (verdict IS NOT NULL OR s.closed_at IS NULL)
    RETURNING w.at, w.count, s.number, s.last_id, s.previous_id
  )
  SELECT array_agg(m.at), array_agg(m.number), array_agg(m.last_id), array_agg(m.previous_id),
    array_agg(CASE WHEN m.count > 1 THEN millrace_id_high(m.last_id) END),
    array_agg(CASE WHEN m.count > 1 THEN millrace_id_low(m.last_id) END)
  INTO places, number, last, previous, high, low
  FROM (SELECT * FROM moved ORDER BY at) m;

  IF cardinality(places) < cardinality(in_subject) THEN
    -- From the last to the first: whatever moves up leaves room for those before it.
    FOR i IN REVERSE cardinality(places) .. 1 LOOP
      IF places[i] > i THEN
        number[places[i]] := number[i];
        last[places[i]] := last[i];
        previous[places[i]] := previous[i];
        high[places[i]] := high[i];
        low[places[i]] := low[i];
        number[i] := NULL;
        previous[i] := NULL;
      END IF;
    END LOOP;
  END IF;

  WITH made AS MATERIALIZED (
    SELECT u.*, in_at[u.of] AS at, moment + u.ttl_ms * interval '1 millisecond' AS expires_at,
      CASE
        WHEN u.step IS NULL OR number[in_at[u.of]] IS NULL THEN NULL
        WHEN counts[in_at[u.of]] = 1 THEN last[in_at[u.of]]
        ELSE millrace_id(high[in_at[u.of]], low[in_at[u.of]], u.step - counts[in_at[u.of]])
      END AS id
    FROM unnest(in_of, steps, in_data, in_ttl_ms, in_blob_key, in_blob_size, in_blob_sha256) WITH ORDINALITY
      AS u (of, step, data, ttl_ms, blob_key, blob_size, blob_sha256, i)
  ), stored AS (
    INSERT INTO journal_entries (subject_number, id, created_at, expires_at, blob_size, blob_key, blob_sha256, data)
    SELECT number[m.at], m.id, moment, m.expires_at, m.blob_size, m.blob_key, m.blob_sha256, m.data
    FROM made m WHERE m.id IS NOT NULL
  )
  SELECT array_agg(m.id ORDER BY m.i) INTO ids FROM made m;

  IF in_key IS NOT NULL THEN
    INSERT INTO journal_keys AS k (subject_number, key, fingerprint, ids, expiries, created_at)
    SELECT number[in_at[e.of]], in_key[e.of], in_fingerprint[e.of],
      array_agg(e.id ORDER BY e.i), array_agg(moment + e.ttl_ms * interval '1 millisecond' ORDER BY e.i), moment
    FROM unnest(in_of, ids, in_ttl_ms) WITH ORDINALITY AS e (of, id, ttl_ms, i)
    WHERE in_key[e.of] IS NOT NULL AND e.id IS NOT NULL
    GROUP BY e.of
    ON CONFLICT (subject_number, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, ids = excluded.ids, expiries = excluded.expiries, created_at = excluded.created_at;
  END IF;

  refused := coalesce(verdict && '{closed,mismatch}', array_position(ids, NULL) IS NOT NULL);
  RETURN NEXT;
END
$$;
