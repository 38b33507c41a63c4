/**
 * What only the journal on PostgreSQL promises: order over several lanes, ids that no clock can turn round, and plans that suit many subjects
 * though they were made when there was one.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openLane } from "../../adapters/postgres/lane.ts";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../adapters/postgres/mod.ts";
import { type AppendEntries, EARLIEST } from "../../core/ports/journal.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { appending, entry, history } from "../support/store_harness.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";
import { race } from "./journal_races.ts";

const log = memoryLog("error");
const realm = "r";

const lane = suite("lane");

lane(
  "gathers what waits while a batch is under way, and an append whose key is in a batch waits for the next",
  async () => {
    const batches: (string | undefined)[][] = [];
    const { append } = openLane({
      async store(batch) {
        batches.push(batch.map(({ key }) => key));
        return batch.map(() => ({ status: "closed" }));
      },
      batchAppends: 3,
      batchBytes: 1_000_000,
      waitingBytes: 1_000_000,
    });
    const keys = ["a", undefined, "a", "b", "a", undefined, "b"];
    await Promise.all(keys.map((key) => append(appending({ realm }, "s", key === undefined ? {} : { key }))));
    assert.equal(batches, [["a", undefined, "b"], ["a", undefined, "b"], ["a"]]);
  },
);

lane.run();

/** Runs the test on a database of its own. */
async function onDatabase(proof: (own: Own) => Promise<void>): Promise<void> {
  const database = await createTestDatabase(testServer!);
  const connection = { connectionString: database.url };
  const opened: Postgres[] = [];
  const close = async () => {
    for (const { bus, database: store } of opened.splice(0)) {
      await bus.close();
      await store.close();
    }
  };
  try {
    await migrateUp({ connection, log });
    await proof({
      ...database,
      async open(how = {}) {
        const postgres = await openPostgres({ connection, poolSize: 2, log, ...how });
        opened.push(postgres);
        return postgres.database;
      },
      close,
    });
  } finally {
    await close();
    await database.drop();
  }
}

interface Own extends Pick<TestDatabase, "query"> {
  open(how?: { lanes?: number; clockOffsetMs?: number }): Promise<Postgres["database"]>;
  close(): Promise<void>;
}

const own = suite("journal, postgres alone");

own("ids ascend in the order of commits, though the processes' clocks are hours apart", () =>
  onDatabase(async ({ open }) => {
    const clocks = [0, 0, 3_600_000, 3_600_000, -7_200_000, -7_200_000];
    const writers = await Promise.all(clocks.map((clockOffsetMs) => open({ clockOffsetMs })));
    await race({ realm, database: writers[0]! }, writers);
  }),
);

own("several lanes keep the order of one process's appends to a subject, and the chain of its ids", () =>
  onDatabase(async ({ open }) => {
    const database = await open({ lanes: 3 });
    const subjects = Array.from({ length: 12 }, (_, index) => `s${index}`);
    const numbers = Array.from({ length: 100 }, (_, number) => number);
    const appends = numbers.flatMap((number) =>
      subjects.map((subject) => appending({ realm }, subject, { entries: [entry(`${number}`)] })),
    );
    await Promise.all(appends.map((append) => database.journal.append(append)));
    const h = { realm, database, other: database, advance: async () => {}, close: async () => {} };
    for (const subject of subjects) {
      assert.equal(
        (await history(h, subject)).map(({ data }) => Number(data)),
        numbers,
      );
    }
    await race(h, [database, await open({ lanes: 2 }), database]);
  }),
);

own("plans made while there is one subject do not read all when there are thousands", () =>
  onDatabase(async ({ open, close, query }) => {
    const database = await open();
    const subjects = Array.from({ length: 3_000 }, (_, index) => `s${index}`);
    const touch = async (some: readonly string[]) => {
      const ways: Partial<AppendEntries>[] = [{ ifOpen: true }, { ifOpen: true, key: crypto.randomUUID() }, {}];
      for (const way of ways) {
        const outcomes = await Promise.all(
          some.map((subject) => database.journal.append(appending({ realm }, subject, way))),
        );
        for (const { status } of outcomes) assert.is(status, "appended");
      }
      await database.journal.append(appending({ realm }, some[0]!, { ifOpen: true }));
      await database.commit(some.map((subject) => appending({ realm }, subject)));
      await database.journal.read(realm, some[0]!, EARLIEST, 1);
      await database.journal.newest(realm, some[0]!);
      await database.journal.bounds(realm, some);
    };

    const open1 = (subject: string) => ({ op: "journal.open", realm, subject }) as const;
    await database.commit([open1(subjects[0]!)]);
    await query("VACUUM ANALYZE");
    for (let round = 0; round < 8; round += 1) await touch(subjects.slice(0, 1));
    await query("VACUUM ANALYZE");
    for (let round = 0; round < 8; round += 1) await touch(subjects.slice(0, 1));
    for (let at = 1; at < subjects.length; at += 500) await database.commit(subjects.slice(at, at + 500).map(open1));
    await touch(subjects.slice(100, 164));
    // The server counts what a connection has read once it ends.
    await close();
    const [read] = await query(
      "SELECT sum(idx_tup_fetch + seq_tup_read)::int AS rows FROM pg_stat_user_tables WHERE relname LIKE 'journal%'",
    );
    assert.ok(Number(read!.rows) < 1_500, `${read!.rows} rows were read`);
  }),
);

if (testServer) own.run();
else console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
