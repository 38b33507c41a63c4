DROP TABLE installation;
DROP TABLE object_deletions;
DROP TABLE leases;
DROP FUNCTION millrace_id(bigint, bigint, bigint);
DROP FUNCTION millrace_id_low(uuid);
DROP FUNCTION millrace_id_high(uuid);
DROP FUNCTION millrace_ms(timestamptz);
DROP FUNCTION millrace_now();
