DROP FUNCTION queue_tick(text, text, text, double precision, double precision);
DROP FUNCTION queue_push(
  text, text, text[], double precision[], double precision[], integer[], text[], integer[], text[], text[], text[], double precision[]
);
DROP FUNCTION queue_push_one(
  queues, timestamptz, text, timestamptz, integer, text, integer, double precision[], text, text, double precision
);
