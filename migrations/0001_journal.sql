-- The journal: for each (realm, subject) an append-only log. The subject's row is the lock under which ids are made,
-- so ids ascend in commit order; it also remembers what has been lost.

-- next_expiry is no later than the first expiry among the subject's entries, so that reads and the sweep know
-- when to look. The room left in each page lets an append update the row in place.
CREATE TABLE journal_subjects (
  realm text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  last_id uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  lost_through uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  appended_at timestamptz NOT NULL,
  closed_at timestamptz,
  next_expiry timestamptz,
  PRIMARY KEY (realm, subject)
) WITH (fillfactor = 50);

CREATE INDEX journal_subjects_closed ON journal_subjects (realm, subject) WHERE closed_at IS NOT NULL;
CREATE INDEX journal_subjects_by_expiry ON journal_subjects (next_expiry) WHERE next_expiry IS NOT NULL;

CREATE TABLE journal_entries (
  realm text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  id uuid NOT NULL,
  data text NOT NULL,
  blob_key text COLLATE "C",
  blob_size bigint,
  blob_sha256 text,
  created_at timestamptz NOT NULL,
  expires_at timestamptz,
  PRIMARY KEY (realm, subject, id)
);

CREATE INDEX journal_entries_by_expiry ON journal_entries (realm, subject, expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX journal_entries_by_blob ON journal_entries (blob_key) WHERE blob_key IS NOT NULL;

-- Idempotency keys, kept 48 hours, with what the first use of each made.
CREATE TABLE journal_keys (
  realm text COLLATE "C" NOT NULL,
  subject text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  fingerprint text COLLATE "C",
  ids uuid[] NOT NULL,
  expiries timestamptz[] NOT NULL,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (realm, subject, key)
);

CREATE INDEX journal_keys_by_age ON journal_keys (created_at);

-- A batch of appends over many subjects. in_realm and in_subject hold each subject once; in_at, in_if_open, in_key and
-- in_fingerprint describe an append each (in_at: which subject); the rest describe an entry each (in_of: which append).
-- Positions count from 1. One batch never holds a (subject, key) twice.
-- Planned once, since planning takes longer than a small batch, and so by index alone: plans made while the tables are
-- empty must suit full ones. Arrays are read by subscript rather than joined: each join would be a loop in a loop.
CREATE FUNCTION journal_append(
  in_realm text[], in_subject text[],
  in_at integer[], in_if_open boolean[], in_key text[], in_fingerprint text[],
  in_of integer[], in_data text[], in_ttl_ms bigint[], in_blob_key text[], in_blob_size bigint[], in_blob_sha256 text[]
) RETURNS TABLE (n integer, status text, ids uuid[], created_ms double precision, expires_ms double precision[])
LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
  held integer[];
  high bigint[];
  low bigint[];
  shut boolean[];
  spread_high bigint[];
  spread_low bigint[];
  spread_shut boolean[];
  verdict text[];
  moment timestamptz;
  micros bigint;
  clock_high bigint;
BEGIN
  LOOP
    -- Locked in one order everywhere, so appenders cannot deadlock; a locked row is read as its last commit left it.
    SELECT coalesce(array_agg(h.at ORDER BY h.at), '{}'), array_agg(millrace_id_high(h.last_id) ORDER BY h.at),
      array_agg(millrace_id_low(h.last_id) ORDER BY h.at), array_agg(h.closed_at IS NOT NULL ORDER BY h.at)
    INTO held, high, low, shut
    FROM (
      SELECT w.at, s.last_id, s.closed_at
      FROM unnest(in_realm, in_subject) WITH ORDINALITY AS w (realm, subject, at)
      JOIN journal_subjects s ON s.realm = w.realm AND s.subject = w.subject
      ORDER BY s.realm, s.subject
      FOR UPDATE OF s
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

  IF cardinality(held) < cardinality(in_subject) THEN
    spread_high := array_fill(0::bigint, ARRAY[cardinality(in_subject)]);
    spread_low := spread_high;
    spread_shut := array_fill(true, ARRAY[cardinality(in_subject)]);
    FOR i IN 1 .. cardinality(held) LOOP
      spread_high[held[i]] := high[i];
      spread_low[held[i]] := low[i];
      spread_shut[held[i]] := shut[i];
    END LOOP;
    high := spread_high;
    low := spread_low;
    shut := spread_shut;
  END IF;

  moment := millrace_now();
  micros := extract(epoch FROM moment) * 1000000;
  moment := date_trunc('milliseconds', moment);
  clock_high := ((micros / 1000) << 12) | ((micros % 1000) * 4096 / 1000);

  SELECT array_agg(CASE WHEN a.if_open AND shut[a.at] THEN 'closed' ELSE 'appended' END ORDER BY a.n)
  INTO verdict
  FROM unnest(in_at, in_if_open) WITH ORDINALITY AS a (at, if_open, n);

  -- A statement of its own after the lock: only its snapshot sees a key that was stored while this one waited.
  IF array_length(array_remove(in_key, NULL), 1) > 0 THEN
    FOR n, status, ids, created_ms, expires_ms IN
      SELECT a.n, CASE WHEN k.fingerprint IS NOT DISTINCT FROM a.fingerprint THEN 'replayed' ELSE 'mismatch' END,
        k.ids, millrace_ms(k.created_at),
        (SELECT array_agg(millrace_ms(x.expiry) ORDER BY x.i) FROM unnest(k.expiries) WITH ORDINALITY AS x (expiry, i))
      FROM unnest(in_at, in_key, in_fingerprint) WITH ORDINALITY AS a (at, key, fingerprint, n)
      JOIN journal_keys k ON k.realm = in_realm[a.at] AND k.subject = in_subject[a.at] AND k.key = a.key
      WHERE k.created_at > moment - interval '48 hours' AND NOT (in_if_open[a.n] AND shut[a.at])
    LOOP
      verdict[n] := status;
      RETURN NEXT;
    END LOOP;
  END IF;

  IF 'closed' = ANY (verdict) THEN
    RETURN QUERY
    SELECT v.n::integer, v.verdict, NULL::uuid[], NULL::double precision, NULL::double precision[]
    FROM unnest(verdict) WITH ORDINALITY AS v (verdict, n) WHERE v.verdict = 'closed';
  END IF;
  IF 'appended' <> ALL (verdict) THEN
    RETURN;
  END IF;

  -- Where each subject's ids go on: at the clock with a random low part of 48 bits, or right after the last id.
  SELECT array_agg(greatest(clock_high, l.high) ORDER BY l.at),
    array_agg(CASE
      WHEN clock_high > l.high THEN ('x0000' || right(gen_random_uuid()::text, 12))::bit(64)::bigint
      ELSE l.low + 1
    END ORDER BY l.at)
  INTO high, low
  FROM unnest(high, low) WITH ORDINALITY AS l (high, low, at);

  RETURN QUERY
  WITH made AS MATERIALIZED (
    SELECT e.*, millrace_id(high[e.at], low[e.at], e.step) AS id, moment + e.ttl_ms * interval '1 millisecond' AS expires_at
    FROM (
      SELECT u.*, in_at[u.of] AS at, row_number() OVER (PARTITION BY in_at[u.of] ORDER BY u.i) - 1 AS step
      FROM unnest(in_of, in_data, in_ttl_ms, in_blob_key, in_blob_size, in_blob_sha256)
        WITH ORDINALITY AS u (of, data, ttl_ms, blob_key, blob_size, blob_sha256, i)
      WHERE verdict[u.of] = 'appended'
    ) e
  ), stored AS (
    INSERT INTO journal_entries (realm, subject, id, data, blob_key, blob_size, blob_sha256, created_at, expires_at)
    SELECT in_realm[m.at], in_subject[m.at], m.id, m.data, m.blob_key, m.blob_size, m.blob_sha256, moment, m.expires_at
    FROM made m
  ), moved AS (
    UPDATE journal_subjects s
    SET last_id = t.last_id, appended_at = moment, next_expiry = least(s.next_expiry, t.next_expiry)
    FROM (
      SELECT in_realm[m.at] AS realm, in_subject[m.at] AS subject,
        millrace_id(high[m.at], low[m.at], max(m.step)) AS last_id, min(m.expires_at) AS next_expiry
      FROM made m GROUP BY m.at
    ) t
    WHERE s.realm = t.realm AND s.subject = t.subject
  ), kept AS (
    INSERT INTO journal_keys AS k (realm, subject, key, fingerprint, ids, expiries, created_at)
    SELECT in_realm[m.at], in_subject[m.at], in_key[m.of], in_fingerprint[m.of],
      array_agg(m.id ORDER BY m.i), array_agg(m.expires_at ORDER BY m.i), moment
    FROM made m WHERE in_key[m.of] IS NOT NULL GROUP BY m.at, m.of
    ON CONFLICT (realm, subject, key) DO UPDATE
    SET fingerprint = excluded.fingerprint, ids = excluded.ids, expiries = excluded.expiries, created_at = excluded.created_at
  )
  SELECT m.of, 'appended', array_agg(m.id ORDER BY m.i), millrace_ms(moment), array_agg(millrace_ms(m.expires_at) ORDER BY m.i)
  FROM made m GROUP BY m.of;
END
$$;

-- The highest id of a subject that has been removed or has expired, swept or not. Of the unswept it looks at the thousand
-- that expired last: with one lifetime for all entries the highest is always among them.
CREATE FUNCTION journal_lost_through(in_realm text, in_subject text, in_lost_through uuid, in_next_expiry timestamptz)
RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  moment timestamptz := millrace_now();
BEGIN
  IF in_next_expiry IS NULL OR in_next_expiry > moment THEN
    RETURN in_lost_through;
  END IF;
  RETURN greatest(in_lost_through, (
    SELECT (array_agg(x.id ORDER BY x.id DESC))[1] FROM (
      SELECT e.id FROM journal_entries e
      WHERE e.realm = in_realm AND e.subject = in_subject AND e.expires_at <= moment
      ORDER BY e.expires_at DESC LIMIT 1000
    ) x
  ));
END
$$;

-- Drops up to in_limit expired entries and as many idempotency keys whose time is over; returns how many entries went.
-- Subjects come before entries and keys, as in an append; the keys come last and wait for nobody, so no deadlock can be.
CREATE FUNCTION journal_expire(in_limit integer) RETURNS integer LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
  moment timestamptz := millrace_now();
  due_realm text[];
  due_subject text[];
  went integer;
BEGIN
  SELECT array_agg(h.realm), array_agg(h.subject) INTO due_realm, due_subject
  FROM (
    SELECT s.realm, s.subject
    FROM (
      SELECT d.realm, d.subject FROM journal_subjects d
      WHERE d.next_expiry <= moment ORDER BY d.next_expiry LIMIT in_limit
    ) due
    JOIN journal_subjects s ON s.realm = due.realm AND s.subject = due.subject
    ORDER BY s.realm, s.subject
    FOR UPDATE OF s
  ) h;

  WITH gone AS (
    DELETE FROM journal_entries e
    USING (
      SELECT x.realm, x.subject, x.id
      FROM unnest(due_realm, due_subject) AS t (realm, subject)
      CROSS JOIN LATERAL (
        SELECT i.realm, i.subject, i.id FROM journal_entries i
        WHERE i.realm = t.realm AND i.subject = t.subject AND i.expires_at <= moment
        ORDER BY i.expires_at LIMIT in_limit
      ) x
      LIMIT in_limit
    ) d
    WHERE e.realm = d.realm AND e.subject = d.subject AND e.id = d.id
    RETURNING e.realm, e.subject, e.id, e.blob_key
  ), queued AS (
    INSERT INTO object_deletions (key, queued_at)
    SELECT DISTINCT g.blob_key, moment FROM gone g WHERE g.blob_key IS NOT NULL
    ON CONFLICT DO NOTHING
  ), raised AS (
    UPDATE journal_subjects s SET lost_through = greatest(s.lost_through, g.id)
    FROM (SELECT realm, subject, (array_agg(id ORDER BY id DESC))[1] AS id FROM gone GROUP BY realm, subject) g
    WHERE s.realm = g.realm AND s.subject = g.subject
  )
  SELECT count(*) INTO went FROM gone;

  UPDATE journal_subjects s
  SET next_expiry = (SELECT min(e.expires_at) FROM journal_entries e WHERE e.realm = s.realm AND e.subject = s.subject)
  FROM unnest(due_realm, due_subject) AS t (realm, subject)
  WHERE s.realm = t.realm AND s.subject = t.subject;

  DELETE FROM journal_keys k
  USING (
    SELECT o.realm, o.subject, o.key FROM journal_keys o
    WHERE o.created_at <= moment - interval '48 hours' ORDER BY o.created_at LIMIT in_limit
    FOR UPDATE SKIP LOCKED
  ) d
  WHERE k.realm = d.realm AND k.subject = d.subject AND k.key = d.key;
  RETURN went;
END
$$;

-- Removes up to in_limit entries of a closed subject, and the subject once nothing is left; true when it is gone.
CREATE FUNCTION journal_remove(in_realm text, in_subject text, in_limit integer) RETURNS boolean
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  shut boolean;
  went integer;
BEGIN
  SELECT s.closed_at IS NOT NULL INTO shut FROM journal_subjects s
  WHERE s.realm = in_realm AND s.subject = in_subject FOR UPDATE;
  IF NOT FOUND THEN
    RETURN true;
  END IF;
  IF NOT shut THEN
    RETURN false;
  END IF;

  WITH gone AS (
    DELETE FROM journal_entries e
    USING (
      SELECT i.id FROM journal_entries i
      WHERE i.realm = in_realm AND i.subject = in_subject ORDER BY i.id LIMIT in_limit
    ) d
    WHERE e.realm = in_realm AND e.subject = in_subject AND e.id = d.id
    RETURNING e.id, e.blob_key
  ), queued AS (
    INSERT INTO object_deletions (key, queued_at)
    SELECT DISTINCT g.blob_key, millrace_now() FROM gone g WHERE g.blob_key IS NOT NULL
    ON CONFLICT DO NOTHING
  ), raised AS (
    UPDATE journal_subjects s SET lost_through = greatest(s.lost_through, g.id)
    FROM (SELECT (array_agg(id ORDER BY id DESC))[1] AS id FROM gone) g
    WHERE s.realm = in_realm AND s.subject = in_subject AND g.id IS NOT NULL
  )
  SELECT count(*) INTO went FROM gone;
  IF EXISTS (SELECT FROM journal_entries e WHERE e.realm = in_realm AND e.subject = in_subject) THEN
    RETURN false;
  END IF;

  -- A subject has as many keys as it had keyed appends in 48 hours: they too go in batches.
  DELETE FROM journal_keys k
  USING (
    SELECT o.key FROM journal_keys o
    WHERE o.realm = in_realm AND o.subject = in_subject LIMIT greatest(in_limit, 5000) - went
  ) d
  WHERE k.realm = in_realm AND k.subject = in_subject AND k.key = d.key;
  IF EXISTS (SELECT FROM journal_keys k WHERE k.realm = in_realm AND k.subject = in_subject) THEN
    RETURN false;
  END IF;
  DELETE FROM journal_subjects s WHERE s.realm = in_realm AND s.subject = in_subject;
  RETURN true;
END
$$;
