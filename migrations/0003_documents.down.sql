DROP FUNCTION document_expire(integer);
DROP FUNCTION document_remove(text, text, text);
DROP FUNCTION document_index(text, text, text, text[], text[], text[], text[]);
DROP FUNCTION document_put_version(text, text, text, text, bigint, double precision, integer, text[], text[]);
DROP FUNCTION document_put(text, text, text, text, bigint, double precision);
DROP TABLE document_tombstones;
DROP TABLE document_keys;
DROP TABLE document_versions;
DROP TABLE documents;
