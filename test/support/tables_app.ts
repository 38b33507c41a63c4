/** A server in memory with a table, and the requests that tests of rows send. */
import * as assert from "uvu/assert";
import type { Reply } from "./client.ts";
import { type MemoryApp, openApp } from "./memory_app.ts";

export const TOKEN = "service-token-of-a-test-long-enough";

export interface TablesApp extends MemoryApp {
  /** Calls with the service token. */
  call(method: string, path: string, body?: unknown): Promise<Reply>;
  /** Sends bytes as they are. */
  upload(path: string, raw: string | Uint8Array | ReadableStream, type: string): Promise<Reply>;
  /** The rows of `people` that a query gives. */
  rows(query?: string): Promise<Record<string, unknown>[]>;
}

export const PEOPLE = {
  name: "people",
  columns: [
    { name: "name", type: "text", nullable: false },
    { name: "email", type: "text", unique: true },
    { name: "age", type: "integer" },
    { name: "pay", type: "numeric(10,2)", default: "0.00" },
    { name: "data", type: "jsonb" },
  ],
};

/** A server with the empty table `people`. */
export async function openTables(options: Parameters<typeof openApp>[0] = {}): Promise<TablesApp> {
  const app = openApp({ ...options, settings: { datastoreToken: TOKEN, ...options.settings } });
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const call: TablesApp["call"] = (method, path, body) =>
    app.client.send(method, path, { headers, ...(body === undefined ? {} : { body }) });
  const created = await call("POST", "/sql/tables", PEOPLE);
  assert.is(created.status, 201, JSON.stringify(created.body));
  return {
    ...app,
    call,
    upload: (path, raw, type) => app.client.send("POST", path, { raw, headers: { ...headers, "Content-Type": type } }),
    async rows(query = "") {
      const { status, body } = await call("GET", `/sql/tables/people/rows${query}`);
      assert.is(status, 200, JSON.stringify(body));
      return body.rows;
    },
  };
}
