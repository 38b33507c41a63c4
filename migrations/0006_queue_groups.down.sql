DROP FUNCTION queue_end(queues, queue_jobs, "char", uuid, text, timestamptz);
DROP FUNCTION queue_release(queues, queue_jobs, timestamptz);
DROP FUNCTION queue_fit(queues, text);
DROP FUNCTION queue_admit(queues, text, integer);
DROP FUNCTION queue_lock(bigint, boolean);
