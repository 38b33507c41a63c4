/** The contract of the tables' structure: what `core/ports/tables.ts` promises of creating, changing, planning and dropping. */
import * as assert from "uvu/assert";
import type { Fault } from "../../core/ports/fault.ts";
import type { Row, Table } from "../../core/ports/table.ts";
import { promises } from "../support/promises.ts";
import { committed, type OpenStore, type StoreHarness } from "../support/store_harness.ts";
import {
  alter,
  alterRefused,
  column,
  create,
  createRefused,
  drop,
  dropRefused,
  insert,
  plan,
  rowsOf,
  tableOf,
} from "./tables_steps.ts";

export function tablesStructureContract(twin: string, open: OpenStore): void {
  promises(`tables, ${twin}: structure`, open, (keeps) => {
    keeps("a table that is created can be read back, with its columns in order", async (h) => {
      const columns = [
        column("email", "text", { nullable: false, unique: true }),
        column("state", "text", { enum: ["new", "it's \\ old"], default: "it's \\ old" }),
        column("age", "integer", { default: -7 }),
        column("big", "bigint", { default: "-9223372036854775808" }),
        column("price", "numeric", { precision: 10, scale: 2, default: "12.50" }),
        column("ok", "boolean", { default: false }),
        column("at", "timestamptz", { default: "2026-01-31T12:00:00.5Z" }),
        column("day", "date", { default: "0001-12-31" }),
        column("code", "uuid", { default: "00000000-0000-0000-0000-00000000000a" }),
        column("more", "jsonb", { default: { a: ["'", '"', 1.5, null] } }),
      ];
      const table = await create(h, "people", columns);
      assert.equal(table.columns, columns);
      assert.is(table.version, 1);
      assert.is(table.name, "people");
      assert.equal(await h.other.tables.get(h.realm, "people"), table);
      assert.is(await h.database.tables.get(`${h.realm}x`, "people"), null);
      assert.equal(await insert(h, "people", [{ email: "a@b" }]), [
        {
          id: 1,
          email: "a@b",
          state: "it's \\ old",
          age: -7,
          big: "-9223372036854775808",
          price: "12.50",
          ok: false,
          at: "2026-01-31T12:00:00.5Z",
          day: "0001-12-31",
          code: "00000000-0000-0000-0000-00000000000a",
          more: { a: ["'", '"', 1.5, null] },
        },
      ]);
    });

    keeps("a name that is in use is refused, and changes nothing; another realm may have it", async (h) => {
      const first = await create(h, "t", [column("a", "text")]);
      assert.equal(await createRefused(h, "t", [column("b", "text")]), { status: "taken" });
      assert.equal(await h.database.tables.get(h.realm, "t"), first);
      const elsewhere = await create({ ...h, realm: `${h.realm}x` }, "t", [column("b", "text")]);
      assert.not.equal(elsewhere.number, first.number);
      await drop({ ...h, realm: `${h.realm}x` }, "t");
    });

    keeps("a table that is dropped and made again is another one, and empty", async (h) => {
      const first = await create(h, "t", [column("a", "text")]);
      await insert(h, "t", [{ a: "x" }]);
      assert.equal(await drop(h, "t"), first);
      assert.is(await h.database.tables.get(h.realm, "t"), null);
      assert.equal(await dropRefused(h, "t"), { status: "missing" });
      const second = await create(h, "t", [column("a", "text")]);
      assert.ok(second.number > first.number);
      assert.equal(await rowsOf(h, "t"), []);
    });

    keeps("list() gives pages in byte order of the names, with about how many rows", async (h) => {
      for (const name of ["b", "a_1", "a0", "zz"]) await create(h, name, [column("a", "text")]);
      const names = async (after: string, limit: number) =>
        (await h.database.tables.list(h.realm, after, limit)).map(({ table }) => table.name);
      assert.equal(await names("", 3), ["a0", "a_1", "b"]);
      assert.equal(await names("b", 3), ["zz"]);
      await insert(h, "a0", [{ a: "x" }, { a: "y" }]);
      const [listed, empty] = await h.other.tables.list(h.realm, "", 2);
      assert.equal([listed?.rows, empty?.rows], [2, 0]);
      assert.is(await h.database.tables.size(listed!.table), 2);
    });

    keeps("a realm has at most 100 tables", async (h) => {
      await fill(h, 100);
      assert.equal(await createRefused(h, "one_more", [column("a", "text")]), { status: "full", most: 100 });
      await drop(h, "t_50");
      await create(h, "one_more", [column("a", "text")]);
    });

    keeps("columns are added with their defaults, dropped and renamed, and the others keep their values", async (h) => {
      await create(h, "t", [column("a", "text"), column("b", "integer"), column("c", "text", { unique: true })]);
      await insert(h, "t", [{ a: "x", b: 1, c: "u" }]);
      const { table } = await alter(
        h,
        "t",
        [
          column("note", "text", { default: "none", nullable: false }),
          column("d", "text", { unique: true, renamedFrom: "c" }),
          column("b", "integer"),
        ],
        { lossy: true },
      );
      assert.is(table.version, 2);
      assert.equal(
        table.columns.map(({ name }) => name),
        ["note", "d", "b"],
      );
      assert.equal(await rowsOf(h, "t"), [{ id: 1, note: "none", d: "u", b: 1 }]);
      assert.equal(await h.other.tables.get(h.realm, "t"), table);
      await insert(h, "t", [{ d: "v" }]);
      assert.is((await violation(h, { d: "u" })).column, "d");
    });

    keeps("names may be exchanged in one change, with what constrains them", async (h) => {
      await create(h, "t", [
        column("a", "text", { unique: true }),
        column("b", "text", { enum: ["x", "y"] }),
        column("c", "text"),
      ]);
      await insert(h, "t", [{ a: "1", b: "x", c: "z" }]);
      await alter(h, "t", [
        column("b", "text", { unique: true, renamedFrom: "a" }),
        column("c", "text", { enum: ["x", "y"], renamedFrom: "b" }),
        column("a", "text", { renamedFrom: "c" }),
      ]);
      assert.equal(await rowsOf(h, "t"), [{ id: 1, b: "1", c: "x", a: "z" }]);
      assert.equal(await violation(h, { b: "1" }), { constraint: "unique", column: "b" });
      assert.equal(await violation(h, { c: "q" }), { constraint: "enum", column: "c" });
    });

    keeps("the same columns again change nothing, also where one was renamed", async (h) => {
      await create(h, "t", [column("a", "text")]);
      await alter(h, "t", [column("b", "text", { renamedFrom: "a" })]);
      const again = await alter(h, "t", [column("b", "text", { renamedFrom: "a" })]);
      assert.is(again.table.version, 2);
      assert.equal(again.plan, { statements: [], losses: [], obstacles: [] });
    });

    keeps("an order of columns alone is a change", async (h) => {
      await create(h, "t", [column("a", "text"), column("b", "text")]);
      const { table, plan: done } = await alter(h, "t", [column("b", "text"), column("a", "text")]);
      assert.is(table.version, 2);
      assert.equal(done.statements, []);
    });

    keeps("ifVersion refuses what was made of an older version", async (h) => {
      await create(h, "t", [column("a", "text")]);
      await alter(h, "t", [column("a", "text", { nullable: false })], { ifVersion: 1 });
      const refused = await alterRefused(h, "t", [column("a", "text")], { ifVersion: 1 });
      assert.equal(refused, { status: "stale", version: 2 });
      assert.equal(await alterRefused(h, "none", [column("a", "text")]), { status: "missing" });
    });

    keeps("ifNumber refuses another table that was made under the name since", async (h) => {
      const { number } = await create(h, "t", [column("a", "text")]);
      const refused = await alterRefused(h, "t", [column("b", "text")], { ifVersion: 1, ifNumber: number + 1 });
      assert.equal(refused, { status: "stale", version: 1 });
      await alter(h, "t", [column("a", "text", { nullable: false })], { ifVersion: 1, ifNumber: number });
    });

    keeps("plan() says what alter() then does, word for word, and changes nothing", async (h) => {
      const { relation, number } = await create(h, "t", [column("a", "integer", { default: 1 }), column("b", "text")]);
      await insert(h, "t", [{ a: 5, b: "x" }]);
      const anew = [
        column("a", "bigint", { default: "1", nullable: false }),
        column("c", "text", { unique: true, default: "it's" }),
      ];
      const planned = await plan(h, "t", anew);
      assert.equal(planned, {
        statements: [
          `ALTER TABLE "${relation}" DROP COLUMN "b"`,
          `ALTER TABLE "${relation}" ADD COLUMN "c" text COLLATE "C" DEFAULT 'it''s'`,
          `ALTER TABLE "${relation}" ALTER COLUMN "a" DROP DEFAULT`,
          `ALTER TABLE "${relation}" ALTER COLUMN "a" TYPE bigint USING "a"::bigint`,
          `ALTER TABLE "${relation}" ALTER COLUMN "a" SET NOT NULL`,
          `ALTER TABLE "${relation}" ALTER COLUMN "a" SET DEFAULT 1`,
          `ALTER TABLE "${relation}" ADD CONSTRAINT "t${number}_c_key" UNIQUE ("c")`,
        ],
        losses: [{ column: "b", kind: "dropped", rows: 1 }],
        obstacles: [],
      });
      assert.equal(await rowsOf(h, "t"), [{ id: 1, a: 5, b: "x" }]);
      assert.equal((await alterRefused(h, "t", anew)).status, "lossy");
      assert.equal(await rowsOf(h, "t"), [{ id: 1, a: 5, b: "x" }]);
      assert.equal((await alter(h, "t", anew, { lossy: true })).plan, planned);
      assert.equal(await rowsOf(h, "t"), [{ id: 1, a: "5", c: "it's" }]);
    });

    keeps("a column without values may be dropped freely", async (h) => {
      await create(h, "t", [column("a", "text"), column("b", "text")]);
      await insert(h, "t", [{ a: "x" }]);
      const { plan: done } = await alter(h, "t", [column("a", "text")]);
      assert.equal(done.losses, []);
    });

    keeps("whoever has loaded the table before a change can neither write nor read its rows by that", async (h) => {
      const before = await create(h, "t", [column("a", "text"), column("b", "text")]);
      await alter(h, "t", [column("b", "text", { renamedFrom: "a" }), column("a", "text", { renamedFrom: "b" })]);
      await outdated(h, before);
      const dropped = await drop(h, "t");
      await outdated(h, dropped);
      await create(h, "t", [column("a", "text"), column("b", "text")]);
      await outdated(h, dropped);
      assert.equal(await rowsOf(h, "t"), []);
    });

    keeps("a unit that is refused later takes the change of structure back", async (h) => {
      await create(h, "t", [column("a", "text")]);
      await insert(h, "t", [{ a: "first" }]);
      const before = await tableOf(h, "t");
      const result = await h.database.commit([
        { op: "table.insert", table: before, rows: [{ a: "second" }], returning: false },
        { op: "table.alter", realm: h.realm, name: "t", columns: [column("b", "text")], lossy: true },
        { op: "table.create", realm: h.realm, name: "u", columns: [column("a", "text")] },
        { op: "document.put", realm: h.realm, collection: "c", id: "d", body: {}, ifVersion: 9 },
      ]);
      assert.is(result.committed, false);
      assert.equal(await h.database.tables.get(h.realm, "t"), before);
      assert.is(await h.database.tables.get(h.realm, "u"), null);
      assert.equal(await rowsOf(h, "t"), [{ id: 1, a: "first" }]);
      assert.equal(await insert(h, "t", [{ a: "x" }]), [{ id: 3, a: "x" }]);
    });

    keeps("structure and rows of one unit take effect in its order", async (h) => {
      const outcomes = await committed(
        h,
        { op: "table.create", realm: h.realm, name: "t", columns: [column("a", "text")] },
        {
          op: "table.create",
          realm: h.realm,
          name: "u",
          columns: [column("t_id", "bigint", { references: { table: "t", column: "id" } })],
        },
      );
      assert.equal(
        outcomes.map(({ status }) => status),
        ["created", "created"],
      );
    });
  });
}

async function outdated({ database }: StoreHarness, table: Table): Promise<void> {
  const insertion = await database.commit([{ op: "table.insert", table, rows: [{ a: "x" }], returning: false }]);
  assert.is(!insertion.committed && insertion.outcome.status, "changed");
  const filter = { is: "and", of: [] } as const;
  const deletion = await database.commit([{ op: "table.delete", table, filter, returning: false }]);
  assert.is(!deletion.committed && deletion.outcome.status, "changed");
  const counted = await database.tables.count({ table, filter, how: "exact" }).catch((error: Fault) => error.code);
  assert.is(counted, "conflict");
}

async function fill(h: StoreHarness, count: number): Promise<void> {
  const columns = [column("a", "text")];
  const commands = Array.from({ length: count }, (_, index) => ({
    op: "table.create" as const,
    realm: h.realm,
    name: `t_${index}`,
    columns,
  }));
  for (let at = 0; at < count; at += 20) await committed(h, ...commands.slice(at, at + 20));
}

async function violation(h: StoreHarness, row: Row): Promise<{ constraint: string; column: string }> {
  const table = (await h.database.tables.get(h.realm, "t"))!;
  const result = await h.database.commit([{ op: "table.insert", table, rows: [row], returning: false }]);
  if (result.committed || result.outcome.status !== "violates") throw new Error("no violation");
  const { constraint, column: at } = result.outcome;
  return { constraint, column: at };
}
