DROP FUNCTION journal_remove(text, text, integer);
DROP FUNCTION journal_expire(integer);
DROP FUNCTION journal_lost_through(bigint, uuid, timestamptz, timestamptz, timestamptz);
DROP FUNCTION journal_append(
  text[], text[], integer[], bigint[], bigint[], integer[], boolean[], text[], text[],
  integer[], integer[], text[], bigint[], text[], bigint[], text[]
);
DROP FUNCTION journal_append_one(text, text, text, text, text, bigint, text, bigint, text);
DROP TABLE journal_keys;
DROP TABLE journal_entries;
DROP TABLE journal_subjects;
