-- Groups and keys of the queue: the lock under which they change, who gets a place, and whom a job lets go when it ends.

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
  -- As it is under the lock: whoever calls may have read the queue before the last one who had it changed this.
  most integer := (SELECT q.group_concurrency FROM queues q WHERE q.number = in_queue.number);
  was_taken integer;
  admitted bigint[] := '{}';
BEGIN
  INSERT INTO queue_groups AS g (queue_number, group_key, taken) VALUES (in_queue.number, in_group, 0)
  ON CONFLICT (queue_number, group_key) DO UPDATE SET taken = g.taken - in_left
  RETURNING g.taken INTO was_taken;

  IF was_taken < most THEN
    admitted := ARRAY(
      SELECT j.id FROM queue_jobs j
      WHERE j.queue_number = in_queue.number AND j.group_key = in_group AND j.state = 'h' AND j.after_id IS NULL
      ORDER BY j.position LIMIT most - was_taken
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

-- Fits groups of a queue, whose lock the caller has, to its group_concurrency: where too many have a place, those that run keep theirs, then the earliest; where
-- places are free, the next get them. It takes the groups after in_after, which is NULL at first, with some thousand places, and returns the last; NULL: there was none.
CREATE FUNCTION queue_fit(in_queue queues, in_after text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  most integer := (SELECT q.group_concurrency FROM queues q WHERE q.number = in_queue.number);
  fitted text[];
  claimable bigint[];
  grouped text;
BEGIN
  fitted := ARRAY(
    SELECT s.group_key FROM (
      SELECT f.group_key, f.places, sum(f.places) OVER (ORDER BY f.group_key) AS so_far
      FROM (
        SELECT g.group_key, greatest(g.taken, most) AS places FROM queue_groups g
        WHERE g.queue_number = in_queue.number AND (in_after IS NULL OR g.group_key > in_after) AND g.taken <> most
        ORDER BY g.group_key LIMIT 5000
      ) f
    ) s
    WHERE s.so_far - s.places < 5000 ORDER BY s.group_key
  );
  -- Claims take no lock of the queue's: what one is at is waited for, and none comes to these until this is done. By id, as extensions lock.
  claimable := ARRAY(
    SELECT n.id FROM unnest(fitted) AS f (name) CROSS JOIN LATERAL (
      SELECT j.id FROM queue_jobs j
      WHERE j.queue_number = in_queue.number AND j.group_key = f.name AND j.placed AND j.state = 'w' ORDER BY j.position
    ) n
  );
  PERFORM FROM queue_jobs j WHERE j.id = ANY (claimable) ORDER BY j.id FOR UPDATE;

  FOREACH grouped IN ARRAY fitted LOOP
    WITH back AS (
      UPDATE queue_jobs j SET state = CASE j.state WHEN 'w' THEN 'h' ELSE j.state END, placed = false
      WHERE j.state <> 'r' AND j.id = ANY (ARRAY(
        SELECT k.id FROM queue_jobs k WHERE k.queue_number = in_queue.number AND k.group_key = grouped AND k.placed
        ORDER BY k.state = 'r' DESC, k.position OFFSET most
      ))
      RETURNING j.id
    )
    UPDATE queue_groups g SET taken = g.taken - (SELECT count(*) FROM back)
    WHERE g.queue_number = in_queue.number AND g.group_key = grouped AND g.taken > most;
    PERFORM queue_admit(in_queue, grouped, 0);
  END LOOP;
  RETURN fitted[cardinality(fitted)];
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
