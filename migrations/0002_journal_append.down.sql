DROP FUNCTION journal_append(
  text[], text[], integer[], bigint[], bigint[], integer[], boolean[], text[], text[],
  integer[], integer[], text[], bigint[], text[], bigint[], text[]
);
DROP FUNCTION journal_append_one(text, text, text, text, text, bigint, text, bigint, text);
