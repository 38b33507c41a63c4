/**
 * Transactions of the pool, on the server that TEST_DATABASE_URL names: all or nothing, run again after a deadlock, and clear words for a
 * connection that is lost.
 */
import process from "node:process";
import pg from "pg";
import * as assert from "uvu/assert";
import { openPool, type Pool } from "../../adapters/postgres/pool.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { promises } from "../support/promises.ts";

const url = process.env.TEST_DATABASE_URL;

interface Harness {
  readonly pool: Pool;
  /** Runs SQL past the pool, on a connection of its own. */
  sql(text: string): Promise<unknown[]>;
  close(): Promise<void>;
}

async function openHarness(): Promise<Harness> {
  const schema = `t_${crypto.randomUUID().replaceAll("-", "")}`;
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  await client.query(`CREATE SCHEMA ${schema}; CREATE TABLE kept (name text PRIMARY KEY, count int NOT NULL)`);
  await client.query("INSERT INTO kept VALUES ('a', 0), ('b', 0)");
  const options = { connection: { connectionString: url! }, schema, clockOffsetMs: 0, log: memoryLog("error") };
  const pool = openPool({ ...options, size: 4 });
  return {
    pool,
    sql: async (text) => (await client.query(text)).rows,
    async close() {
      await pool.end();
      await client.query(`DROP SCHEMA ${schema} CASCADE`);
      await client.end();
    },
  };
}

const ADD = { name: "add", text: "UPDATE kept SET count = count + 1 WHERE name = $1" };
const PUT = { name: "put", text: "INSERT INTO kept VALUES ($1, 1)" };
const PID = { name: "pid", text: "SELECT pg_backend_pid() AS pid" };
const SLEEP = { name: "sleep", text: "SELECT pg_sleep(4)" };

async function counts({ sql }: Harness): Promise<unknown[]> {
  return sql("SELECT name, count FROM kept ORDER BY name");
}

const untouched = [
  { name: "a", count: 0 },
  { name: "b", count: 0 },
];

async function refused(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => new Error("it was committed"),
    (reason: unknown) => reason,
  );
  assert.instance(error, Fault, String(error));
  return error as Fault;
}

if (url) {
  promises("postgres pool, transactions", openHarness, (keeps) => {
    keeps("all statements take effect together, and the value of the work comes back", async (h) => {
      const value = await h.pool.transaction(async (query) => {
        await query(ADD, ["a"]);
        assert.equal(await counts(h), untouched);
        await query(ADD, ["b"]);
        return "done";
      });
      assert.is(value, "done");
      assert.equal(await counts(h), [
        { name: "a", count: 1 },
        { name: "b", count: 1 },
      ]);
    });

    keeps("work that throws leaves nothing behind, and what it threw comes back as it is", async (h) => {
      for (const thrown of [new Fault("conflict", "not now"), new TypeError("a mistake")]) {
        const outcome = await h.pool
          .transaction(async (query) => {
            await query(ADD, ["a"]);
            throw thrown;
          })
          .catch((error: unknown) => error);
        assert.is(outcome, thrown);
      }
      assert.equal(await counts(h), untouched);
      // The connection is good for whoever comes next.
      await h.pool.query(ADD, ["a"]);
      assert.equal(await counts(h), [
        { name: "a", count: 1 },
        { name: "b", count: 0 },
      ]);
    });

    keeps("a statement that fails undoes the others, even when its error is swallowed", async (h) => {
      const fault = await refused(
        h.pool.transaction(async (query) => {
          await query(ADD, ["b"]);
          await query(PUT, ["a"]);
        }),
      );
      assert.is(fault.code, "internal");
      assert.is((fault.cause as { code?: string }).code, "23505");
      const swallowed = await refused(
        h.pool.transaction(async (query) => {
          await query(ADD, ["b"]);
          await query(PUT, ["a"]).catch(() => undefined);
        }),
      );
      assert.is(swallowed.code, "internal");
      assert.equal(await counts(h), untouched);
    });

    keeps("transactions that lock each other out run again, as often as it takes", async (h) => {
      let runs = 0;
      const crossing = async (first: string, second: string) =>
        h.pool.transaction(async (query) => {
          runs += 1;
          await query(ADD, [first]);
          // Long enough for the other to take its first, so that each waits for what the other holds.
          await query({ name: "nap", text: "SELECT pg_sleep(0.2)" }, []);
          await query(ADD, [second]);
        });
      await Promise.all([crossing("a", "b"), crossing("b", "a")]);
      assert.ok(runs > 2, `${runs} runs`);
      assert.equal(await counts(h), [
        { name: "a", count: 2 },
        { name: "b", count: 2 },
      ]);
    });

    keeps("work that is contended each time is given up, as busy", async (h) => {
      let runs = 0;
      const fault = await refused(
        h.pool.transaction(async (query) => {
          runs += 1;
          await query({ name: "fail", text: "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$" }, []);
        }),
      );
      assert.is(fault.code, "unavailable");
      assert.match(fault.message, /busy and stored nothing/);
      assert.is(runs, 4);
    });

    keeps("a connection lost on the way is unavailable, says that nothing was stored, and is replaced", async (h) => {
      let runs = 0;
      const fault = await refused(
        h.pool.transaction(async (query) => {
          runs += 1;
          await query(ADD, ["a"]);
          const [{ pid }] = (await query<{ pid: number }>(PID, [])) as [{ pid: number }];
          const sleeping = query(SLEEP, []);
          // It may be refused before it is awaited.
          sleeping.catch(() => undefined);
          await h.sql(`SELECT pg_terminate_backend(${pid})`);
          await sleeping;
        }),
      );
      assert.is(fault.code, "unavailable");
      assert.match(fault.message, /lost before the commit, so nothing was stored/);
      assert.is(runs, 1);
      assert.equal(await counts(h), untouched);
      for (let round = 0; round < 8; round += 1) await h.pool.query(ADD, ["a"]);
    });

    keeps("a connection lost between two statements rolls back, whatever the work then throws", async (h) => {
      const fault = await refused(
        h.pool.transaction(async (query) => {
          await query(ADD, ["a"]);
          const [{ pid }] = (await query<{ pid: number }>(PID, [])) as [{ pid: number }];
          await h.sql(`SELECT pg_terminate_backend(${pid})`);
          throw new Fault("conflict", "its own reason");
        }),
      );
      assert.is(fault.message, "its own reason");
      for (let round = 0; round < 8; round += 1) await h.pool.query(ADD, ["b"]);
      assert.equal(await counts(h), [
        { name: "a", count: 0 },
        { name: "b", count: 8 },
      ]);
    });

    keeps("a statement after the transaction is refused: its client is somebody else's by then", async (h) => {
      let late: Pool["query"] | null = null;
      await h.pool.transaction(async (query) => {
        late = query;
      });
      const outcome = await late!(ADD, ["a"]).catch((error: Error) => error.message);
      assert.match(String(outcome), /the transaction is over/);
      assert.equal(await counts(h), untouched);
    });
  });
} else {
  console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
}
