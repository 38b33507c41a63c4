/** Who may call what, for every operation on every face, generated from the declarations; and what is closed while DATASTORE_TOKEN is not configured. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readConfig } from "../../adapters/config.ts";
import { capabilities } from "../../core/capabilities/mod.ts";
import { modesAmong } from "../../core/faces/docs/manual.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { endpointsOf, type Operation, scopeNeedOf } from "../../core/kernel/operation.ts";
import { type Cell, INTERNAL, SERVICE } from "../support/authorisation.ts";
import { cellsOf, type Inputs, isUntold } from "../support/authorisation_cells.ts";
import { openApp } from "../support/memory_app.ts";
import { sendRaw } from "../support/raw_http.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const operations = operationsOf(capabilities);

/** What anybody may call: each line is a decision. All else needs somebody. */
const MEANT_TO_BE_OPEN: readonly string[] = [
  "channels.create",
  "server.landing",
  "server.health",
  "server.ready",
  "server.describe",
];

/** Whoever makes a token gives only what is held; a public channel may be followed by all; and inputs that need further scopes. */
const inputs: Record<string, Inputs> = {
  "access.create": { instead: () => ({ label: "child", scopes: ["tokens:write"] }) },
  "channels.follow": { instead: ({ channel }) => ({ visibility: "private", channel_id: channel.id }) },
  "tables.create": { besides: [{ name: "visits", columns: [referring("people"), referring("places")] }] },
  "tables.insertRows": { besides: [{ table: "people", rows: [{ name: "Ada" }], on_conflict: "email" }] },
  "tables.deleteRows": { besides: [{ table: "people", filter: ["id=eq.1"], return: "representation" }] },
};

function referring(table: string) {
  return { name: `of_${table}`, type: "bigint", references: { table } };
}

const matrix = suite("the authorisation matrix");

matrix("open to anybody is what was meant to be, and nothing else", () => {
  assert.equal(openOnes(operations), [...MEANT_TO_BE_OPEN].sort());
});

matrix("every operation of the data modes needs a scope of its own mode", () => {
  for (const { name, mode, operations: own } of capabilities) {
    if (mode === undefined) continue;
    for (const [each, { needs }] of Object.entries(own))
      assert.ok(MEANT_TO_BE_OPEN.includes(`${name}.${each}`) || scopeNeedOf(needs)?.scope === name, `${name}.${each}`);
  }
});

matrix("what only reads needs reading, and what changes something needs writing", () => {
  for (const operation of operations) {
    const need = scopeNeedOf(operation.needs);
    if (need === null || READS_BY_POST.includes(operation.name)) continue;
    const reads = operation.kind !== "call" ? need.access === "read" : (operation.effect ?? "") === "read";
    const methods = endpointsOf(operation).map(({ method }) => method);
    const isRead = reads || (methods.length > 0 && methods.every((method) => method === "GET"));
    if (operation.kind !== "content") assert.is(need.access, isRead ? "read" : "write", operation.name);
  }
});

/** Operations that read although their request has a body. */
const READS_BY_POST: readonly string[] = [];

matrix("whatever may need further scopes is tried with an input that does", () => {
  const untold = operations.filter((operation) => isUntold(operation, inputs[operation.name]));
  assert.equal(
    untold.map(({ name }) => name),
    [],
  );
});

matrix("no operation is wrongly open or wrongly closed to any kind of caller", async () => {
  const cells: Cell[] = [];
  for (const operation of operations) {
    cells.push(...(await cellsOf(operation, inputs[operation.name])));
  }
  const faces = [...new Set(cells.map(({ face }) => face))];
  const count = (wrong: Cell["wrong"]) => cells.filter((cell) => cell.wrong === wrong).length;
  const each = faces.map((face) => `${face} ${cells.filter((cell) => cell.face === face).length}`).join(", ");
  const covered = new Set(cells.map(({ operation }) => operation)).size;
  console.log(
    `authorisation matrix: ${covered} operations, ${cells.length} cells (${each}); wrongly allowed ${count("allowed")}, wrongly refused ${count("refused")}`,
  );
  const wrong = cells.filter((cell) => cell.wrong !== null);
  assert.is(wrong.length, 0, wrong.slice(0, 20).map(wordsOf).join("\n"));
  assert.is(covered, operations.length - MEANT_TO_BE_OPEN.length);
});

matrix("a planted operation that is open by mistake is found", () => {
  const planted = {
    ...operations.find(({ name }) => name === "access.list")!,
    name: "access.planted",
    needs: "nobody",
  } as Operation;
  assert.ok(openOnes([...operations, planted]).includes("access.planted"));
  assert.is.not(openOnes([...operations, planted]).length, MEANT_TO_BE_OPEN.length);
});

function openOnes(all: readonly Operation[]): string[] {
  return all
    .filter(({ needs }) => needs === "nobody")
    .map(({ name }) => name)
    .sort();
}

function wordsOf({ operation, face, who, owed, came, wrong }: Cell): string {
  return `${operation} on ${face}, ${who}: owed ${owed}, came ${came} (wrongly ${wrong})`;
}

const closed = suite("while DATASTORE_TOKEN is not configured");

closed("an empty or blank one is none, and so is one that is left out", () => {
  const tokenOf = (text?: string) =>
    readConfig(text === undefined ? {} : { DATASTORE_TOKEN: text }, "0").datastoreToken;
  for (const text of [undefined, "", " ", "\t", "  \n "]) assert.is(tokenOf(text), null, JSON.stringify(text));
  assert.is(tokenOf("secret-of-the-service"), "secret-of-the-service");
});

const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "BREW"];

/** The paths of the data modes, with something for each of their names. */
const paths = [
  ...new Set(
    operations
      .filter(({ needs }) => scopeNeedOf(needs) !== null)
      .flatMap(endpointsOf)
      .map(({ path }) => path.replace(/:[a-z_]+(\{([^|}]+)[^}]*\})?/g, (_, __, first?: string) => first ?? "name")),
  ),
];
const roots = new Set(modesAmong(capabilities).map(({ mode }) => mode.root));
const isManual = (method: string, path: string) => roots.has(path) && (method === "GET" || method === "HEAD");

/** A body that says how much of it was read. */
function endless(): { body: ReadableStream<Uint8Array>; read(): number } {
  let read = 0;
  const body = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        read += 1;
        controller.enqueue(new TextEncoder().encode('{"payload":"'.padEnd(1_000, "x")));
      },
    },
    { highWaterMark: 0 },
  );
  return { body, read: () => read };
}

closed("every method of every mode route answers 503 before a byte of the body is read, with any token", async () => {
  const { fetcher } = openApp({ settings: { datastoreToken: null, internalToken: INTERNAL } });
  let asked = 0;
  for (const path of paths) {
    for (const method of METHODS) {
      for (const authorization of [
        null,
        `Bearer ${SERVICE}`,
        "Bearer ",
        `Bearer ${INTERNAL}`,
        "Bearer null",
        "Bearer undefined",
      ]) {
        if (isManual(method, path)) continue;
        const { body, read } = endless();
        const hasBody = !["GET", "HEAD"].includes(method);
        const response = await fetcher(
          new Request(`http://millrace.test${path}`, {
            method,
            ...(authorization === null ? {} : { headers: { Authorization: authorization } }),
            ...(hasBody ? { body, duplex: "half" } : {}),
          } as RequestInit),
        );
        const at = `${method} ${path} ${authorization}`;
        assert.is(response.status, 503, at);
        if (method !== "HEAD") assert.match(await response.text(), '"code":"not_configured"', at);
        assert.is(read(), 0, `${at} read the body`);
        asked += 1;
      }
    }
  }
  console.log(`not configured: ${asked} requests to ${paths.length} paths, all 503, 0 bytes read`);
});

closed("every tool of the data modes says the same", async () => {
  const { client } = openApp({ settings: { datastoreToken: null } });
  let asked = 0;
  for (const operation of operations) {
    if (operation.kind !== "call" || operation.tool === false || scopeNeedOf(operation.needs) === null) continue;
    for (const headers of [{}, { Authorization: `Bearer ${SERVICE}` }, { Authorization: "Bearer " }] as Record<
      string,
      string
    >[]) {
      const params = { name: operation.tool, arguments: {} };
      const { body } = await client.send("POST", "/mcp", {
        body: { jsonrpc: "2.0", id: 1, method: "tools/call", params },
        headers,
      });
      assert.is(body.result.isError, true, operation.tool);
      assert.match(body.result.content[0].text, /^not_configured:/, operation.tool);
      asked += 1;
    }
  }
  assert.ok(asked > 0);
  console.log(`not configured: ${asked} tool calls, all refused`);
});

closed("manuals, health and llms.txt stay open", async () => {
  const { client } = openApp({ settings: { datastoreToken: null } });
  for (const path of [...roots, "/health", "/healthz", "/readyz", "/llms.txt", "/reference", "/openapi.json"])
    assert.is((await client.send("GET", path)).status, 200, path);
});

closed("a real server answers an endless body at once, for every way to write", async () => {
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path, env: { DATASTORE_TOKEN: "  " } });
  try {
    for (const path of paths) {
      const head = `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000000000\r\n\r\n`;
      const { status, sent, ms } = await sendRaw(server.url, head, { pour: 1_000_000_000, silenceMs: 50 });
      assert.is(status, 503, path);
      assert.ok(sent < 20_000_000 && ms < 3_000, `${path}: ${sent} bytes were taken in ${ms} ms`);
    }
  } finally {
    await server.end("SIGTERM");
    await directory.remove();
  }
});

matrix.run();
closed.run();
