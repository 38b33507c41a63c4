/** Tables as an agent has them: with the tools alone, by the protocol's own client. */
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openTables, TOKEN } from "../support/tables_app.ts";

const test = suite("tables: an agent with tools");

type Answer = Record<string, unknown>;

async function agent(bearer: string) {
  const { fetcher, client, call: http } = await openTables();
  const mcp = new Client({ name: "agent", version: "1" });
  const fetch = (url: string | URL, init?: RequestInit) => fetcher(new Request(url, init));
  const requestInit = { headers: { Authorization: `Bearer ${bearer}` } };
  await mcp.connect(new StreamableHTTPClientTransport(new URL(`${client.base}/mcp`), { fetch, requestInit }) as never);
  return {
    http,
    tools: async () => (await mcp.listTools()).tools,
    async call(name: string, args: Answer): Promise<Answer> {
      const { structuredContent, content, isError } = await mcp.callTool({ name, arguments: args });
      if (isError) throw new Error((content as { text: string }[])[0]!.text);
      return structuredContent as Answer;
    },
  };
}

test("an agent puts rows in, reads some, changes them and deletes them", async () => {
  const { call, tools } = await agent(TOKEN);
  const table = "people";
  const one = await call("sql_insert_rows", { table, rows: { name: "Ada", email: "ada", age: 36 } });
  assert.is(one.count, 1);
  await call("sql_insert_rows", { table, rows: [{ name: "Bob", age: 7 }, { name: "Eve" }], return: "minimal" });
  await call("sql_insert_rows", { table, rows: [{ name: "Ada L.", email: "ada" }], on_conflict: "email" });
  const read = await call("sql_list_rows", {
    table,
    filter: ["or=(age.gt.30,name.like.E*)"],
    select: "name,age",
    order: "name",
    limit: 1,
  });
  assert.equal(read.rows, [{ name: "Ada L.", age: 36 }]);
  const next = await call("sql_list_rows", {
    table,
    filter: ["or=(age.gt.30,name.like.E*)"],
    select: "name,age",
    order: "name",
    cursor: read.next_cursor,
  });
  assert.equal([next.rows, next.next_cursor], [[{ name: "Eve", age: null }], null]);
  assert.is((await call("sql_update_rows", { table, filter: ["age=is.null"], set: { age: 1 } })).count, 1);
  assert.is((await call("sql_delete_rows", { table, filter: ["age=lt.10"] })).count, 2);
  const hints = new Map((await tools()).map(({ name, annotations }) => [name, annotations]));
  assert.is(hints.get("sql_list_rows")?.readOnlyHint, true);
  assert.is(hints.get("sql_delete_rows")?.destructiveHint, true);
});

test("an agent that says nothing of which rows changes none, and is told how to say all", async () => {
  const { call, http } = await agent(TOKEN);
  await call("sql_insert_rows", { table: "people", rows: { name: "Ada" } });
  for (const filter of [undefined, []]) {
    const args = filter === undefined ? { table: "people" } : { table: "people", filter };
    const words = await call("sql_delete_rows", args).then(
      () => assert.unreachable("it was not refused"),
      (error: Error) => error.message,
    );
    assert.match(String(words), /there is no filter; .* id=not\.is\.null/);
  }
  assert.is((await http("GET", "/sql/tables/people/rows?count=exact")).body.count, 1);
});

test("a token that may only read one table reads it and no other, and writes none", async () => {
  const { call: http, client } = await openTables();
  await http("POST", "/sql/tables", { name: "other", columns: [{ name: "a", type: "text" }] });
  const { body } = await http("POST", "/tokens", { label: "reader", scopes: ["tables:read:people"] });
  const headers = { Authorization: `Bearer ${body.token}` };
  const status = async (method: string, path: string, sent?: unknown) =>
    (await client.send(method, path, { headers, ...(sent === undefined ? {} : { body: sent }) })).status;
  assert.is(await status("GET", "/sql/tables/people/rows"), 200);
  assert.is(await status("GET", "/sql/tables/people/rows.csv"), 200);
  assert.is(await status("GET", "/sql/tables/other/rows"), 403);
  assert.is(await status("POST", "/sql/tables/people/rows", { name: "x" }), 403);
  assert.is(await status("PATCH", "/sql/tables/people/rows?id=eq.1", { name: "x" }), 403);
  assert.is(await status("DELETE", "/sql/tables/people/rows?id=eq.1"), 403);
});

test.run();
