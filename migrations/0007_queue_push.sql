-- How jobs come into the queue: pushed by callers, who may name a group or a key, or by a schedule.

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
      -- First, as a removal does, which would otherwise wait for this while this waits for it.
      LOCK TABLE queue_jobs IN ROW EXCLUSIVE MODE;
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
