DROP FUNCTION queue_tick(text, text, text, double precision, double precision);
DROP FUNCTION queue_expire(integer);
DROP FUNCTION queue_remove(text, text);
DROP FUNCTION queue_purge(text, text, text, integer);
DROP FUNCTION queue_redrive(text, text, bigint[], text);
DROP FUNCTION queue_cancel(text, text, bigint);
DROP FUNCTION queue_extend(text, text, bigint[], uuid[], double precision[], text[]);
DROP FUNCTION queue_nack(text, text, bigint[], uuid[], double precision[], text[], boolean[]);
DROP FUNCTION queue_ack(text, text, bigint[], uuid[], text[]);
DROP FUNCTION queue_claim(text, text, uuid[], bigint[]);
DROP FUNCTION queue_take_up_due(queues, timestamptz);
DROP FUNCTION queue_take_up_expired(queues, timestamptz);
DROP FUNCTION queue_push(
  text, text, text[], double precision[], double precision[], integer[], text[], integer[], text[], text[], text[], double precision[]
);
DROP FUNCTION queue_push_one(
  queues, timestamptz, text, timestamptz, integer, text, integer, double precision[], text, text, double precision
);
DROP FUNCTION queue_end(queues, queue_jobs, "char", uuid, text, timestamptz);
DROP FUNCTION queue_release(queues, queue_jobs, timestamptz);
DROP FUNCTION queue_admit(queues, text, integer);
DROP FUNCTION queue_lock(bigint, boolean);
DROP FUNCTION queue_ensure(text, text);
DROP FUNCTION queue_count(bigint, timestamptz, bigint, bigint, bigint, bigint, bigint, bigint);
DROP TABLE queue_schedules;
DROP TABLE queue_minutes;
DROP TABLE queue_windows;
DROP TABLE queue_groups;
DROP TABLE queue_ended;
DROP TABLE queue_jobs;
DROP SEQUENCE queue_order;
DROP TABLE queues;
