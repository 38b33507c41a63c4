DROP FUNCTION commit_unit(
  jsonb, jsonb,
  text[], text[], integer[], bigint[], bigint[], integer[], boolean[], text[], text[],
  integer[], integer[], text[], bigint[], text[], bigint[], text[], integer[]
);
DROP FUNCTION document_expire(integer);
DROP FUNCTION document_guarded(text, text, text, boolean);
DROP FUNCTION document_remove(text, text, text);
DROP FUNCTION document_index(text, text, text, text[], text[], text[], text[]);
DROP FUNCTION document_put_version(text, text, text, text, bigint, double precision, integer, text[], text[]);
DROP FUNCTION document_put(text, text, text, text, bigint, double precision);
DROP TABLE document_tombstones;
DROP TABLE document_keys;
DROP TABLE document_versions;
DROP TABLE documents;
