/**
 * The PostgreSQL twins keep every contract, on the server that TEST_DATABASE_URL names, in a schema of this run's own; and a few promises about
 * what only this twin has: batches, broken connections, ids at the edge.
 */
import process from "node:process";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../adapters/postgres/mod.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Entry } from "../../core/ports/journal.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { next } from "../../core/ports/uuid7.ts";
import { eventually } from "../support/eventually.ts";
import { promises } from "../support/promises.ts";
import { appended, appending, committed, entry, history, type StoreHarness } from "../support/store_harness.ts";
import { busContract } from "./bus.ts";
import { databaseContract } from "./database.ts";
import { documentsContract } from "./documents.ts";
import { filesContract } from "./files.ts";
import { journalContract } from "./journal.ts";
import { unitsContract } from "./units.ts";

const url = process.env.TEST_DATABASE_URL;
const schema = `t_${crypto.randomUUID().replaceAll("-", "")}`;
const log = memoryLog("error");

interface PostgresHarness extends StoreHarness {
  readonly bus: Postgres["bus"];
  readonly otherBus: Postgres["bus"];
}

function open(connectionString: string, clockOffsetMs = 0): Promise<Postgres> {
  return openPostgres({ connection: { connectionString }, schema, clockOffsetMs, poolSize: 4, log });
}

async function close({ database, bus }: Postgres): Promise<void> {
  await bus.close();
  await database.close();
}

async function openHarness(): Promise<PostgresHarness> {
  let offset = 0;
  let [here, there] = await Promise.all([open(url!), open(url!)]);
  return {
    realm: `t_${crypto.randomUUID()}`,
    get database() {
      return here.database;
    },
    get other() {
      return there.database;
    },
    get bus() {
      return here.bus;
    },
    get otherBus() {
      return there.bus;
    },
    async advance(ms) {
      offset += ms;
      await Promise.all([close(here), close(there)]);
      [here, there] = await Promise.all([open(url!, offset), open(url!, offset)]);
    },
    async close() {
      await Promise.all([close(here), close(there)]);
    },
  };
}

/** Runs SQL in the schema of this run, past the adapter. */
async function sql<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** Ends the connections whose last statement begins with these words. */
async function terminate(words: string): Promise<void> {
  await sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(query, $1)", [words]);
}

function code(error: unknown): string {
  return error instanceof Fault ? error.code : String(error);
}

function keepsOwnPromises(): void {
  promises("postgres", openHarness, (keeps) => {
    keeps("ids carry over version and variant, and stay ahead of a last id in the future", async (h) => {
      await appended(h, "s");
      let last = "f0000000-0fff-7fff-bfff-fffffffffffe";
      await sql("UPDATE journal_subjects SET last_id = $2 WHERE realm = $1", [h.realm, last]);
      const entries = Array.from({ length: 4 }, () => entry());
      for (const { id } of await appended(h, "s", { entries })) {
        assert.is(id, next(last));
        last = id;
      }
      assert.is(last, "f0000000-1000-7000-8000-000000000002");
    });

    keeps("one bad append of a batch fails alone", async (h) => {
      const appends = ["1", '"\u0000"', "3"].map((data) =>
        h.database.journal.append(appending(h, "s", { entries: [entry(data)] })),
      );
      const results = await Promise.allSettled([h.database.journal.append(appending(h, "s")), ...appends]);
      assert.equal(
        results.map(({ status }) => status),
        ["fulfilled", "fulfilled", "rejected", "fulfilled"],
      );
      assert.is(code((results[2] as PromiseRejectedResult).reason), "invalid_input");
      assert.is((await history(h, "s")).length, 3);
    });

    keeps("refused appends leave the others of their batch alone", async (h) => {
      await appended(h, "used", { key: "k", fingerprint: "f" });
      await committed(h, { op: "journal.close", realm: h.realm, subject: "used" });
      const outcomes = await Promise.all(
        [
          appending(h, "s", { key: "k" }),
          appending(h, "used", { key: "k", fingerprint: "g" }),
          appending(h, "used", { ifOpen: true }),
          appending(h, "missing", { ifOpen: true }),
          appending(h, "s", { key: "k" }),
          appending(h, "used"),
        ].map((command) => h.database.journal.append(command)),
      );
      assert.equal(
        outcomes.map(({ status }) => status),
        ["appended", "mismatch", "closed", "closed", "replayed", "appended"],
      );
    });

    keeps("a connection that was ended is replaced, with nothing to be seen but a Fault", async (h) => {
      await appended(h, "s");
      await terminate("SELECT created_ms");
      await eventually("appends go on", async () => {
        const outcome = await h.database.journal.append(appending(h, "s")).catch((error: unknown) => code(error));
        assert.ok(outcome === "unavailable" || typeof outcome !== "string", String(outcome));
        return typeof outcome !== "string";
      });
    });

    keeps("an append that waits for a lock too long is unavailable, not stored, and says so without SQL", async (h) => {
      await appended(h, "s");
      const client = new pg.Client({ connectionString: url, options: `-c search_path=${schema}` });
      await client.connect();
      try {
        await client.query("BEGIN");
        await client.query("SELECT FROM journal_subjects WHERE realm = $1 FOR UPDATE", [h.realm]);
        const outcome = await h.database.journal.append(appending(h, "s")).catch((error: Fault) => error);
        assert.is(code(outcome), "unavailable");
        assert.not.match((outcome as Fault).message, /lock|journal|SELECT/i);
      } finally {
        await client.end();
      }
      assert.is((await history(h, "s")).length, 1);
    });

    keeps("appends of several processes to several subjects at once are all there, in order", async (h) => {
      const subjects = ["a", "b", "c", "d", "e"];
      await Promise.all(
        Array.from({ length: 500 }, (_, index) => {
          const database = index % 2 ? h.other : h.database;
          return database.journal.append(appending(h, subjects[index % 5]!, { entries: [entry(`${index}`)] }));
        }),
      );
      const stored = await Promise.all(subjects.map((subject) => history(h, subject)));
      assert.equal(
        stored.map(({ length }) => length),
        [100, 100, 100, 100, 100],
      );
      // Each process's lane keeps the order of its callers.
      for (const entries of stored) for (const parity of [0, 1]) assertCounting(entries, parity);
    });
  });
}

function assertCounting(entries: readonly Entry[], parity: number): void {
  const numbers = entries.map(({ data }) => Number(data)).filter((number) => number % 2 === parity);
  assert.equal(
    numbers,
    [...numbers].sort((left, right) => left - right),
  );
}

const edges = suite("postgres without a server");

edges("calls throw unavailable and ready() says why, until there is a server", async () => {
  const postgres = await openPostgres({ connection: { host: "127.0.0.1", port: 1 }, log });
  const outcome = await postgres.database.documents.get("r", "c", "a").catch(code);
  assert.is(outcome, "unavailable");
  assert.is((await postgres.database.ready()).ready, false);
  await close(postgres);
});

edges("openPostgres() refuses a schema that is no plain name", async () => {
  for (const name of ['a"b', "", "A", "x".repeat(49)]) {
    const outcome = await openPostgres({ connection: {}, schema: name, log }).catch((error: Error) => error.name);
    assert.is(outcome, "RangeError");
  }
});

edges.run();

if (url) {
  const schemaSuite = suite("postgres schema");
  schemaSuite("is made", async () => {
    await migrateUp({ connection: { connectionString: url }, schema, log });
  });
  schemaSuite.run();
  journalContract("postgres", openHarness);
  documentsContract("postgres", openHarness);
  filesContract("postgres", openHarness);
  databaseContract("postgres", openHarness);
  unitsContract("postgres", openHarness);
  busContract("postgres", async () => {
    const harness = await openHarness();
    return {
      bus: harness.bus,
      other: harness.otherBus,
      interrupt: () => terminate(`LISTEN "millrace_${schema}"`),
      close: harness.close,
    };
  });
  keepsOwnPromises();
  const end = suite("postgres schema, afterwards");
  end("is dropped", async () => {
    await sql(`DROP SCHEMA ${schema} CASCADE`);
  });
  end.run();
} else {
  console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
}
