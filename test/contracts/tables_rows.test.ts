/** The rows of tables keep their contract on every twin; and in PostgreSQL they are touched only by the roles that are made for them. */
import * as assert from "uvu/assert";
import { promises } from "../support/promises.ts";
import { type OwnSchema, onEveryTwin } from "../support/table_stores.ts";
import { tablesFiltersContract } from "./tables_filters.ts";
import { at, read, write } from "./tables_row_steps.ts";
import { tablesRowsContract } from "./tables_rows.ts";
import { tablesReadContract } from "./tables_rows_read.ts";
import { column, create, insert } from "./tables_steps.ts";

onEveryTwin(
  (twin, open) => {
    tablesRowsContract(twin, open);
    tablesReadContract(twin, open);
    tablesFiltersContract(twin, open);
  },
  (schema) => keepsToRoles(schema),
);

/** Policies hold for every role but the one that our own connections have: whoever sees all rows has not changed roles. */
function keepsToRoles(schema: OwnSchema): void {
  promises("rows of tables, roles in postgres", schema.open, (keeps) => {
    keeps("reads run as the role that can only read, in a transaction that cannot write", async (h) => {
      const table = await create(h, "t", [column("n", "integer")]);
      await insert(h, "t", [{ n: 1 }, { n: 2 }]);
      const [home] = await schema.sql("SELECT reader, writer FROM table_home");
      await schema.sql(`ALTER TABLE $home.${table.relation} ENABLE ROW LEVEL SECURITY`);
      await schema.sql(
        `CREATE POLICY reads ON $home.${table.relation} FOR SELECT TO ${home!.reader} USING (n = 2 AND current_setting('transaction_read_only') = 'on')`,
      );
      assert.equal((await read(h, table)).rows, [{ id: 2, n: 2 }]);
      const every = { is: "and", of: [] } as const;
      assert.is(await h.database.tables.count({ table, filter: every, how: "exact" }), 1);
      const of = [{ as: "n", fn: "count", at: null }] as const;
      const counted = await h.database.tables.aggregate({
        table,
        filter: every,
        by: [],
        of,
        order: [],
        after: null,
        limit: 1,
      });
      assert.equal(counted.rows, [{ n: 1 }]);
    });

    keeps("writes run as the role that has rights on these tables alone", async (h) => {
      const table = await create(h, "t", [column("n", "integer")]);
      await insert(h, "t", [{ n: 1 }, { n: 2 }]);
      const [home] = await schema.sql("SELECT writer FROM table_home");
      await schema.sql(`ALTER TABLE $home.${table.relation} ENABLE ROW LEVEL SECURITY`);
      await schema.sql(
        `CREATE POLICY writes ON $home.${table.relation} FOR ALL TO ${home!.writer} USING (n = 2) WITH CHECK (true)`,
      );
      const filter = { is: "not", of: { is: "null", at: at("n") } } as const;
      const updated = await write(h, { op: "table.update", table, filter, set: { n: 2 }, returning: false });
      assert.equal(updated.ids, [2]);
      assert.is((await write(h, { op: "table.delete", table, filter, returning: false })).count, 1);
    });

    keeps("a unit that writes rows and a journal entry has its own rights back for the entry", async (h) => {
      const table = await create(h, "t", [column("n", "integer")]);
      const result = await h.database.commit(
        [{ op: "table.insert", table, rows: [{ n: 1 }], returning: false }],
        () => [{ op: "journal.append", realm: h.realm, subject: "s", entries: [{ data: "{}", ttlMs: null }] }],
      );
      assert.ok(result.committed);
      assert.is(result.outcomes[1]?.status, "appended");
    });
  });
}
