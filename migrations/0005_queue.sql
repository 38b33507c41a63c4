-- The queue: jobs that workers claim for a while. Those that have not ended are in queue_jobs, which so stays small and young; ended ones move to
-- queue_ended. A job's state is w (waiting), h (held back by its group or its key), d (delayed), r (running), then o (done), x (dead), c (cancelled).
-- Here are its tables, what is counted of each minute, and how a queue's row comes to be.

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
CREATE INDEX queue_jobs_placed ON queue_jobs (queue_number, group_key, position) WHERE placed;
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
