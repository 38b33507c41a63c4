/** Units that change rows of one table at the same time: those of different rows side by side, those of the same rows one after the other. */
import pg from "pg";
import * as assert from "uvu/assert";
import type { Command } from "../../core/ports/database.ts";
import type { Cell, Table } from "../../core/ports/table.ts";
import type { Filter } from "../../core/ports/table_rows.ts";
import { promises } from "../support/promises.ts";
import { committed, type StoreHarness } from "../support/store_harness.ts";
import { onEveryTwin } from "../support/table_stores.ts";
import { column, create } from "./tables_steps.ts";

async function accounts(h: StoreHarness): Promise<Table> {
  const columns = [column("owner", "text", { unique: true }), column("amount", "integer")];
  const table = await create(h, "accounts", columns);
  const rows = ["a", "b", "c", "d"].map((owner) => ({ owner, amount: 0 }));
  await committed(h, { op: "table.insert", table, rows, returning: false });
  return table;
}

function where(name: string, value: Cell): Filter {
  return { is: "eq", at: { column: name, path: [], asText: false }, value };
}

function set(table: Table, filter: Filter, amount: number): Command {
  return { op: "table.update", table, filter, set: { amount }, returning: false };
}

function merge(table: Table, owner: string, amount: number): Command {
  const conflict = { column: "owner", resolution: "merge" } as const;
  return { op: "table.insert", table, rows: [{ owner, amount }], conflict, returning: false };
}

onEveryTwin(
  (twin, open) => {
    promises(`units of rows, ${twin}`, open, (keeps) => {
      keeps("those that change the same rows in opposite orders all take effect", async (h) => {
        const table = await accounts(h);
        const changes = (amount: number): Command[] => [
          set(table, where("id", 1), amount),
          merge(table, "c", amount),
          set(table, { is: "and", of: [where("owner", "b"), where("amount", 0)] }, 0),
          set(table, where("amount", -1), 0),
        ];
        const results = await Promise.all(
          Array.from({ length: 40 }, (_, index) => {
            const unit = changes(index).slice(0, index % 4 === 0 ? 4 : 3);
            return (index % 2 ? h.other : h.database).commit(index % 3 ? unit : unit.reverse());
          }),
        );
        assert.ok(results.every((result) => result.committed));
      });
    });
  },
  (schema) => {
    promises(
      "units of rows, side by side",
      () => schema.open(),
      (keeps) => {
        keeps(
          "one that waits for a row keeps only those waiting that name the same rows, or all of them",
          async (h) => {
            const table = await accounts(h);
            const [home] = await schema.sql<{ schema_name: string }>("SELECT schema_name FROM table_home");
            const holder = new pg.Client({ connectionString: schema.url });
            await holder.connect();
            await holder.query("BEGIN");
            await holder.query(`SELECT FROM "${home!.schema_name}"."${table.relation}" WHERE owner = 'a' FOR UPDATE`);
            const order: string[] = [];
            const commit = async (name: string, ...unit: Command[]) => {
              const result = await h.database.commit(unit);
              assert.ok(result.committed, name);
              order.push(name);
            };
            const waits = commit("same", set(table, where("owner", "a"), 1), set(table, where("owner", "b"), 1));
            await new Promise((resolve) => setTimeout(resolve, 100));
            await commit("others", set(table, where("owner", "c"), 1), merge(table, "d", 1));
            const all = commit("all", set(table, where("amount", 1), 2), set(table, where("owner", "d"), 3));
            await new Promise((resolve) => setTimeout(resolve, 100));
            await holder.end();
            await Promise.all([waits, all]);
            assert.is(order[0], "others");
            assert.equal([...order].sort(), ["all", "others", "same"]);
          },
        );
      },
    );
  },
);
