DROP FUNCTION commit_unit(
  jsonb, jsonb,
  text[], text[], integer[], bigint[], bigint[], integer[], boolean[], text[], text[],
  integer[], integer[], text[], bigint[], text[], bigint[], text[], integer[]
);
DROP FUNCTION document_guarded(text, text, text, boolean);
