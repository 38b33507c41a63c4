DROP FUNCTION queue_expire(integer);
DROP FUNCTION queue_remove(text, text);
DROP FUNCTION queue_purge(text, text, text, integer);
DROP FUNCTION queue_redrive(text, text, bigint[], text);
DROP FUNCTION queue_cancel(text, text, bigint);
DROP FUNCTION queue_refit(text, text, text);
DROP FUNCTION queue_configure(text, text, integer, integer, double precision[], bigint, bigint);
