DROP FUNCTION journal_remove(text, text, integer);
DROP FUNCTION journal_expire(integer);
DROP FUNCTION journal_lost_through(text, text, uuid, timestamptz);
DROP FUNCTION journal_append(
  text[], text[], integer[], boolean[], text[], text[], integer[], text[], bigint[], text[], bigint[], text[]
);
DROP TABLE journal_keys;
DROP TABLE journal_entries;
DROP TABLE journal_subjects;
