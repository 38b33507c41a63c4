DROP FUNCTION queue_ack_claim(text, text, bigint[], uuid[], text[], uuid[], bigint[]);
DROP FUNCTION queue_extend(text, text, bigint[], uuid[], double precision[], text[]);
DROP FUNCTION queue_nack(text, text, bigint[], uuid[], double precision[], text[], boolean[]);
DROP FUNCTION queue_ack(text, text, bigint[], uuid[], text[]);
