DROP FUNCTION commit_unit(
  jsonb, jsonb,
  text[], text[], integer[], bigint[], bigint[], integer[], boolean[], text[], text[],
  integer[], integer[], text[], bigint[], text[], bigint[], text[]
);
DROP FUNCTION document_remove(text, text, text);
DROP FUNCTION document_put(text, text, text, text, bigint, double precision);
DROP TABLE documents;
