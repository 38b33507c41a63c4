-- What all stores share: the store's clock, ids that only grow, leases, and objects that await deletion.
-- Nothing here names a schema: search_path decides.

-- The store's clock. Only tests set millrace.clock_offset (milliseconds).
CREATE FUNCTION millrace_now() RETURNS timestamptz LANGUAGE sql VOLATILE AS $$
  SELECT clock_timestamp()
    + coalesce(nullif(current_setting('millrace.clock_offset', true), ''), '0')::bigint * interval '1 millisecond'
$$;

-- Milliseconds since 1970, exact to the millisecond, whatever DateStyle and TimeZone say.
CREATE FUNCTION millrace_ms(moment timestamptz) RETURNS double precision LANGUAGE sql STABLE AS $$
  SELECT round(date_part('epoch', date_trunc('milliseconds', moment)) * 1000)
$$;

-- A UUIDv7 is a number of 122 bits with version and variant between: 60 high bits (48 of milliseconds, 12 of
-- their fraction) and 62 low ones. Adding to the low part carries into the high part, so an increment never
-- touches version or variant (RFC 9562, section 6.2).
CREATE FUNCTION millrace_id_high(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x0' || substr(id::text, 1, 8) || substr(id::text, 10, 4) || substr(id::text, 16, 3))::bit(64)::bigint
$$;

CREATE FUNCTION millrace_id_low(id uuid) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT ('x' || substr(id::text, 20, 4) || substr(id::text, 25, 12))::bit(64)::bigint & 4611686018427387903
$$;

-- The id `step` places after (high, low), or before when negative; low + step must stay below 2^63.
CREATE FUNCTION millrace_id(high bigint, low bigint, step bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT encode(
    int8send(
      (((high + ((low + step) >> 62)) >> 12) << 16) | 28672 | ((high + ((low + step) >> 62)) & 4095)
    ) || int8send(((low + step) & 4611686018427387903) | (-9223372036854775808)::bigint),
    'hex'
  )::uuid
$$;

-- The high part of an id made at the moment, and a random low one of 48 bits.
CREATE FUNCTION millrace_id_clock(moment timestamptz) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT floor(date_part('epoch', moment) * 4096000)::bigint
$$;

CREATE FUNCTION millrace_id_noise() RETURNS bigint LANGUAGE sql VOLATILE AS $$
  SELECT floor(random() * 281474976710656)::bigint
$$;

-- The id `step` places after this one.
CREATE FUNCTION millrace_id_after(id uuid, step bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT millrace_id(millrace_id_high(id), millrace_id_low(id), step)
$$;

CREATE TABLE leases (
  name text COLLATE "C" PRIMARY KEY,
  holder uuid NOT NULL,
  expires_at timestamptz NOT NULL
);

CREATE TABLE object_deletions (
  key text COLLATE "C" PRIMARY KEY,
  queued_at timestamptz NOT NULL
);

CREATE INDEX object_deletions_by_age ON object_deletions (queued_at);

-- The name of this database, for what belongs to it elsewhere.
CREATE TABLE installation (
  id text PRIMARY KEY DEFAULT replace(gen_random_uuid()::text, '-', '')
);

INSERT INTO installation DEFAULT VALUES;
