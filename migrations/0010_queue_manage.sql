-- What happens to queues and their jobs beside the work: settings, cancelled, brought back, purged, removed, expired.

-- Makes the queue or changes its settings; what is NULL stays. A change of group_concurrency holds at once; of very many groups queue_refit has to do the rest.
CREATE FUNCTION queue_configure(
  in_realm text, in_queue text, in_group_concurrency integer, in_max_attempts integer, in_backoff double precision[],
  in_done_retention_ms bigint, in_dead_retention_ms bigint
) RETURNS queues LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
BEGIN
  -- The table, the queue's row, its lock: in this order pushes take them too. A removal, which has the table to itself, is over or has not begun.
  LOCK TABLE queue_jobs IN ROW EXCLUSIVE MODE;
  PERFORM queue_ensure(in_realm, in_queue);
  UPDATE queues c SET
    group_concurrency = coalesce(in_group_concurrency, c.group_concurrency), max_attempts = coalesce(in_max_attempts, c.max_attempts),
    backoff = coalesce(in_backoff, c.backoff), done_retention_ms = coalesce(in_done_retention_ms, c.done_retention_ms),
    dead_retention_ms = coalesce(in_dead_retention_ms, c.dead_retention_ms)
  WHERE c.realm = in_realm AND c.name = in_queue
  RETURNING * INTO STRICT q;
  IF q.bound AND in_group_concurrency IS NOT NULL THEN
    PERFORM queue_lock(q.number, true);
    PERFORM queue_fit(q, NULL);
  END IF;
  RETURN q;
END
$$;

-- Fits further groups, those after in_after, to the setting, and returns after which to go on; NULL when it is done.
CREATE FUNCTION queue_refit(in_realm text, in_queue text, in_after text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  q queues;
BEGIN
  SELECT * INTO q FROM queues WHERE realm = in_realm AND name = in_queue;
  IF q.bound THEN
    PERFORM queue_lock(q.number, true);
    RETURN queue_fit(q, in_after);
  END IF;
  RETURN NULL;
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
