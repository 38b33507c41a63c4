-- The files: what is known of bytes in the object store that are kept for a limited time. id is a UUIDv7, so that lists come newest first.
CREATE TABLE files (
  id uuid PRIMARY KEY,
  owner text COLLATE "C" NOT NULL,
  secret_hash text NOT NULL,
  name text NOT NULL,
  content_type text NOT NULL,
  size bigint NOT NULL,
  sha256 text NOT NULL,
  object_key text COLLATE "C" NOT NULL,
  created_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  max_downloads integer,
  downloads integer NOT NULL DEFAULT 0
);

CREATE INDEX files_by_owner ON files (owner, id);
CREATE INDEX files_by_expiry ON files (expires_at);
CREATE UNIQUE INDEX files_by_object ON files (object_key);

-- Bytes that each owner's files take, kept with every change of them: the row is the lock under which a quota holds.
CREATE TABLE file_usage (
  owner text COLLATE "C" PRIMARY KEY,
  bytes bigint NOT NULL CHECK (bytes >= 0)
);

CREATE INDEX file_usage_unused ON file_usage (owner) WHERE bytes = 0;
