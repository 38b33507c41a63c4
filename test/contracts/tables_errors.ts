/** What PostgreSQL says about a request's own faults reaches the caller as a fault of the request, in other words: each error here is a real one. */
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { tableFault, tableRefusal } from "../../adapters/postgres/tables/refusals.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Table } from "../../core/ports/table.ts";
import type { OwnSchema } from "../support/table_stores.ts";
import { column } from "./tables_steps.ts";

/** SQLSTATE, statements that end in it, and what becomes of it. */
const REQUESTS: readonly [code: string, sql: string, fault: string][] = [
  ["22P02", "SELECT 'x'::integer", "invalid_input"],
  ["22003", "SELECT '99999999999'::integer", "invalid_input"],
  ["22003", "SELECT '100'::numeric(2,0)", "invalid_input"],
  ["22007", "SELECT 'yesterday-ish'::date", "invalid_input"],
  ["22008", "SELECT '2026-02-30'::date", "invalid_input"],
  ["22021", "SELECT convert_from('\\xff', 'UTF8')", "invalid_input"],
  ["22P05", `SELECT '"\\u0000"'::jsonb`, "invalid_input"],
  ["22001", "SELECT 1; CREATE TEMP TABLE s (a varchar(1)); INSERT INTO s VALUES ('ab')", "invalid_input"],
  [
    "21000",
    "CREATE TEMP TABLE c (a int UNIQUE); INSERT INTO c VALUES (1), (1) ON CONFLICT (a) DO UPDATE SET a = 1",
    "invalid_input",
  ],
  [
    "54000",
    "CREATE TEMP TABLE l (a text UNIQUE); INSERT INTO l SELECT string_agg(md5(i::text), '') FROM generate_series(1, 2000) i",
    "too_large",
  ],
  ["54001", "SELECT repeat('[', 200000)::jsonb", "too_large"],
  [
    "54011",
    `SELECT 1; CREATE TEMP TABLE w (${Array.from({ length: 1_601 }, (_, i) => `c${i} int`).join(", ")})`,
    "invalid_input",
  ],
  ["42P07", "CREATE TEMP TABLE d (a int); CREATE TEMP TABLE d (a int)", "conflict"],
  ["57014", "SET statement_timeout = 20; SELECT pg_sleep(5)", "timeout"],
  [
    "53400",
    "SET temp_file_limit = '64kB'; SET work_mem = '64kB'; SELECT count(*) FROM (SELECT i FROM generate_series(1, 200000) i ORDER BY i DESC OFFSET 1) s",
    "too_large",
  ],
];

const table: Table = {
  realm: "r",
  name: "own",
  number: 7,
  version: 1,
  relation: "t7_own",
  columns: [
    column("email_key", "text", { unique: true }),
    column("up", "bigint", { references: { table: "own", column: "id" } }),
    column("far", "bigint", { references: { table: "other_key", column: "id" } }),
  ],
  createdAt: new Date(0),
  updatedAt: new Date(0),
};

const TABLES = `CREATE TEMP TABLE t8_other_key (id bigint PRIMARY KEY);
  CREATE TEMP TABLE t7_own (id bigint PRIMARY KEY, email_key text NOT NULL CONSTRAINT t7_email_key_key UNIQUE CONSTRAINT email_key_check CHECK (email_key <> 'c'),
    up bigint CONSTRAINT up_fkey REFERENCES t7_own, far bigint CONSTRAINT far_fkey REFERENCES t8_other_key);
  CREATE TEMP TABLE t9_third (one bigint CONSTRAINT one_fkey REFERENCES t7_own);
  INSERT INTO t8_other_key VALUES (1);
  INSERT INTO t7_own VALUES (1, 'a', NULL, 1), (2, 'b (x)=(y)', 1, NULL), (3, 'd', NULL, NULL); INSERT INTO t9_third VALUES (3)`;

const VIOLATIONS: readonly [sql: string, refusal: object][] = [
  ["INSERT INTO t7_own VALUES (9, NULL)", { constraint: "not_null", column: "email_key" }],
  ["INSERT INTO t7_own VALUES (9, 'b (x)=(y)')", { constraint: "unique", column: "email_key", value: "b (x)=(y)" }],
  ["INSERT INTO t7_own VALUES (9, 'c')", { constraint: "enum", column: "email_key" }],
  ["INSERT INTO t7_own VALUES (9, 'z', 5)", { constraint: "reference", column: "up", table: "own", value: "5" }],
  [
    "INSERT INTO t7_own VALUES (9, 'z', NULL, 5)",
    { constraint: "reference", column: "far", table: "other_key", value: "5" },
  ],
  ["DELETE FROM t7_own WHERE id = 1", { constraint: "reference", column: "id", table: "own", value: "1" }],
  ["DELETE FROM t7_own WHERE id = 3", { constraint: "reference", column: "id", table: "third", value: "3" }],
];

export function tableErrors({ url }: OwnSchema): void {
  const test = suite("tables on postgres, what its errors mean");

  for (const [code, sql, fault] of REQUESTS) {
    test(`${code} is ${fault}`, async () => {
      const error = await failing(url, sql);
      assert.is((error as { code?: string }).code, code, String(error));
      const wrapped = new Fault("internal", "The database failed.", { cause: error });
      for (const made of [tableFault(error), tableFault(wrapped)]) {
        assert.instance(made, Fault);
        assert.is((made as Fault).code, fault);
        assert.is(tableRefusal(made, table), null);
        assert.not.match((made as Fault).message, /SELECT|relation|syntax|ERROR/);
      }
    });
  }

  test("what rows violate is told by column, value and table, from either side of a reference", async () => {
    for (const [sql, refusal] of VIOLATIONS) {
      const error = await failing(url, `${TABLES}; ${sql}`);
      assert.equal(tableRefusal(error, table), { status: "violates", ...refusal }, sql);
    }
  });

  test("errors that are nobody's fault stay as they are", async () => {
    const error = await failing(url, "SELECT nonsense()");
    assert.is(tableFault(error), error);
    assert.is(tableRefusal(error, table), null);
    assert.is(tableFault(null), null);
  });

  test.run();
}

async function failing(url: string, sql: string): Promise<unknown> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } catch (error) {
    return error;
  } finally {
    await client.end();
  }
  throw new Error(`it did not fail: ${sql.slice(0, 80)}`);
}
