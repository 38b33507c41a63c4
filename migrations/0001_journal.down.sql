DROP FUNCTION journal_remove(text, text, integer);
DROP FUNCTION journal_expire(integer);
DROP FUNCTION journal_lost_through(bigint, uuid, timestamptz, timestamptz, timestamptz);
DROP TABLE journal_keys;
DROP TABLE journal_entries;
DROP TABLE journal_subjects;
