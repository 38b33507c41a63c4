-- The journal: for each (realm, subject) an append-only log. The subject's row is the lock under which ids are made,
-- so ids ascend in commit order; it also remembers what has been lost.

-- number stands for the subject in its entries and keys, where realm and subject would double the indexes. previous_id is what
-- last_id was before the latest append. next_expiry is no later than the first expiry among the entries, so that reads and the
-- sweep know when to look. last_expiry is no earlier than the last one, and infinity once entries do not expire in the order of
-- their ids. The room left in each page lets an append update the row in place.
CREATE TABLE journal_subjects (
  number bigint GENERATED ALWAYS AS IDENTITY,
  realm text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  last_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  previous_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  lost_through uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  appended_at timestamptz NOT NULL,
  closed_at timestamptz,
  next_expiry timestamptz,
  last_expiry timestamptz,
  PRIMARY KEY (subject, realm)
) WITH (fillfactor = 50);

CREATE UNIQUE INDEX journal_subjects_by_number ON journal_subjects (number);
CREATE INDEX journal_subjects_by_expiry ON journal_subjects (next_expiry) WHERE next_expiry IS NOT NULL;

CREATE TABLE journal_entries (
  subject_number bigint NOT NULL,
  id uuid NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  blob_size bigint,
  blob_key text COLLATE "C",
  blob_sha256 text,
  data text NOT NULL,
  PRIMARY KEY (subject_number, id)
);

CREATE INDEX journal_entries_by_expiry ON journal_entries (subject_number, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX journal_entries_by_blob ON journal_entries (blob_key) WHERE blob_key IS NOT NULL;

-- Idempotency keys, kept 48 hours, with what the first use of each made.
CREATE TABLE journal_keys (
  subject_number bigint NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C",
  ids uuid[] NOT NULL,
  expiries timestamptz[] NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (subject_number, key)
);

CREATE INDEX journal_keys_by_age ON journal_keys (created_at);

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

-- The highest id of a subject that has been removed or has expired by the moment, swept or not. Of the unswept it looks at those that
-- expired last. While entries expire in the order of their ids, but for what little the clocks of concurrent appends differ,
-- the highest is among the thousand; otherwise it may be anywhere.
CREATE FUNCTION journal_lost_through(
  in_number bigint, in_lost_through uuid, in_next_expiry timestamptz, in_last_expiry timestamptz, moment timestamptz
) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF in_next_expiry IS NULL OR in_next_expiry > moment THEN
    RETURN in_lost_through;
  END IF;
  RETURN greatest(in_lost_through, (
    SELECT x.id FROM (
      SELECT e.id FROM journal_entries e
      WHERE e.subject_number = in_number AND e.expires_at <= moment
      ORDER BY e.expires_at DESC LIMIT CASE WHEN in_last_expiry = 'infinity' THEN 100000 ELSE 1000 END
    ) x ORDER BY x.id DESC LIMIT 1
  ));
END
$$;

-- Drops up to in_limit expired entries and as many idempotency keys whose time is over; returns how many entries went.
-- Subjects come before entries and keys, as in an append; the keys come last and wait for nobody, so no deadlock can be.
-- Each statement is about one table, so that no plan can go astray. An entry never moves within the table.
CREATE FUNCTION journal_expire(in_limit integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  moment timestamptz := millrace_now();
  due bigint[];
  due_number bigint;
  went integer := 0;
  gone_ids uuid[];
  gone_blobs text[];
  soonest timestamptz;
BEGIN
  due := ARRAY(SELECT s.number FROM journal_subjects s WHERE s.next_expiry <= moment ORDER BY s.next_expiry LIMIT in_limit);
  due := ARRAY(
    SELECT s.number FROM journal_subjects s WHERE s.number = ANY (due) ORDER BY s.realm, s.subject FOR UPDATE
  );
  FOREACH due_number IN ARRAY due LOOP
    EXIT WHEN went = in_limit;
    WITH gone AS (
      DELETE FROM journal_entries e
      WHERE e.ctid = ANY (ARRAY(
        SELECT i.ctid FROM journal_entries i
        WHERE i.subject_number = due_number AND i.expires_at <= moment
        ORDER BY i.expires_at LIMIT in_limit - went
      ))
      RETURNING e.id, e.blob_key
    )
    SELECT coalesce(array_agg(g.id ORDER BY g.id DESC), '{}'), array_remove(array_agg(DISTINCT g.blob_key), NULL)
    INTO gone_ids, gone_blobs FROM gone g;
    went := went + cardinality(gone_ids);
    INSERT INTO object_deletions (key, queued_at) SELECT b.key, moment FROM unnest(gone_blobs) AS b (key) ON CONFLICT DO NOTHING;

    soonest := (
      SELECT e.expires_at FROM journal_entries e
      WHERE e.subject_number = due_number AND e.expires_at IS NOT NULL ORDER BY e.expires_at LIMIT 1
    );
    UPDATE journal_subjects s SET
      lost_through = greatest(s.lost_through, gone_ids[1]),
      next_expiry = soonest,
      last_expiry = CASE WHEN soonest IS NOT NULL THEN s.last_expiry END
    WHERE s.number = due_number;
  END LOOP;

  DELETE FROM journal_keys k
  WHERE k.ctid = ANY (ARRAY(
    SELECT o.ctid FROM journal_keys o
    WHERE o.created_at <= moment - interval '48 hours' ORDER BY o.created_at LIMIT in_limit
    FOR UPDATE SKIP LOCKED
  ));
  RETURN went;
END
$$;

-- Removes up to in_limit entries of a closed subject, and the subject once nothing is left; true when it is gone.
CREATE FUNCTION journal_remove(in_realm text, in_subject text, in_limit integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  found_number bigint;
  shut boolean;
  went integer;
BEGIN
  SELECT s.number, s.closed_at IS NOT NULL INTO found_number, shut FROM journal_subjects s
  WHERE s.realm = in_realm AND s.subject = in_subject FOR UPDATE;
  IF NOT FOUND THEN
    RETURN true;
  END IF;
  IF NOT shut THEN
    RETURN false;
  END IF;

  WITH gone AS (
    DELETE FROM journal_entries e
    WHERE e.ctid = ANY (ARRAY(
      SELECT i.ctid FROM journal_entries i WHERE i.subject_number = found_number ORDER BY i.id LIMIT in_limit
    ))
    RETURNING e.id, e.blob_key
  ), queued AS (
    INSERT INTO object_deletions (key, queued_at)
    SELECT DISTINCT g.blob_key, millrace_now() FROM gone g WHERE g.blob_key IS NOT NULL
    ON CONFLICT DO NOTHING
  ), raised AS (
    UPDATE journal_subjects s SET lost_through = greatest(s.lost_through, g.id)
    FROM (SELECT (array_agg(id ORDER BY id DESC))[1] AS id FROM gone) g
    WHERE s.number = found_number AND g.id IS NOT NULL
  )
  SELECT count(*) INTO went FROM gone;
  IF EXISTS (SELECT FROM journal_entries e WHERE e.subject_number = found_number) THEN
    RETURN false;
  END IF;

  -- A subject has as many keys as it had keyed appends in 48 hours: they too go in batches.
  DELETE FROM journal_keys k
  WHERE k.ctid = ANY (ARRAY(
    SELECT o.ctid FROM journal_keys o WHERE o.subject_number = found_number LIMIT greatest(in_limit, 5000) - went
  ));
  IF EXISTS (SELECT FROM journal_keys k WHERE k.subject_number = found_number) THEN
    RETURN false;
  END IF;
  DELETE FROM journal_subjects s WHERE s.number = found_number;
  RETURN true;
END
$$;
