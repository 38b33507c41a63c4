/** Faults in the journal on PostgreSQL: ids, locks, keys, durability, expiry. */
import type { Planted } from "./plant.ts";

const JOURNAL_SQL = "migrations/0001_journal.sql";
const APPEND_SQL = "migrations/0002_journal_append.sql";
const POOL = "adapters/postgres/pool.ts";
const READINESS = "adapters/postgres/readiness.ts";
const contract = { test: "test/contracts/postgres.test.ts" };

/** Ids of the clock alone, which each append reads before it waits for the lock. */
const NO_LAST_ID = [
  { file: APPEND_SQL, find: "WHEN s.last_id < fresh THEN fresh", replace: "WHEN true THEN fresh" },
  { file: APPEND_SQL, find: "WHEN s.last_id < first_fresh THEN", replace: "WHEN true THEN" },
];
const NO_LOCK_BEFORE = {
  file: APPEND_SQL,
  find: "WHERE s.realm = w.realm AND s.subject = w.subject FOR UPDATE\n",
  replace: "WHERE s.realm = w.realm AND s.subject = w.subject\n",
};

const NO_START_CHECK = {
  file: READINESS,
  find: "    if (rows.length === 0) return;\n",
  replace: "    if (rows.length >= 0) return;\n",
};

export const plantedInStore: readonly Planted[] = [
  {
    name: "no lock",
    why: "writers at once count on from the same last id: they make the same ids, or commit them in another order than readers see",
    edits: [
      NO_LOCK_BEFORE,
      // As the statement's snapshot has it, not as the lock would show it.
      {
        file: APPEND_SQL,
        find: "    last_id = CASE WHEN s.last_id < fresh THEN fresh ELSE millrace_id_after(s.last_id, 1) END,\n",
        replace: `    last_id = (
      SELECT CASE WHEN o.last_id < fresh THEN fresh ELSE millrace_id_after(o.last_id, 1) END
      FROM journal_subjects o WHERE o.realm = in_realm AND o.subject = in_subject
    ),
`,
      },
      {
        file: APPEND_SQL,
        find: "WHEN s.last_id < first_fresh THEN",
        replace: "WHEN w.stale < first_fresh THEN",
      },
      {
        file: APPEND_SQL,
        find: "ELSE millrace_id_after(s.last_id, w.count)",
        replace: "ELSE millrace_id_after(w.stale, w.count)",
      },
      {
        file: APPEND_SQL,
        find: "      SELECT u.realm, u.subject, u.at, u.count::bigint AS count, millrace_id_noise() AS noise,\n",
        replace: `      SELECT u.realm, u.subject, u.at, u.count::bigint AS count, millrace_id_noise() AS noise,
        (SELECT o.last_id FROM journal_subjects o WHERE o.realm = u.realm AND o.subject = u.subject) AS stale,
`,
      },
    ],
    check: { scenario: "f11" },
    sees: "ids against the order of real time",
  },
  {
    name: "id made before the lock",
    why: "an id that was drawn early commits late, behind the cursors of readers",
    edits: [
      {
        file: APPEND_SQL,
        find: "BEGIN\n  IF in_key IS NOT NULL OR in_if_open IS NOT NULL THEN\n    LOOP\n",
        replace: `BEGIN
  clock := millrace_now();
  PERFORM pg_sleep(random() * 0.01);
  IF in_key IS NOT NULL OR in_if_open IS NOT NULL THEN
    LOOP
`,
      },
      { file: APPEND_SQL, find: "  clock := millrace_now();\n  clock_high :=", replace: "  clock_high :=" },
      ...NO_LAST_ID,
    ],
    check: contract,
    sees: "journal_races.ts",
    quick: true,
  },
  {
    name: "no last+1, with skewed clocks",
    why: "a server whose clock is behind puts messages behind the cursors of readers",
    edits: NO_LAST_ID,
    check: { scenario: "f11" },
    sees: "ids against the order of real time",
  },
  {
    name: "no last+1, with a clock that goes back",
    why: "the same, as the journal's contract sees it",
    edits: NO_LAST_ID,
    check: contract,
    sees: "journal_races.ts",
    quick: true,
  },
  {
    name: "ack before commit",
    why: "a crash takes back what was acknowledged",
    edits: [
      {
        file: POOL,
        find: "(await pool.connect().catch(refuseUnreached));\n    try {\n",
        replace: `(await pool.connect().catch(refuseUnreached));
    await client.query("BEGIN").catch(() => undefined);
    try {
`,
      },
      {
        file: POOL,
        find: "      resting.give(client);\n      return { rows };\n",
        replace: `      const commit = () => client.query("COMMIT").then(() => resting.give(client), () => client.release(true));
      setTimeout(commit, 100);
      return { rows };
`,
      },
    ],
    check: { scenario: "f03" },
    sees: "acknowledged lost",
  },
  {
    name: "no idempotency key",
    why: "a retry after a lost answer stores the message twice",
    edits: [
      {
        file: "adapters/postgres/batch.ts",
        find: "  const keyed = batch.some(({ key }) => key !== undefined);\n",
        replace: "  const keyed = batch.length < 0;\n",
      },
    ],
    check: contract,
    sees: "append() with a key used before returns the first ids",
    quick: true,
  },
  {
    name: "key looked up before the lock",
    why: "two retries at once, on two processes, both find nothing and both store",
    edits: [
      NO_LOCK_BEFORE,
      // So that it happens in seconds.
      {
        file: APPEND_SQL,
        find: "    counts := array_fill(0, ARRAY[cardinality(in_subject)]);\n",
        replace: "    PERFORM pg_sleep(0.01);\n    counts := array_fill(0, ARRAY[cardinality(in_subject)]);\n",
      },
    ],
    check: { scenario: "f11" },
    sees: "two servers stored at once under one key",
  },
  {
    name: "one bad append fails its whole batch",
    why: "whoever publishes beside a bad message is refused with it",
    edits: [
      {
        file: "adapters/postgres/lane.ts",
        find: '    if (batch.length > 1 && !(error instanceof Fault && error.code === "unavailable")) {\n',
        replace: "    if (batch.length < 0) {\n",
      },
    ],
    check: contract,
    sees: "one bad append of a batch fails alone",
  },
  {
    name: "expired entries are read",
    why: "messages are delivered after their time until the sweep comes",
    edits: [
      {
        file: "adapters/postgres/page.ts",
        find: " AND i.id > $3 AND (i.expires_at IS NULL OR i.expires_at > s.now)\n",
        replace: " AND i.id > $3\n",
      },
    ],
    check: contract,
    sees: "expired entries are not returned",
  },
  {
    name: "lost history forgotten by the sweep",
    why: "once the sweep has run, readers are no longer told what they missed",
    edits: [
      {
        file: JOURNAL_SQL,
        find: "      lost_through = greatest(s.lost_through, gone_ids[1]),\n",
        replace: "      lost_through = s.lost_through,\n",
      },
    ],
    check: contract,
    sees: "lostThrough is the highest id that has expired",
  },
  {
    name: "lost history sought among the last to expire alone",
    why: "a short-lived message behind many long-lived ones expires in silence until the sweep comes",
    edits: [
      {
        file: JOURNAL_SQL,
        find: "LIMIT CASE WHEN in_last_expiry = 'infinity' THEN 100000 ELSE 1000 END",
        replace: "LIMIT 1000",
      },
    ],
    check: { scenario: "f21" },
    sees: "short-lived message behind a thousand others",
  },
  {
    name: "batch not atomic",
    why: "a batch that fails in its middle leaves its beginning behind",
    edits: [
      {
        file: "core/capabilities/channels/published.ts",
        find: '  return { messages: await publishDrafts(context, target, { kind: "batch", drafts }) };\n',
        replace: `  const stored: Published[] = [];
  for (const one of drafts) stored.push(...(await publishDrafts(context, target, { kind: "batch", drafts: [one] })));
  return { messages: stored };
`,
      },
    ],
    check: { test: "test/capabilities/channels_batch.test.ts" },
    sees: "a batch is one append",
    quick: true,
  },
  {
    name: "synchronous_commit off, and the server starts",
    why: "what is acknowledged is not on disk",
    edits: [NO_START_CHECK],
    check: { test: "test/runtimes/unsafe_database.long.test.ts" },
    sees: "synchronous_commit",
  },
  {
    name: "synchronous_commit off, and PostgreSQL is killed",
    why: "what was acknowledged in the last moments is gone",
    edits: [
      NO_START_CHECK,
      {
        file: "test/faults/rig/cluster.ts",
        find: '      synchronous_commit: "on",\n',
        replace:
          '      synchronous_commit: "off",\n      wal_writer_delay: "500ms",\n      wal_writer_flush_after: "1GB",\n',
      },
    ],
    check: { scenario: "f03" },
    sees: "acknowledged lost",
  },
];
