/**
 * The databases that the contracts of the tables run on: the memory twin, and where TEST_DATABASE_URL names a server, PostgreSQL in a schema of this
 * run's own, of which schema, tables and roles are dropped again.
 */
import process from "node:process";
import pg from "pg";
import { suite } from "uvu";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../adapters/postgres/mod.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryDatabase } from "../../core/ports/memory/database.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import type { OpenStore, StoreHarness } from "./store_harness.ts";

/** A schema of this run's own on the server. */
export interface OwnSchema {
  readonly url: string;
  readonly name: string;
  /** Runs SQL past the adapter, with the schema before it; `$home` in it stands for the schema of users' tables. */
  sql<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>;
  /** Opens a harness; `connection` replaces the one of the URL. */
  open(connection?: pg.ClientConfig): Promise<StoreHarness>;
}

/** Registers the suites of `run` for the memory twin, and for PostgreSQL, between making and dropping its schema. */
export function onEveryTwin(
  run: (twin: string, open: OpenStore) => void,
  onPostgres: (schema: OwnSchema) => void,
): void {
  run("memory", openMemory);
  const url = process.env.TEST_DATABASE_URL;
  if (!url) {
    console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
    return;
  }
  const schema = ownSchema(url);
  const begin = suite("the schema of the tables");
  begin("is made", async () => {
    await migrateUp({ connection: { connectionString: url }, schema: schema.name, log: memoryLog("error") });
  });
  begin.run();
  run("postgres", () => schema.open());
  onPostgres(schema);
  const end = suite("the schema of the tables, afterwards");
  end("is dropped, with what belongs to it elsewhere", async () => {
    await schema.sql("SELECT table_home_drop()");
    await schema.sql(`DROP SCHEMA ${schema.name} CASCADE`);
  });
  end.run();
}

/** The memory twin in a database of its own. */
export async function openMemory(): Promise<StoreHarness> {
  const clock = memoryClock();
  const database = memoryDatabase(clock);
  return {
    realm: realm(),
    database,
    other: database,
    advance: async (ms) => (ms < 0 ? clock.jump(ms) : clock.advance(ms)),
    close: () => database.close(),
  };
}

/** A schema on the server of this URL; it is made by migrating it. */
export function ownSchema(url: string): OwnSchema {
  const name = `t_${crypto.randomUUID().replaceAll("-", "")}`;
  const openOne = (connection: pg.ClientConfig, clockOffsetMs: number) =>
    openPostgres({ connection, schema: name, clockOffsetMs, poolSize: 4, log: memoryLog("error") });
  return {
    url,
    name,
    async sql(text, values = []) {
      const client = new pg.Client({ connectionString: url, options: `-c search_path=${name}` });
      await client.connect();
      try {
        const home = text.includes("$home")
          ? String((await client.query("SELECT schema_name FROM table_home")).rows[0]?.schema_name)
          : "";
        return (await client.query(text.replaceAll("$home", home), values)).rows;
      } finally {
        await client.end();
      }
    },
    async open(connection = { connectionString: url }) {
      let offset = 0;
      let [here, there] = await Promise.all([openOne(connection, 0), openOne(connection, 0)]);
      const close = () => Promise.all([here, there].map(closed)).then(() => undefined);
      return {
        realm: realm(),
        get database() {
          return here.database;
        },
        get other() {
          return there.database;
        },
        async advance(ms) {
          offset += ms;
          await close();
          [here, there] = await Promise.all([openOne(connection, offset), openOne(connection, offset)]);
        },
        close,
      };
    },
  };
}

async function closed({ bus, database }: Postgres): Promise<void> {
  await bus.close();
  await database.close();
}

function realm(): string {
  return `t_${crypto.randomUUID()}`;
}
