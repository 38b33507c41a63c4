-- The queue: jobs that workers claim for a while. Those that have not ended are in queue_jobs, which so stays small and young; ended ones move to
-- queue_ended. A job's state is w (waiting), h (held back by its group or its key), d (delayed), r (running), then o (done), x (dead), c (cancelled).

CREATE TABLE queues (
  number bigint GENERATED ALWAYS AS IDENTITY,
  realm text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  paused boolean NOT NULL DEFAULT false,
  -- It has had jobs with a group or a key: see queue_lock.
  bound boolean NOT NULL DEFAULT false,
  group_concurrency integer NOT NULL DEFAULT 1,
  max_attempts integer NOT NULL DEFAULT 5,
  -- First rest in ms, factor, longest rest in ms, jitter.
  backoff double precision[] NOT NULL DEFAULT '{1000,2,3600000,0.2}',
  done_retention_ms bigint NOT NULL DEFAULT 86400000,
  dead_retention_ms bigint NOT NULL DEFAULT 1209600000,
  created_at timestamptz NOT NULL,
  PRIMARY KEY (realm, name)
);

CREATE UNIQUE INDEX queues_by_number ON queues (number);

-- Ids of jobs, and their places among others.
CREATE SEQUENCE queue_order;

-- position: the place among those of its priority, and in its group. placed: it takes up one of its group's places. holds_key: a push with its
-- dedup_key meets this job. after_id: the job that must end before it. lease_token stays when a job is given back, so that the same nack is known
-- when it comes again.
CREATE TABLE queue_jobs (
  id bigint NOT NULL,
  queue_number bigint NOT NULL,
  position bigint NOT NULL,
  created_at timestamptz NOT NULL,
  visible_at timestamptz NOT NULL,
  claimed_at timestamptz,
  lease_until timestamptz,
  lease_token uuid,
  after_id bigint,
  attempt integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL,
  redrives integer NOT NULL DEFAULT 0,
  priority smallint NOT NULL,
  state "char" NOT NULL,
  placed boolean NOT NULL DEFAULT false,
  holds_key boolean NOT NULL DEFAULT false,
  cancel_requested boolean NOT NULL DEFAULT false,
  group_key text COLLATE "C",
  dedup_key text COLLATE "C",
  backoff double precision[],
  error text,
  progress text,
  payload text NOT NULL,
  PRIMARY KEY (id)
) WITH (
  fillfactor = 70,
  autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_analyze_scale_factor = 0.2, autovacuum_analyze_threshold = 20000
);

CREATE INDEX queue_jobs_waiting ON queue_jobs (queue_number, priority DESC, position) INCLUDE (visible_at) WHERE state = 'w';
CREATE INDEX queue_jobs_delayed ON queue_jobs (queue_number, visible_at, id) WHERE state = 'd';
CREATE INDEX queue_jobs_running ON queue_jobs (queue_number, lease_until, id) WHERE state = 'r';
CREATE INDEX queue_jobs_held ON queue_jobs (queue_number, position) WHERE state = 'h';
CREATE INDEX queue_jobs_grouped ON queue_jobs (queue_number, group_key, position) WHERE state = 'h' AND after_id IS NULL;
CREATE INDEX queue_jobs_after ON queue_jobs (after_id) WHERE after_id IS NOT NULL;
CREATE UNIQUE INDEX queue_jobs_keyed ON queue_jobs (queue_number, dedup_key) WHERE holds_key;

CREATE TABLE queue_ended (
  id bigint NOT NULL,
  queue_number bigint NOT NULL,
  created_at timestamptz NOT NULL,
  visible_at timestamptz NOT NULL,
  claimed_at timestamptz,
  finished_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  lease_token uuid,
  attempt integer NOT NULL,
  max_attempts integer NOT NULL,
  redrives integer NOT NULL,
  priority smallint NOT NULL,
  state "char" NOT NULL,
  cancel_requested boolean NOT NULL,
  group_key text COLLATE "C",
  dedup_key text COLLATE "C",
  backoff double precision[],
  error text,
  progress text,
  result text,
  payload text NOT NULL,
  PRIMARY KEY (id)
);

CREATE INDEX queue_ended_by_state ON queue_ended (queue_number, state, finished_at, id);
CREATE INDEX queue_ended_by_expiry ON queue_ended (expires_at);

-- Places taken, of groups that have any.
CREATE TABLE queue_groups (
  queue_number bigint NOT NULL,
  group_key text COLLATE "C" NOT NULL,
  taken integer NOT NULL,
  PRIMARY KEY (queue_number, group_key)
) WITH (fillfactor = 70);

-- Keys that drop for a while, though their job may have ended.
CREATE TABLE queue_windows (
  queue_number bigint NOT NULL,
  dedup_key text COLLATE "C" NOT NULL,
  job_id bigint NOT NULL,
  until timestamptz NOT NULL,
  PRIMARY KEY (queue_number, dedup_key)
);

CREATE INDEX queue_windows_by_end ON queue_windows (until);

-- What happened in a minute, a row for each connection, so that nobody waits for another to count.
CREATE TABLE queue_minutes (
  queue_number bigint NOT NULL,
  at timestamptz NOT NULL,
  backend integer NOT NULL,
  pushed bigint NOT NULL DEFAULT 0,
  claimed bigint NOT NULL DEFAULT 0,
  acked bigint NOT NULL DEFAULT 0,
  nacked bigint NOT NULL DEFAULT 0,
  expired bigint NOT NULL DEFAULT 0,
  dead bigint NOT NULL DEFAULT 0,
  PRIMARY KEY (queue_number, at, backend)
) WITH (fillfactor = 50);

CREATE INDEX queue_minutes_by_age ON queue_minutes (at);

-- options is a JSON object with what a new job has besides its payload.
CREATE TABLE queue_schedules (
  realm text COLLATE "C" NOT NULL,
  queue text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  cron text NOT NULL,
  zone text NOT NULL,
  payload text NOT NULL,
  options jsonb NOT NULL,
  paused boolean NOT NULL,
  next_at timestamptz,
  last_at timestamptz,
  last_job_id bigint,
  created_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (realm, queue, name)
);

CREATE INDEX queue_schedules_by_next ON queue_schedules (next_at) WHERE next_at IS NOT NULL AND NOT paused;

CREATE FUNCTION queue_count(
  in_number bigint, in_moment timestamptz,
  in_pushed bigint, in_claimed bigint, in_acked bigint, in_nacked bigint, in_expired bigint, in_dead bigint
) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  INSERT INTO queue_minutes AS m (queue_number, at, backend, pushed, claimed, acked, nacked, expired, dead)
  VALUES (
    in_number, to_timestamp(floor(date_part('epoch', in_moment) / 60) * 60), pg_backend_pid(),
    in_pushed, in_claimed, in_acked, in_nacked, in_expired, in_dead
  )
  ON CONFLICT (queue_number, at, backend) DO UPDATE SET
    pushed = m.pushed + excluded.pushed, claimed = m.claimed + excluded.claimed, acked = m.acked + excluded.acked,
    nacked = m.nacked + excluded.nacked, expired = m.expired + excluded.expired, dead = m.dead + excluded.dead;
END
$$;

-- The queue's row, made if there is none.
CREATE FUNCTION queue_ensure(in_realm text, in_queue text) RETURNS queues LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  present queues;
BEGIN
  LOOP
    SELECT * INTO present FROM queues q WHERE q.realm = in_realm AND q.name = in_queue;
    IF FOUND THEN
      RETURN present;
    END IF;
    INSERT INTO queues (realm, name, created_at) VALUES (in_realm, in_queue, date_trunc('milliseconds', millrace_now()))
    ON CONFLICT DO NOTHING;
  END LOOP;
END
$$;

-- Taken before any row by whatever may change jobs with a group or a key, since such a change goes on to other jobs, in any order: so no two can wait for
-- each other. A job's group and key never change, so whether it has any may be read without a lock.
CREATE FUNCTION queue_lock(in_number bigint, in_wait boolean) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  key bigint := hashtextextended(current_schema() || '/queue', in_number);
BEGIN
  IF NOT in_wait THEN
    RETURN pg_try_advisory_xact_lock(key);
  END IF;
  PERFORM pg_advisory_xact_lock(key);
  RETURN true;
END
$$;

-- Takes back in_left places of a group and gives the free ones to those held back, in order; true when anyone got one.
CREATE FUNCTION queue_admit(in_queue queues, in_group text, in_left integer) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  was_taken integer;
  admitted bigint[] := '{}';
BEGIN
  INSERT INTO queue_groups AS g (queue_number, group_key, taken) VALUES (in_queue.number, in_group, 0)
  ON CONFLICT (queue_number, group_key) DO UPDATE SET taken = g.taken - in_left
  RETURNING g.taken INTO was_taken;

  IF was_taken < in_queue.group_concurrency THEN
    admitted := ARRAY(
      SELECT j.id FROM queue_jobs j
      WHERE j.queue_number = in_queue.number AND j.group_key = in_group AND j.state = 'h' AND j.after_id IS NULL
      ORDER BY j.position LIMIT in_queue.group_concurrency - was_taken
    );
    IF admitted <> '{}' THEN
      UPDATE queue_jobs j SET state = 'w', placed = true WHERE j.id = ANY (admitted);
      UPDATE queue_groups g SET taken = g.taken + cardinality(admitted)
      WHERE g.queue_number = in_queue.number AND g.group_key = in_group;
      RETURN true;
    END IF;
    DELETE FROM queue_groups g WHERE g.queue_number = in_queue.number AND g.group_key = in_group AND g.taken = 0;
  END IF;
  RETURN false;
END
$$;

-- Lets go on what a job that has left queue_jobs held back: the job behind it, the next of its group. True when one of them may be claimed now.
CREATE FUNCTION queue_release(in_queue queues, gone queue_jobs, moment timestamptz) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  behind queue_jobs;
  released boolean := false;
BEGIN
  IF gone.after_id IS NOT NULL AND gone.holds_key THEN
    -- It had the key from the job it waited for.
    UPDATE queue_jobs j SET holds_key = true WHERE j.id = gone.after_id;
  END IF;
  IF gone.dedup_key IS NOT NULL AND NOT gone.holds_key THEN
    SELECT * INTO behind FROM queue_jobs j WHERE j.after_id = gone.id FOR UPDATE;
    IF FOUND THEN
      behind.state := CASE WHEN behind.visible_at > moment THEN 'd' WHEN behind.group_key IS NULL THEN 'w' ELSE 'h' END;
      UPDATE queue_jobs j SET after_id = NULL, state = behind.state WHERE j.id = behind.id;
      released := behind.state = 'w';
    END IF;
  END IF;
  IF gone.placed THEN
    released := queue_admit(in_queue, gone.group_key, 1) OR released;
  END IF;
  IF behind.state = 'h' THEN
    released := queue_admit(in_queue, behind.group_key, 0) OR released;
  END IF;
  RETURN released;
END
$$;

-- Ends one job that the caller has locked; true when that lets another be claimed.
CREATE FUNCTION queue_end(
  in_queue queues, ending queue_jobs, in_state "char", in_token uuid, in_error text, moment timestamptz
) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  gone queue_jobs;
BEGIN
  -- As it is now: one that ended before it in the same statement may have given it back its key.
  DELETE FROM queue_jobs j WHERE j.id = ending.id RETURNING * INTO gone;
  INSERT INTO queue_ended (
    id, queue_number, created_at, visible_at, claimed_at, finished_at, expires_at, lease_token, attempt, max_attempts, redrives, priority,
    state, cancel_requested, group_key, dedup_key, backoff, error, progress, payload
  ) VALUES (
    gone.id, gone.queue_number, gone.created_at, gone.visible_at, gone.claimed_at, moment,
    moment + CASE WHEN in_state = 'x' THEN in_queue.dead_retention_ms ELSE in_queue.done_retention_ms END * interval '1 millisecond',
    in_token, gone.attempt, gone.max_attempts, gone.redrives, gone.priority,
    in_state, gone.cancel_requested, gone.group_key, gone.dedup_key, gone.backoff, in_error, gone.progress, gone.payload
  );
  RETURN queue_release(in_queue, gone, moment);
END
$$;

-- Pushes one job. in_mode is drop, replace, one-more-after-running, or NULL like in_key; deduplicated is d (dropped), r (replaced) or NULL.
CREATE FUNCTION queue_push_one(
  in_queue queues, moment timestamptz, in_payload text, in_visible_at timestamptz, in_priority integer, in_group text,
  in_max_attempts integer, in_backoff double precision[], in_key text, in_mode text, in_window_ms double precision,
  OUT id bigint, OUT state "char", OUT visible_at timestamptz, OUT deduplicated "char"
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  holder queue_jobs;
  behind bigint;
  put_off boolean := in_visible_at > moment;
BEGIN
  LOOP
    behind := NULL;
    IF in_mode = 'drop' THEN
      SELECT j.id, j.state, j.visible_at INTO id, state, visible_at FROM queue_jobs j
      WHERE j.queue_number = in_queue.number AND j.dedup_key = in_key AND j.holds_key;
      IF NOT FOUND THEN
        SELECT w.job_id, coalesce(l.state, e.state, 'o'), coalesce(l.visible_at, e.visible_at, moment) INTO id, state, visible_at
        FROM queue_windows w
        LEFT JOIN LATERAL (SELECT j.state, j.visible_at FROM queue_jobs j WHERE j.id = w.job_id OFFSET 0) l ON true
        LEFT JOIN LATERAL (SELECT o.state, o.visible_at FROM queue_ended o WHERE o.id = w.job_id OFFSET 0) e ON true
        WHERE w.queue_number = in_queue.number AND w.dedup_key = in_key AND w.until > moment;
      END IF;
      IF FOUND THEN
        deduplicated := 'd';
        RETURN;
      END IF;
    ELSIF in_key IS NOT NULL THEN
      SELECT * INTO holder FROM queue_jobs j
      WHERE j.queue_number = in_queue.number AND j.dedup_key = in_key AND j.holds_key FOR UPDATE;
      IF FOUND AND holder.state <> 'r' THEN
        -- One that comes to wait only now does so behind the others; one that is put off gives its place in the group to the next.
        UPDATE queue_jobs j SET
          state = CASE
            WHEN j.after_id IS NOT NULL THEN 'h' WHEN put_off THEN 'd' WHEN j.group_key IS NULL OR j.placed THEN 'w' ELSE 'h'
          END,
          placed = j.placed AND NOT put_off,
          position = CASE WHEN put_off OR j.state <> 'd' THEN j.position ELSE nextval('queue_order') END,
          payload = in_payload, priority = in_priority, max_attempts = in_max_attempts, backoff = in_backoff, visible_at = in_visible_at,
          attempt = 0, claimed_at = NULL, lease_until = NULL, lease_token = NULL, error = NULL, progress = NULL, cancel_requested = false
        WHERE j.id = holder.id;
        IF holder.group_key IS NOT NULL THEN
          PERFORM queue_admit(in_queue, holder.group_key, (holder.placed AND put_off)::integer);
        END IF;
        SELECT j.id, j.state, j.visible_at INTO id, state, visible_at FROM queue_jobs j WHERE j.id = holder.id;
        deduplicated := 'r';
        RETURN;
      ELSIF FOUND THEN
        UPDATE queue_jobs j SET holds_key = false WHERE j.id = holder.id;
        behind := CASE WHEN in_mode = 'one-more-after-running' THEN holder.id END;
      END IF;
    END IF;

    id := nextval('queue_order');
    INSERT INTO queue_jobs (
      id, queue_number, position, created_at, visible_at, max_attempts, priority, group_key, backoff, payload, dedup_key, holds_key, after_id, state
    ) VALUES (
      id, in_queue.number, id, moment, in_visible_at, in_max_attempts, in_priority, in_group, in_backoff, in_payload, in_key, in_key IS NOT NULL, behind,
      CASE WHEN behind IS NOT NULL THEN 'h' WHEN put_off THEN 'd' WHEN in_group IS NULL THEN 'w' ELSE 'h' END
    )
    ON CONFLICT (queue_number, dedup_key) WHERE holds_key DO NOTHING;
    EXIT WHEN FOUND;
  END LOOP;

  IF in_group IS NOT NULL THEN
    PERFORM queue_admit(in_queue, in_group, 0);
  END IF;
  IF in_mode = 'drop' AND in_window_ms IS NOT NULL THEN
    INSERT INTO queue_windows (queue_number, dedup_key, job_id, until)
    VALUES (in_queue.number, in_key, id, moment + in_window_ms * interval '1 millisecond')
    ON CONFLICT (queue_number, dedup_key) DO UPDATE SET job_id = excluded.job_id, until = excluded.until;
  END IF;
  SELECT j.state, j.visible_at INTO state, visible_at FROM queue_jobs j WHERE j.id = queue_push_one.id;
END
$$;

-- Pushes jobs in their order. All arrays but in_payload may be NULL, and hold NULL for what a job leaves out; in_backoff holds a literal each. ids,
-- states, visible_ms and deduplicated have an element for each job; the last three are NULL when all wait from now on and are new.
CREATE FUNCTION queue_push(
  in_realm text, in_queue text, in_payload text[], in_delay_ms double precision[], in_visible_ms double precision[], in_priority integer[],
  in_group text[], in_max_attempts integer[], in_backoff text[], in_key text[], in_mode text[], in_window_ms double precision[],
  OUT ids bigint[], OUT states "char"[], OUT visible_ms double precision[], OUT deduplicated "char"[], OUT now_ms double precision
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  q queues := queue_ensure(in_realm, in_queue);
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  job record;
  made record;
  grouped text;
  pushed integer := 0;
BEGIN
  now_ms := millrace_ms(moment);
  IF in_key IS NOT NULL OR in_group IS NOT NULL THEN
    IF NOT q.bound THEN
      UPDATE queues SET bound = true WHERE number = q.number;
    END IF;
    PERFORM queue_lock(q.number, true);
  END IF;
  IF in_key IS NULL THEN
    WITH made AS MATERIALIZED (
      SELECT nextval('queue_order') AS id, u.*,
        greatest(moment, to_timestamp(u.visible / 1000), moment + u.delay * interval '1 millisecond') AS visible_at
      FROM unnest(in_payload, in_delay_ms, in_visible_ms, in_priority, in_group, in_max_attempts, in_backoff)
        AS u (payload, delay, visible, priority, in_group, max_attempts, backoff)
    ), stored AS (
      INSERT INTO queue_jobs (id, queue_number, position, created_at, visible_at, max_attempts, priority, group_key, backoff, payload, state)
      SELECT m.id, q.number, m.id, moment, m.visible_at, coalesce(m.max_attempts, q.max_attempts), coalesce(m.priority, 0), m.in_group,
        m.backoff::double precision[], m.payload,
        CASE WHEN m.visible_at > moment THEN 'd' WHEN m.in_group IS NULL THEN 'w' ELSE 'h' END
      FROM made m
    )
    SELECT array_agg(m.id ORDER BY m.id) INTO ids FROM made m;
    IF in_group IS NOT NULL THEN
      FOR grouped IN
        SELECT g.name FROM (SELECT DISTINCT u.name COLLATE "C" AS name FROM unnest(in_group) AS u (name)) g
        WHERE g.name IS NOT NULL ORDER BY g.name
      LOOP
        PERFORM queue_admit(q, grouped, 0);
      END LOOP;
    END IF;
    IF in_group IS NOT NULL OR in_delay_ms IS NOT NULL OR in_visible_ms IS NOT NULL THEN
      SELECT array_agg(j.state ORDER BY j.id), array_agg(millrace_ms(j.visible_at) ORDER BY j.id) INTO states, visible_ms
      FROM queue_jobs j WHERE j.id = ANY (ids);
    END IF;
    pushed := cardinality(ids);
  ELSE
    -- One after the other: each may meet those before it.
    FOR job IN
      SELECT u.*, greatest(moment, to_timestamp(u.visible / 1000), moment + u.delay * interval '1 millisecond') AS visible_at
      FROM unnest(in_payload, in_delay_ms, in_visible_ms, in_priority, in_group, in_max_attempts, in_backoff, in_key, in_mode, in_window_ms)
        WITH ORDINALITY AS u (payload, delay, visible, priority, group_key, max_attempts, backoff, key, mode, window_ms, i)
      ORDER BY u.i
    LOOP
      SELECT * INTO made FROM queue_push_one(
        q, moment, job.payload, job.visible_at, coalesce(job.priority, 0), job.group_key, coalesce(job.max_attempts, q.max_attempts),
        job.backoff::double precision[], job.key, job.mode, job.window_ms
      );
      pushed := pushed + (made.deduplicated IS NULL)::integer;
      ids := array_append(ids, made.id);
      states := array_append(states, made.state);
      visible_ms := array_append(visible_ms, millrace_ms(made.visible_at));
      deduplicated := array_append(deduplicated, made.deduplicated);
    END LOOP;
  END IF;
  IF pushed > 0 THEN
    PERFORM queue_count(q.number, moment, pushed, 0, 0, 0, 0, 0);
  END IF;
  IF NOT EXISTS (SELECT FROM queues q2 WHERE q2.number = q.number) THEN
    RAISE serialization_failure USING MESSAGE = 'the queue was removed meanwhile';
  END IF;
END
$$;

-- Takes up leases that ended, the earliest first, up to 200: the job waits again, or has had its last attempt.
CREATE FUNCTION queue_take_up_expired(in_queue queues, moment timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  job queue_jobs;
  expired integer := 0;
  dead integer := 0;
BEGIN
  FOR job IN
    SELECT * FROM queue_jobs j
    WHERE j.queue_number = in_queue.number AND j.state = 'r' AND j.lease_until <= moment
    ORDER BY j.lease_until, j.id LIMIT 200
    FOR UPDATE SKIP LOCKED
  LOOP
    expired := expired + 1;
    IF job.cancel_requested THEN
      PERFORM queue_end(in_queue, job, 'c', NULL, 'The lease expired.', moment);
    ELSIF job.attempt >= job.max_attempts THEN
      PERFORM queue_end(in_queue, job, 'x', NULL, 'The lease expired.', moment);
      dead := dead + 1;
    ELSE
      UPDATE queue_jobs j
      SET state = 'w', visible_at = j.lease_until, lease_until = NULL, lease_token = NULL, error = 'The lease expired.'
      WHERE j.id = job.id;
    END IF;
  END LOOP;
  IF expired > 0 THEN
    PERFORM queue_count(in_queue.number, moment, 0, 0, 0, 0, expired, dead);
  END IF;
END
$$;

-- Takes up delayed jobs whose time has come, the earliest first, up to 200: they wait behind the others, or are held back by their group.
CREATE FUNCTION queue_take_up_due(in_queue queues, moment timestamptz) RETURNS void LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  due bigint[];
  grouped text;
BEGIN
  due := ARRAY(
    SELECT j.id FROM queue_jobs j
    WHERE j.queue_number = in_queue.number AND j.state = 'd' AND j.visible_at <= moment
    ORDER BY j.visible_at, j.id LIMIT 200
    FOR UPDATE SKIP LOCKED
  );
  -- Numbers first, in order: the update may come by the rows in any.
  WITH places AS MATERIALIZED (SELECT array_agg(nextval('queue_order')) AS numbers FROM generate_series(1, cardinality(due)))
  UPDATE queue_jobs j SET
    state = CASE WHEN j.group_key IS NULL OR j.placed THEN 'w' ELSE 'h' END,
    position = (SELECT p.numbers FROM places p)[array_position(due, j.id)]
  WHERE j.id = ANY (due);
  FOR grouped IN
    SELECT DISTINCT j.group_key FROM queue_jobs j WHERE j.id = ANY (due) AND j.group_key IS NOT NULL AND NOT j.placed ORDER BY j.group_key
  LOOP
    PERFORM queue_admit(in_queue, grouped, 0);
  END LOOP;
END
$$;

-- Claims a job for each token, under a lease of the length at the same place; n is that place. When there are too few, a row with n = 0 says in lease_ms in
-- how many milliseconds there may be one. Attempts count here, so that a job whose workers all fall over ends too.
CREATE FUNCTION queue_claim(in_realm text, in_queue text, in_tokens uuid[], in_lease_ms bigint[])
RETURNS TABLE (
  n bigint, id bigint, payload text, attempt integer, max_attempts integer, priority smallint, group_key text,
  created_ms double precision, lease_ms double precision
) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  q queues;
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  expired boolean;
  due boolean;
  claimed bigint;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF NOT FOUND OR q.paused THEN
    RETURN;
  END IF;
  expired := EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'r' AND j.lease_until <= moment);
  due := EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'd' AND j.visible_at <= moment);
  -- A claim waits for nobody: where another is at these, it leaves them to that one, or to the next claim.
  IF (expired OR due) AND (NOT q.bound OR queue_lock(q.number, false)) THEN
    IF expired THEN
      PERFORM queue_take_up_expired(q, moment);
    END IF;
    IF due THEN
      PERFORM queue_take_up_due(q, moment);
    END IF;
  END IF;

  -- MATERIALIZED: a subselect that is joined may run again for each row, and would then claim far more than its limit.
  RETURN QUERY
  WITH waiting AS MATERIALIZED (
    SELECT j.id FROM queue_jobs j
    WHERE j.queue_number = q.number AND j.state = 'w'
    ORDER BY j.priority DESC, j.position LIMIT cardinality(in_tokens)
    FOR UPDATE SKIP LOCKED
  ), numbered AS MATERIALIZED (
    SELECT w.id, row_number() OVER () AS n FROM waiting w
  )
  UPDATE queue_jobs j SET
    state = 'r', attempt = j.attempt + 1, claimed_at = moment,
    lease_until = moment + in_lease_ms[w.n] * interval '1 millisecond', lease_token = in_tokens[w.n]
  FROM numbered w WHERE j.id = w.id
  RETURNING w.n, j.id, j.payload, j.attempt, j.max_attempts, j.priority, j.group_key, millrace_ms(j.created_at), millrace_ms(j.lease_until);
  GET DIAGNOSTICS claimed = ROW_COUNT;
  IF claimed > 0 THEN
    PERFORM queue_count(q.number, moment, 0, claimed, 0, 0, 0, 0);
  END IF;
  IF claimed = cardinality(in_tokens) THEN
    RETURN;
  END IF;
  n := 0;
  lease_ms := millrace_ms(least(
    (SELECT j.lease_until FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'r' ORDER BY j.lease_until LIMIT 1),
    (SELECT j.visible_at FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'd' ORDER BY j.visible_at LIMIT 1)
  )) - millrace_ms(moment);
  RETURN NEXT;
END
$$;

-- Acknowledges jobs by their tokens; no id may come twice. A letter for each: k (acknowledged), c (though it was to be cancelled), y (acknowledged before), s (stale),
-- - (there is no such job); K and C: that lets another job be claimed.
CREATE FUNCTION queue_ack(in_realm text, in_queue text, in_ids bigint[], in_tokens uuid[], in_results text[])
RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  acked bigint[];
  cancelled bigint[];
  holding queue_jobs[];
  job queue_jobs;
  released bigint[] := '{}';
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF q.bound AND EXISTS (
    SELECT FROM queue_jobs j WHERE j.id = ANY (in_ids) AND (j.group_key IS NOT NULL OR j.dedup_key IS NOT NULL)
  ) THEN
    PERFORM queue_lock(q.number, true);
  END IF;
  WITH gone AS (
    DELETE FROM queue_jobs j
    -- Which runs is said by lease_until: the state would offer the planner an index of all that run.
    WHERE j.id = ANY (in_ids) AND j.queue_number = q.number AND j.lease_until IS NOT NULL
      AND j.lease_token = in_tokens[array_position(in_ids, j.id)]
    RETURNING j.*
  ), kept AS (
    INSERT INTO queue_ended (
      id, queue_number, created_at, visible_at, claimed_at, finished_at, expires_at, lease_token, attempt, max_attempts, redrives, priority,
      state, cancel_requested, group_key, dedup_key, backoff, error, progress, result, payload
    )
    SELECT g.id, g.queue_number, g.created_at, g.visible_at, g.claimed_at, moment, moment + q.done_retention_ms * interval '1 millisecond',
      g.lease_token, g.attempt, g.max_attempts, g.redrives, g.priority,
      'o', g.cancel_requested, g.group_key, g.dedup_key, g.backoff, g.error, g.progress, in_results[array_position(in_ids, g.id)], g.payload
    FROM gone g
  )
  SELECT array_agg(g.id), array_agg(g.id) FILTER (WHERE g.cancel_requested),
    array_agg(g::queue_jobs ORDER BY array_position(in_ids, g.id)) FILTER (WHERE g.placed OR (g.dedup_key IS NOT NULL AND NOT g.holds_key))
  INTO acked, cancelled, holding FROM gone g;

  IF acked IS NOT NULL THEN
    PERFORM queue_count(q.number, moment, 0, 0, cardinality(acked), 0, 0, 0);
  END IF;
  IF holding IS NOT NULL THEN
    FOREACH job IN ARRAY holding LOOP
      IF queue_release(q, job, moment) THEN
        released := released || job.id;
      END IF;
    END LOOP;
  END IF;
  IF cardinality(acked) = cardinality(in_ids) AND cancelled IS NULL AND released = '{}' THEN
    RETURN repeat('k', cardinality(in_ids));
  END IF;

  RETURN (
    SELECT string_agg(
      CASE
        WHEN u.id = ANY (acked) THEN
          CASE WHEN u.id = ANY (cancelled) THEN
            CASE WHEN u.id = ANY (released) THEN 'C' ELSE 'c' END
          ELSE
            CASE WHEN u.id = ANY (released) THEN 'K' ELSE 'k' END
          END
        WHEN e.queue_number = q.number THEN CASE WHEN e.state = 'o' AND e.lease_token = u.token THEN 'y' ELSE 's' END
        WHEN j.queue_number = q.number THEN 's'
        ELSE '-'
      END, '' ORDER BY u.n)
    FROM unnest(in_ids, in_tokens) WITH ORDINALITY AS u (id, token, n)
    LEFT JOIN LATERAL (SELECT o.queue_number, o.state, o.lease_token FROM queue_ended o WHERE o.id = u.id OFFSET 0) e ON true
    LEFT JOIN LATERAL (SELECT o.queue_number FROM queue_jobs o WHERE o.id = u.id OFFSET 0) j ON true
  );
END
$$;

-- Gives jobs back by their tokens; no id may come twice. A row for each, in any order: code is r (waits again), x (dead), c (cancelled), y (given back before),
-- s (stale) or - (there is no such job).
CREATE FUNCTION queue_nack(
  in_realm text, in_queue text, in_ids bigint[], in_tokens uuid[], in_delay_ms double precision[], in_errors text[], in_final boolean[]
) RETURNS TABLE (n integer, code text, visible_ms double precision, attempt integer, max_attempts integer, released boolean)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  q queues;
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  job queue_jobs;
  ended queue_ended;
  rest double precision[];
  nacked integer := 0;
  dead integer := 0;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF q.bound THEN
    PERFORM queue_lock(q.number, true);
  END IF;
  PERFORM FROM queue_jobs j WHERE j.id = ANY (in_ids) AND j.queue_number = q.number ORDER BY j.id FOR UPDATE;
  FOR i IN 1 .. cardinality(in_ids) LOOP
    n := i;
    released := false;
    SELECT * INTO job FROM queue_jobs j WHERE j.id = in_ids[i] AND j.queue_number = q.number;
    IF NOT FOUND THEN
      SELECT * INTO ended FROM queue_ended e WHERE e.id = in_ids[i] AND e.queue_number = q.number;
      code := CASE WHEN NOT FOUND THEN '-' WHEN ended.state <> 'o' AND ended.lease_token = in_tokens[i] THEN 'y' ELSE 's' END;
    ELSIF job.lease_token IS DISTINCT FROM in_tokens[i] THEN
      code := 's';
    ELSIF job.state <> 'r' THEN
      code := 'y';
    ELSE
      nacked := nacked + 1;
      attempt := job.attempt;
      max_attempts := job.max_attempts;
      IF job.cancel_requested THEN
        code := 'c';
      ELSIF in_final[i] OR job.attempt >= job.max_attempts THEN
        code := 'x';
        dead := dead + 1;
      ELSE
        code := 'r';
      END IF;
      IF code <> 'r' THEN
        released := queue_end(q, job, code::"char", in_tokens[i], in_errors[i], moment);
      ELSE
        rest := coalesce(job.backoff, q.backoff);
        -- A power beyond 10^300 would be an error, and any such rest is the longest.
        job.visible_at := moment + interval '1 millisecond' * coalesce(in_delay_ms[i], floor(least(
          rest[1] * power(rest[2], least(job.attempt - 1, CASE WHEN rest[2] > 1 THEN floor(300 / log(rest[2])) ELSE 0 END)), rest[3]
        ) * (1 - rest[4] * random())));
        visible_ms := millrace_ms(job.visible_at);
        UPDATE queue_jobs j SET
          state = CASE WHEN job.visible_at > moment THEN 'd' ELSE 'w' END,
          position = CASE WHEN job.visible_at > moment THEN j.position ELSE nextval('queue_order') END,
          visible_at = job.visible_at, lease_until = NULL, error = in_errors[i]
        WHERE j.id = job.id;
      END IF;
    END IF;
    RETURN NEXT;
  END LOOP;
  IF nacked > 0 THEN
    PERFORM queue_count(q.number, moment, 0, 0, 0, nacked, 0, dead);
  END IF;
END
$$;

-- Extends leases and notes progress, by tokens. A row for each, in any order: code is e, or e with a c behind it when the job is to be cancelled, s (stale) or - (there is no
-- such job).
CREATE FUNCTION queue_extend(
  in_realm text, in_queue text, in_ids bigint[], in_tokens uuid[], in_lease_ms double precision[], in_progress text[]
) RETURNS TABLE (n integer, code text, lease_ms double precision) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  q_number bigint := (SELECT q.number FROM queues q WHERE q.realm = in_realm AND q.name = in_queue);
  moment timestamptz := date_trunc('milliseconds', millrace_now());
BEGIN
  PERFORM FROM queue_jobs j WHERE j.id = ANY (in_ids) AND j.queue_number = q_number ORDER BY j.id FOR UPDATE;
  FOR i IN 1 .. cardinality(in_ids) LOOP
    n := i;
    UPDATE queue_jobs j SET
      lease_until = coalesce(moment + in_lease_ms[i] * interval '1 millisecond', j.lease_until), progress = coalesce(in_progress[i], j.progress)
    WHERE j.id = in_ids[i] AND j.queue_number = q_number AND j.lease_until IS NOT NULL AND j.lease_token = in_tokens[i]
    RETURNING CASE WHEN j.cancel_requested THEN 'ec' ELSE 'e' END, millrace_ms(j.lease_until) INTO code, lease_ms;
    IF NOT FOUND THEN
      code := CASE
        WHEN EXISTS (SELECT FROM queue_jobs j WHERE j.id = in_ids[i] AND j.queue_number = q_number) THEN 's'
        WHEN EXISTS (SELECT FROM queue_ended e WHERE e.id = in_ids[i] AND e.queue_number = q_number) THEN 's'
        ELSE '-'
      END;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- Cancels a job. The code is c (it is), r (it runs, and its worker learns of it), e (it has ended) or - (there is no such job); C: that lets another be claimed.
CREATE FUNCTION queue_cancel(in_realm text, in_queue text, in_id bigint) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
  job queue_jobs;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF q.bound THEN
    PERFORM queue_lock(q.number, true);
  END IF;
  SELECT * INTO job FROM queue_jobs j WHERE j.id = in_id AND j.queue_number = q.number FOR UPDATE;
  IF NOT FOUND THEN
    RETURN CASE WHEN EXISTS (SELECT FROM queue_ended e WHERE e.id = in_id AND e.queue_number = q.number) THEN 'e' ELSE '-' END;
  END IF;
  IF job.state = 'r' THEN
    UPDATE queue_jobs j SET cancel_requested = true WHERE j.id = in_id;
    RETURN 'r';
  END IF;
  IF queue_end(q, job, 'c', NULL, job.error, date_trunc('milliseconds', millrace_now())) THEN
    RETURN 'C';
  END IF;
  RETURN 'c';
END
$$;

-- Brings the dead jobs among these back to wait, in this order, with in_payload if that is not NULL; returns their ids, in this order.
CREATE FUNCTION queue_redrive(in_realm text, in_queue text, in_ids bigint[], in_payload text) RETURNS bigint[] LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  back bigint[];
  grouped text;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF q.bound THEN
    PERFORM queue_lock(q.number, true);
  END IF;
  WITH gone AS (
    -- By its key alone: the rest as expressions, which offer the planner no index of all that died.
    DELETE FROM queue_ended e WHERE e.id = ANY (in_ids) AND e.queue_number + 0 = q.number AND e.state::text = 'x' RETURNING e.*
  ), ordered AS MATERIALIZED (
    SELECT g.* FROM gone g ORDER BY array_position(in_ids, g.id)
  ), stored AS (
    INSERT INTO queue_jobs (
      id, queue_number, position, created_at, visible_at, max_attempts, redrives, priority, group_key, dedup_key, backoff, payload, state
    )
    SELECT o.id, o.queue_number, nextval('queue_order'), o.created_at, moment, o.max_attempts, o.redrives + 1, o.priority, o.group_key, o.dedup_key,
      o.backoff, coalesce(in_payload, o.payload), CASE WHEN o.group_key IS NULL THEN 'w' ELSE 'h' END
    FROM ordered o
  )
  SELECT coalesce(array_agg(o.id ORDER BY array_position(in_ids, o.id)), '{}') INTO back FROM ordered o;
  FOR grouped IN SELECT DISTINCT j.group_key FROM queue_jobs j WHERE j.id = ANY (back) AND j.group_key IS NOT NULL ORDER BY j.group_key LOOP
    PERFORM queue_admit(q, grouped, 0);
  END LOOP;
  RETURN back;
END
$$;

-- Removes up to in_limit jobs of a state (w with those held back); returns how many went.
CREATE FUNCTION queue_purge(in_realm text, in_queue text, in_state text, in_limit integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  ids bigint[];
  holding queue_jobs[];
  job queue_jobs;
  went integer;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF in_state IN ('o', 'x', 'c') THEN
    DELETE FROM queue_ended e WHERE e.ctid = ANY (ARRAY(
      SELECT o.ctid FROM queue_ended o WHERE o.queue_number = q.number AND o.state = in_state::"char"
      ORDER BY o.finished_at, o.id LIMIT in_limit FOR UPDATE SKIP LOCKED
    ));
    GET DIAGNOSTICS went = ROW_COUNT;
    RETURN went;
  END IF;
  IF q.bound THEN
    PERFORM queue_lock(q.number, true);
  END IF;
  ids := CASE in_state
    WHEN 'w' THEN ARRAY(
      SELECT j.id FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'w'
      ORDER BY j.priority DESC, j.position LIMIT in_limit FOR UPDATE SKIP LOCKED
    )
    WHEN 'd' THEN ARRAY(
      SELECT j.id FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'd'
      ORDER BY j.visible_at, j.id LIMIT in_limit FOR UPDATE SKIP LOCKED
    )
    ELSE ARRAY(
      SELECT j.id FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'r'
      ORDER BY j.lease_until, j.id LIMIT in_limit FOR UPDATE SKIP LOCKED
    )
  END;
  IF in_state = 'w' AND cardinality(ids) < in_limit THEN
    ids := ids || ARRAY(
      SELECT j.id FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'h'
      ORDER BY j.position LIMIT in_limit - cardinality(ids) FOR UPDATE SKIP LOCKED
    );
  END IF;
  WITH gone AS (
    DELETE FROM queue_jobs j WHERE j.id = ANY (ids) RETURNING j.*
  )
  SELECT count(*), array_agg(g::queue_jobs ORDER BY array_position(ids, g.id))
    FILTER (WHERE g.placed OR g.after_id IS NOT NULL OR (g.dedup_key IS NOT NULL AND NOT g.holds_key))
  INTO went, holding FROM gone g;
  FOREACH job IN ARRAY coalesce(holding, '{}') LOOP
    PERFORM queue_release(q, job, moment);
  END LOOP;
  RETURN went;
END
$$;

-- Forgets a queue of which nothing is left; true when it is gone. The lock lets nobody push meanwhile, and whoever has read the queue's number
-- looks whether it is still there before it is done.
CREATE FUNCTION queue_remove(in_realm text, in_queue text) RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
BEGIN
  LOCK TABLE queue_jobs, queue_schedules IN SHARE ROW EXCLUSIVE MODE;
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue FOR UPDATE;
  IF NOT FOUND THEN
    RETURN true;
  END IF;
  IF EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'w')
    OR EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'd')
    OR EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'r')
    OR EXISTS (SELECT FROM queue_jobs j WHERE j.queue_number = q.number AND j.state = 'h')
    OR EXISTS (SELECT FROM queue_ended e WHERE e.queue_number = q.number)
    OR EXISTS (SELECT FROM queue_schedules s WHERE s.realm = in_realm AND s.queue = in_queue)
  THEN
    RETURN false;
  END IF;
  DELETE FROM queues WHERE number = q.number;
  DELETE FROM queue_windows w WHERE w.queue_number = q.number;
  DELETE FROM queue_minutes m WHERE m.queue_number = q.number;
  RETURN true;
END
$$;

-- Forgets up to in_limit ended jobs whose retention is over, and as many windows and minutes; returns how many jobs went.
CREATE FUNCTION queue_expire(in_limit integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  moment timestamptz := millrace_now();
  went integer;
BEGIN
  DELETE FROM queue_ended e WHERE e.ctid = ANY (ARRAY(
    SELECT o.ctid FROM queue_ended o WHERE o.expires_at <= moment ORDER BY o.expires_at LIMIT in_limit FOR UPDATE SKIP LOCKED
  ));
  GET DIAGNOSTICS went = ROW_COUNT;
  DELETE FROM queue_windows w WHERE w.ctid = ANY (ARRAY(
    SELECT o.ctid FROM queue_windows o WHERE o.until <= moment ORDER BY o.until LIMIT in_limit FOR UPDATE SKIP LOCKED
  ));
  DELETE FROM queue_minutes m WHERE m.ctid = ANY (ARRAY(
    SELECT o.ctid FROM queue_minutes o WHERE o.at <= moment - interval '1 hour' ORDER BY o.at LIMIT in_limit FOR UPDATE SKIP LOCKED
  ));
  RETURN went;
END
$$;

-- Pushes a schedule's job and sets its next time, if its time is still in_at_ms; no row when it is not.
CREATE FUNCTION queue_tick(in_realm text, in_queue text, in_name text, in_at_ms double precision, in_next_ms double precision)
RETURNS TABLE (id bigint, state "char", visible_ms double precision, deduplicated "char", now_ms double precision)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  s queue_schedules;
  o jsonb;
BEGIN
  UPDATE queue_schedules c SET next_at = to_timestamp(in_next_ms / 1000), last_at = c.next_at
  WHERE c.realm = in_realm AND c.queue = in_queue AND c.name = in_name AND millrace_ms(c.next_at) = in_at_ms AND NOT c.paused
  RETURNING * INTO s;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  o := s.options;
  SELECT p.ids[1], coalesce(p.states[1], 'w'), p.visible_ms[1], p.deduplicated[1], p.now_ms INTO id, state, visible_ms, deduplicated, now_ms
  FROM queue_push(
    in_realm, in_queue, ARRAY[s.payload], ARRAY[(o ->> 'delayMs')::double precision], ARRAY[(o ->> 'visibleMs')::double precision],
    ARRAY[(o ->> 'priority')::integer], ARRAY[o ->> 'group'], ARRAY[(o ->> 'maxAttempts')::integer], ARRAY[o ->> 'backoff'],
    CASE WHEN o ? 'dedup' THEN ARRAY[o -> 'dedup' ->> 'key'] END, ARRAY[o -> 'dedup' ->> 'mode'],
    ARRAY[(o -> 'dedup' ->> 'windowMs')::double precision]
  ) p;
  UPDATE queue_schedules c SET last_job_id = queue_tick.id
  WHERE c.realm = in_realm AND c.queue = in_queue AND c.name = in_name;
  RETURN NEXT;
END
$$;
