-- The journal: for each (realm, subject) an append-only log. The subject's row is the lock under which ids are made,
-- so ids ascend in commit order; it also remembers what has been lost.
-- Here are its tables, and how entries leave them.

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
