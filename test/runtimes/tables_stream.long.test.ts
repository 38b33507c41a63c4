/** Tables of any size go in and out through a server that holds a page of them at a time: its memory stays where it is. */
import { existsSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const TOKEN = "service-token-of-the-stream-test";
const ROWS = 900_000;
const ROWS_A_PIECE = 500;
/** What a process may grow by, which is more than its collector leaves lying about and far less than the rows have. */
const GROWTH_MOST_MIB = 300;

const test = suite("large tables");
const headers = { Authorization: `Bearer ${TOKEN}` };

function residentMib(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1_024;
}

/** CSV that is made as it is read. */
function csv(): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  const note = `"a note, with ""quotes"" ${"x".repeat(100)}"`;
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      const lines = Array.from({ length: Math.min(ROWS_A_PIECE, ROWS - sent) }, (_, n) => `${sent + n},${note}\n`);
      controller.enqueue(encoder.encode((sent === 0 ? "n,note\n" : "") + lines.join("")));
      sent += lines.length;
      if (sent >= ROWS) controller.close();
    },
  });
}

test(`${ROWS} rows are imported and exported in flat memory`, async () => {
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path, env: { DATASTORE_TOKEN: TOKEN } });
  let peak = 0;
  const watch = setInterval(() => {
    peak = Math.max(peak, residentMib(server.child.pid!));
  }, 100);
  try {
    const columns = [
      { name: "n", type: "integer" },
      { name: "note", type: "text" },
    ];
    const made = await fetch(`${server.url}/sql/tables`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "application/json" },
      body: JSON.stringify({ name: "large", columns }),
    });
    assert.is(made.status, 201, await made.text());
    const idle = residentMib(server.child.pid!);
    const imported = await fetch(`${server.url}/sql/tables/large/import`, {
      method: "POST",
      headers: { ...headers, "Content-Type": "text/csv" },
      body: csv(),
      duplex: "half",
    } as RequestInit);
    assert.equal(await imported.json(), { rows_done: ROWS, rows_written: ROWS });
    const afterImport = peak;
    const exported = await fetch(`${server.url}/sql/tables/large/rows.csv`, { headers });
    const reader = exported.body!.getReader();
    let bytes = 0;
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) bytes += piece.value.length;
    const sizes = `${(bytes / 2 ** 20).toFixed(0)} MiB: idle ${idle.toFixed(0)}, import ${afterImport.toFixed(0)}, export ${peak.toFixed(0)} MiB`;
    console.log(`large tables: ${sizes}`);
    assert.ok(bytes > 80 * 2 ** 20, sizes);
    assert.ok(peak - idle < GROWTH_MOST_MIB, sizes);
  } finally {
    clearInterval(watch);
    await server.end("SIGTERM");
    await directory.remove();
  }
});

if (existsSync("/proc/self/status")) test.run();
else console.log("skipped: memory is read from /proc, which is not here");
