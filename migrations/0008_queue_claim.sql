-- How jobs of the queue are claimed; each claim first takes up what time has brought: ended leases and delayed jobs.

-- Takes up leases that ended, the earliest first, up to 200: the job waits again, or has had its last attempt. ended: those that had.
CREATE FUNCTION queue_take_up_expired(in_queue queues, moment timestamptz, OUT expired integer, OUT ended bigint[]) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  job queue_jobs;
  dead integer := 0;
BEGIN
  expired := 0;
  ended := '{}';
  FOR job IN
    SELECT * FROM queue_jobs j
    WHERE j.queue_number = in_queue.number AND j.state = 'r' AND j.lease_until <= moment
    ORDER BY j.lease_until, j.id LIMIT 200
    FOR UPDATE SKIP LOCKED
  LOOP
    expired := expired + 1;
    IF job.cancel_requested THEN
      PERFORM queue_end(in_queue, job, 'c', NULL, 'The lease expired.', moment);
      ended := ended || job.id;
    ELSIF job.attempt >= job.max_attempts THEN
      PERFORM queue_end(in_queue, job, 'x', NULL, 'The lease expired.', moment);
      ended := ended || job.id;
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
CREATE FUNCTION queue_take_up_due(in_queue queues, moment timestamptz) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$
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
  RETURN cardinality(due);
END
$$;

-- Does the same for one queue after the other, paused ones too, until it has taken up in_limit: so that jobs move on where nobody claims. To find them it goes from
-- queue to queue in the indexes, a look at each in which something runs or is delayed.
CREATE FUNCTION queue_take_up(in_limit integer)
RETURNS TABLE (realm text, queue text, taken integer, ended bigint[]) LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  moment timestamptz := date_trunc('milliseconds', millrace_now());
  late bigint;
  q queues;
BEGIN
  FOR late IN
    WITH RECURSIVE running AS (
      (SELECT j.queue_number, j.lease_until AS at FROM queue_jobs j WHERE j.state = 'r' ORDER BY j.queue_number, j.lease_until LIMIT 1)
      UNION ALL
      SELECT n.queue_number, n.at FROM running l CROSS JOIN LATERAL (
        SELECT j.queue_number, j.lease_until AS at FROM queue_jobs j
        WHERE j.state = 'r' AND j.queue_number > l.queue_number ORDER BY j.queue_number, j.lease_until LIMIT 1
      ) n
    ), delayed AS (
      (SELECT j.queue_number, j.visible_at AS at FROM queue_jobs j WHERE j.state = 'd' ORDER BY j.queue_number, j.visible_at LIMIT 1)
      UNION ALL
      SELECT n.queue_number, n.at FROM delayed l CROSS JOIN LATERAL (
        SELECT j.queue_number, j.visible_at AS at FROM queue_jobs j
        WHERE j.state = 'd' AND j.queue_number > l.queue_number ORDER BY j.queue_number, j.visible_at LIMIT 1
      ) n
    )
    SELECT u.queue_number FROM (SELECT * FROM running UNION ALL SELECT * FROM delayed) u
    WHERE u.at <= moment GROUP BY u.queue_number ORDER BY min(u.at), u.queue_number
  LOOP
    EXIT WHEN in_limit <= 0;
    SELECT * INTO q FROM queues o WHERE o.number = late;
    CONTINUE WHEN NOT FOUND OR (q.bound AND NOT queue_lock(q.number, false));
    SELECT e.expired, e.ended INTO taken, ended FROM queue_take_up_expired(q, moment) e;
    taken := taken + queue_take_up_due(q, moment);
    CONTINUE WHEN taken = 0;
    realm := q.realm;
    queue := q.name;
    in_limit := in_limit - taken;
    RETURN NEXT;
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
