-- What a worker says of jobs that it has claimed from the queue, by their lease tokens: done, given back, or still at it.

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

-- Acknowledges, and then claims what may be claimed now: a row with n = -1 has the letters of queue_ack as its payload, the others are those of queue_claim.
CREATE FUNCTION queue_ack_claim(
  in_realm text, in_queue text, in_ids bigint[], in_tokens uuid[], in_results text[], in_new_tokens uuid[], in_lease_ms bigint[]
)
RETURNS TABLE (
  n bigint, id bigint, payload text, attempt integer, max_attempts integer, priority smallint, group_key text,
  created_ms double precision, lease_ms double precision
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  n := -1;
  payload := queue_ack(in_realm, in_queue, in_ids, in_tokens, in_results);
  RETURN NEXT;
  -- A claim waits for nobody, so what the acknowledgements hold can be in nobody's way.
  RETURN QUERY SELECT * FROM queue_claim(in_realm, in_queue, in_new_tokens, in_lease_ms);
END
$$;
