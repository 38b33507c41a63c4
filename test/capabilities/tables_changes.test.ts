/** What is told of a table's rows: one event for each statement, whichever way it came, in the order of commit. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTables, TOKEN } from "../support/tables_app.ts";

const test = suite("changes of tables");
const ROWS = "/sql/tables/people/rows";
const CHANGES = "/sql/tables/people/changes";

interface Change {
  id: string;
  op: string;
  count: number;
  ids: number[];
}

test("every statement that touches rows is one event with their ids, and one that touches none is none", async () => {
  const { call, upload } = await openTables();
  await call("POST", ROWS, [{ name: "a", email: "a" }, { name: "b" }]);
  await call("POST", `${ROWS}?on_conflict=email`, { name: "c", email: "a" });
  await call("PATCH", `${ROWS}?id=eq.2`, { age: 1 });
  await call("PATCH", `${ROWS}?id=eq.99`, { age: 1 });
  await call("POST", ROWS, { name: "d", email: "a" });
  await upload("/sql/tables/people/import", `name\n${"x\n".repeat(1_200)}`, "text/csv");
  await call("DELETE", `${ROWS}?name=eq.b`);
  const { status, body } = await call("GET", `${CHANGES}?from=earliest&wait=0`);
  assert.is(status, 200, JSON.stringify(body));
  const told = body.changes.map(({ op, count, ids }: Change) => [op, count, ids.slice(0, 2), ids.length]);
  assert.equal(told, [
    ["insert", 2, [1, 2], 2],
    ["upsert", 1, [1], 1],
    ["update", 1, [2], 1],
    ["insert", 1_000, [5, 6], 100],
    ["insert", 200, [1_005, 1_006], 100],
    ["delete", 1, [2], 1],
  ]);
  const ids = body.changes.map(({ id }: Change) => id);
  assert.equal(ids, [...ids].sort());
  assert.is(body.next_cursor, ids.at(-1));
  const rest = await call("GET", `${CHANGES}?after=${ids[4]}&wait=0`);
  assert.equal(
    rest.body.changes.map(({ op }: Change) => op),
    ["delete"],
  );
});

test("a stream tells of changes as they come, and goes on after the last one seen", async () => {
  const { call, events } = await openTables();
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const reader = await events(CHANGES, headers);
  await call("POST", ROWS, { name: "a" });
  await call("DELETE", `${ROWS}?id=eq.1`);
  const seen = await reader.until(2);
  assert.equal(
    seen.map(({ data }) => JSON.parse(data).op),
    ["insert", "delete"],
  );
  reader.close();
  await call("POST", ROWS, { name: "b" });
  const again = await events(CHANGES, { ...headers, "Last-Event-ID": seen[1]!.id! });
  const [next] = await again.until(1);
  assert.equal(JSON.parse(next!.data).ids, [2]);
  again.close();
});

test("a table made anew under an old name tells nothing of the old one", async () => {
  const { call } = await openTables();
  await call("POST", ROWS, { name: "a" });
  const { status } = await call("DELETE", "/sql/tables/people?confirm=people");
  assert.is(status, 200);
  assert.is((await call("GET", `${CHANGES}?from=earliest&wait=0`)).status, 404);
  await call("POST", "/sql/tables", { name: "people", columns: [{ name: "n", type: "integer" }] });
  const { body } = await call("GET", `${CHANGES}?from=earliest&wait=0`);
  assert.equal(body.changes, []);
});

test("a batch writes rows, documents and jobs together or not at all, and tells of it once", async () => {
  const { call, rows } = await openTables();
  const ops = (email: string) => [
    { op: "table.insert", table: "people", rows: [{ name: "a", email }] },
    { op: "table.update", table: "people", filter: [`email=eq.${email}`], set: { age: 5 } },
    { op: "document.put", namespace: "notes", key: email, payload: { email } },
  ];
  const first = await call("POST", "/batch", ops("x"));
  assert.ok(first.status < 300, JSON.stringify(first.body));
  const again = await call("POST", "/batch", [...ops("y"), ...ops("x")]);
  assert.is(again.status, 409, JSON.stringify(again.body));
  assert.equal(await rows("?select=email,age"), [{ email: "x", age: 5 }]);
  assert.is((await call("GET", "/document/notes/y")).status, 404);
  const { body } = await call("GET", `${CHANGES}?from=earliest&wait=0`);
  assert.equal(
    body.changes.map(({ op }: Change) => op),
    ["insert", "update"],
  );
});

test.run();
