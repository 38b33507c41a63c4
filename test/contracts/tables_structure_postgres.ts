/** What PostgreSQL alone has to promise of tables: roles of their own, a schema of their own, locks, names, and what happens where roles may not be made. */
import fc from "fast-check";
import pg from "pg";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { migrateDown, migrateUp, readMigrations } from "../../adapters/postgres/migrate.ts";
import { warnWithoutRoles } from "../../adapters/postgres/mod.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { promises } from "../support/promises.ts";
import type { StoreHarness } from "../support/store_harness.ts";
import { type OwnSchema, ownSchema } from "../support/table_stores.ts";
import { alter, column, create, createRefused, drop, insert, rowsOf, tableOf } from "./tables_steps.ts";

const log = memoryLog("error");

export function tablesOnPostgres(schema: OwnSchema): void {
  promises(
    "tables on postgres",
    () => schema.open(),
    (keeps) => {
      keeps("rows are written as a role that has rights on them alone", async (h) => {
        const { relation } = await create(h, "t", [column("a", "text")]);
        await insert(h, "t", [{ a: "x" }]);
        await schema.sql(`REVOKE INSERT ON $home.${relation} FROM $home`);
        assert.is(await codeOf(insert(h, "t", [{ a: "x" }])), "internal");
        await schema.sql(`GRANT INSERT ON $home.${relation} TO $home`);
        await insert(h, "t", [{ a: "x" }]);
      });

      keeps("rows are read as a role that can only read, in a transaction that cannot write", async (h) => {
        const { relation } = await create(h, "t", [column("a", "text")]);
        await insert(h, "t", [{ a: "x" }]);
        const [home] = await schema.sql<{ reader: string }>("SELECT reader FROM table_home");
        await schema.sql(`REVOKE SELECT ON $home.${relation} FROM ${home!.reader}`);
        assert.is(await codeOf(rowsOf(h, "t")), "internal");
        await schema.sql(`GRANT SELECT ON $home.${relation} TO ${home!.reader}`);
        // A policy is asked in the transaction that reads.
        await schema.sql(`ALTER TABLE $home.${relation} ENABLE ROW LEVEL SECURITY`);
        await schema.sql(
          `CREATE POLICY p ON $home.${relation} USING (current_setting('transaction_read_only') = 'on')`,
        );
        assert.is((await rowsOf(h, "t")).length, 1);
      });

      keeps("the roles cannot see what is ours, make anything, or log in", async (h) => {
        await create(h, "t", [column("a", "text")]);
        const [home] = await schema.sql<{ schema_name: string; writer: string; reader: string }>(
          "SELECT * FROM table_home",
        );
        for (const role of [home!.writer, home!.reader]) {
          const ours = await schema.sql(
            `SELECT c.relname FROM pg_class c WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'S')
           AND (has_table_privilege($2, c.oid, 'SELECT') OR has_table_privilege($2, c.oid, 'INSERT'))`,
            [schema.name, role],
          );
          assert.equal(ours, []);
          const [rights] = await schema.sql(
            `SELECT has_schema_privilege($1, $2, 'CREATE') AS makes, has_schema_privilege($1, $3, 'USAGE') AS enters,
             has_database_privilege($1, current_database(), 'CREATE') AS schemas, r.rolcanlogin, r.rolsuper, r.rolcreaterole, r.rolcreatedb
           FROM pg_roles r WHERE r.rolname = $1`,
            [role, home!.schema_name, schema.name],
          );
          assert.equal(Object.values(rights!), [false, false, false, false, false, false, false]);
        }
        const [writes] = await schema.sql("SELECT has_any_column_privilege($1, $2, 'INSERT') AS may", [
          home!.reader,
          `${home!.schema_name}.${(await tableOf(h, "t")).relation}`,
        ]);
        assert.is(writes!.may, false);
      });

      keeps(
        "what rows cost has limits: time, waiting for locks, and where it is permitted, files for sorting",
        async (h) => {
          const { relation } = await create(h, "t", [column("a", "text")]);
          await insert(h, "t", [{ a: "x" }]);
          await schema.sql(`ALTER TABLE $home.${relation} ENABLE ROW LEVEL SECURITY`);
          await schema.sql(`CREATE POLICY p ON $home.${relation} USING (
        current_setting('statement_timeout') = '5s' AND current_setting('lock_timeout') = '1s'
        AND current_setting('temp_file_limit') = '256MB' AND current_schemas(false) = ARRAY['$home'::name])`);
          assert.is((await rowsOf(h, "t")).length, 1);
        },
      );

      keeps("any text can be a default and a value of an enum", async (h) => {
        let round = 0;
        const words = fc
          .string({ unit: "binary", maxLength: 40 })
          .filter((word) => word.isWellFormed() && !word.includes("\u0000"));
        await fc.assert(
          fc.asyncProperty(words, fc.constantFrom("", "'", "\\", "'; --", "\\'"), async (word, end) => {
            round += 1;
            const name = `t${round}`;
            const value = word + end;
            await create(h, name, [
              column("a", "text", { default: value, enum: [value, `${value}x`] }),
              column("j", "jsonb", { default: { [value]: value } }),
            ]);
            assert.equal(await insert(h, name, [{}, { a: `${value}x` }]), [
              { id: 1, a: value, j: { [value]: value } },
              { id: 2, a: `${value}x`, j: { [value]: value } },
            ]);
            await drop(h, name);
          }),
          { numRuns: 30 },
        );
      });

      keeps("a connection is its old self again after work on rows", async (h) => {
        await create(h, "t", [column("a", "text")]);
        const unit = [
          { op: "table.insert" as const, table: await tableOf(h, "t"), rows: [{ a: "x" }], returning: false },
          { op: "document.put" as const, realm: h.realm, collection: "c", id: "d", body: {} },
          { op: "journal.append" as const, realm: h.realm, subject: "s", entries: [{ data: "{}", ttlMs: null }] },
        ];
        for (let round = 0; round < 3; round += 1) {
          assert.is((await h.database.commit(unit)).committed, true);
          assert.is((await rowsOf(h, "t")).length, round + 1);
          assert.is((await h.database.documents.get(h.realm, "c", "d"))?.version, round + 1);
        }
      });

      keeps("names of 48 characters, on all that has a name, are kept whole", async (h) => {
        const long = (last: string) => "n".repeat(47) + last;
        const columns = [
          column(long("a"), "text", { unique: true, enum: ["x", "y"] }),
          column(long("b"), "text", { unique: true }),
          column(long("c"), "bigint", { references: { table: long("t"), column: "id" } }),
        ];
        await create(h, long("t"), columns);
        await create(h, long("u"), [column(long("a"), "text", { unique: true })]);
        const here = { ...h, realm: "user" };
        await create(here, long("t"), [column(long("a"), "text", { unique: true })]);
        await create(here, long("u"), [column(long("a"), "text", { unique: true })]);
        assert.is((await tableOf(here, long("t"))).relation, `sql_${long("t")}`);
        await insert(h, long("t"), [{ [long("a")]: "x", [long("b")]: "q" }]);
        const result = await h.database.commit([
          { op: "table.insert", table: await tableOf(h, long("t")), rows: [{ [long("b")]: "q" }], returning: false },
        ]);
        assert.is(
          result.committed === false && result.outcome.status === "violates" && result.outcome.column,
          long("b"),
        );
        await drop(here, long("t"));
        await drop(here, long("u"));
      });

      keeps(
        "a change that cannot have its table to itself is unavailable within two seconds, and changes nothing",
        async (h) => {
          const { relation } = await create(h, "t", [column("a", "text")]);
          const [home] = await schema.sql<{ name: string }>("SELECT schema_name AS name FROM table_home");
          const client = new pg.Client({ connectionString: schema.url });
          await client.connect();
          try {
            await client.query("BEGIN");
            await client.query(`SELECT FROM ${home!.name}.${relation}`);
            const started = performance.now();
            assert.is(await codeOf(alter(h, "t", [column("b", "text")])), "unavailable");
            assert.ok(performance.now() - started < 2_000);
          } finally {
            await client.end();
          }
          assert.is((await tableOf(h, "t")).version, 1);
        },
      );

      keeps("a table that somebody has to himself is listed all the same", async (h) => {
        const { relation } = await create(h, "t", [column("a", "text")]);
        const [home] = await schema.sql<{ name: string }>("SELECT schema_name AS name FROM table_home");
        const client = new pg.Client({ connectionString: schema.url });
        await client.connect();
        try {
          await client.query("BEGIN");
          await client.query(`LOCK TABLE ${home!.name}.${relation} IN ACCESS EXCLUSIVE MODE`);
          assert.is((await h.database.tables.list(h.realm, "", 10)).length, 1);
        } finally {
          await client.end();
        }
      });

      keeps("while a transaction works on rows, nobody changes their columns beneath it", async (h) => {
        const { number, version } = await create(h, "t", [column("a", "text")]);
        const client = new pg.Client({ connectionString: schema.url, options: `-c search_path=${schema.name}` });
        await client.connect();
        try {
          await client.query("BEGIN");
          await client.query("SELECT table_enter($1, $2, false)", [number, version]);
          assert.is(await codeOf(alter(h, "t", [column("b", "text", { renamedFrom: "a" })])), "unavailable");
          await client.query("COMMIT");
        } finally {
          await client.end();
        }
        await alter(h, "t", [column("b", "text", { renamedFrom: "a" })]);
      });

      keeps("of creations of one name at once one succeeds, and the others are told so", async (h) => {
        const creations = Array.from({ length: 6 }, (_, index) => {
          const database = index % 2 ? h.other : h.database;
          return database.commit([{ op: "table.create", realm: h.realm, name: "t", columns: [column("a", "text")] }]);
        });
        const results = await Promise.all(creations);
        assert.is(results.filter(({ committed }) => committed).length, 1);
        assert.equal(await createRefused(h, "t", [column("a", "text")]), { status: "taken" });
      });

      keeps("rows and changes of structure at once: each row is written whole or its table has changed", async (h) => {
        await create(h, "t", [column("a", "text")]);
        let written = 0;
        const writers = Array.from({ length: 4 }, async (_, writer) => {
          for (let round = 0; round < 10; round += 1) {
            const table = await tableOf(h, "t");
            const rows = [{ [table.columns[0]!.name]: `${writer}` }];
            const result = await h.other.commit([{ op: "table.insert", table, rows, returning: false }]);
            if (result.committed) written += 1;
            else assert.is(result.outcome.status, "changed");
          }
        });
        const changes = (async () => {
          for (let round = 0; round < 6; round += 1) {
            const [from, to] = round % 2 ? ["b", "a"] : ["a", "b"];
            await alter(h, "t", [column(to!, "text", { renamedFrom: from! })]);
          }
        })();
        await Promise.all([...writers, changes]);
        assert.is((await rowsOf(h, "t")).length, written);
        assert.ok(written > 0);
      });
    },
  );

  const own = suite("tables on postgres, a schema of their own");

  own("without CREATE ROLE the start says so, and rows are kept by READ ONLY transactions alone", async () => {
    const user = `t_plain_${crypto.randomUUID().slice(0, 8)}`;
    await schema.sql(`CREATE ROLE ${user} LOGIN`);
    const [{ name }] = (await schema.sql<{ name: string }>("SELECT current_database() AS name")) as [{ name: string }];
    await schema.sql(`GRANT CREATE ON DATABASE ${name} TO ${user}`);
    const url = new URL(schema.url);
    url.username = user;
    const plain = ownSchema(url.href);
    const connection = { connectionString: plain.url };
    try {
      await migrateUp({ connection, schema: plain.name, log });
      const warned = memoryLog("warn");
      await warnWithoutRoles({ connection, schema: plain.name, log: warned });
      assert.is(warned.lines.length, 1);
      assert.match(JSON.stringify(warned.lines[0]), /CREATEROLE/);
      await using(await plain.open(), async (h) => {
        const { relation } = await create(h, "t", [column("a", "text")]);
        await insert(h, "t", [{ a: "x" }]);
        await plain.sql(`ALTER TABLE $home.${relation} ENABLE ROW LEVEL SECURITY`);
        await plain.sql(`ALTER TABLE $home.${relation} FORCE ROW LEVEL SECURITY`);
        await plain.sql(`CREATE POLICY p ON $home.${relation} USING (current_setting('transaction_read_only') = 'on')`);
        assert.is((await rowsOf(h, "t")).length, 1);
      });
      // Granted later, the roles come with the next start, and have rights on the tables that are there.
      await schema.sql(`ALTER ROLE ${user} CREATEROLE`);
      const calm = memoryLog("warn");
      await warnWithoutRoles({ connection, schema: plain.name, log: calm });
      assert.is(calm.lines.length, 0);
      const [home] = await plain.sql("SELECT writer IS NOT NULL AND reader IS NOT NULL AS roles FROM table_home");
      assert.is(home?.roles, true);
      await plain.sql("SELECT table_home_drop()");
      await plain.sql(`DROP SCHEMA ${plain.name} CASCADE`);
    } finally {
      await schema.sql(`DROP OWNED BY ${user} CASCADE`);
      await schema.sql(`DROP ROLE ${user}`);
    }
  });

  own("a start mends rights that a restore has left behind", async () => {
    const other = ownSchema(schema.url);
    const options = { connection: { connectionString: other.url }, schema: other.name, log };
    await migrateUp(options);
    await using(await other.open(), async (h) => {
      const { relation } = await create(h, "t", [column("a", "text")]);
      const [home] = await other.sql<{ reader: string }>("SELECT reader FROM table_home");
      await other.sql(`REVOKE ALL ON $home.${relation} FROM $home, ${home!.reader}`);
      await other.sql(`REVOKE ALL ON SCHEMA $home FROM ${home!.reader}`);
      await warnWithoutRoles(options);
      await insert(h, "t", [{ a: "x" }]);
      assert.is((await rowsOf(h, "t")).length, 1);
      await other.sql("SELECT table_home_drop()");
      await other.sql(`DROP SCHEMA ${other.name} CASCADE`);
    });
  });

  own("taking the migration back drops tables, schema and roles, and it can be applied again", async () => {
    const other = ownSchema(schema.url);
    const options = { connection: { connectionString: other.url }, schema: other.name, log };
    await migrateUp(options);
    await using(await other.open(), async (h) => {
      await create(h, "t", [column("a", "text")]);
    });
    const [home] = await other.sql<{ schema_name: string; writer: string; reader: string }>("SELECT * FROM table_home");
    const first = (await readMigrations()).find(({ name }) => name === "tables")!.version;
    for (let version: string | null = ""; version !== first; )
      version = await migrateDown({ ...options, destructive: true });
    const left = await other.sql(
      "SELECT FROM pg_namespace WHERE nspname = $1 UNION ALL SELECT FROM pg_roles WHERE rolname IN ($2, $3)",
      [home!.schema_name, home!.writer, home!.reader],
    );
    assert.equal(left, []);
    await migrateUp(options);
    await using(await other.open(), async (h) => {
      await create(h, "t", [column("a", "text")]);
      await insert(h, "t", [{ a: "x" }]);
    });
    await other.sql("SELECT table_home_drop()");
    await other.sql(`DROP SCHEMA ${other.name} CASCADE`);
  });

  own.run();
}

async function using(h: StoreHarness, work: (h: StoreHarness) => Promise<void>): Promise<void> {
  try {
    await work(h);
  } finally {
    await h.close();
  }
}

function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "done",
    (error: unknown) => (error instanceof Fault ? error.code : String(error)),
  );
}
