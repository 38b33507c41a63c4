DROP FUNCTION queue_claim(text, text, uuid[], bigint[]);
DROP FUNCTION queue_take_up(integer);
DROP FUNCTION queue_take_up_due(queues, timestamptz);
DROP FUNCTION queue_take_up_expired(queues, timestamptz);
