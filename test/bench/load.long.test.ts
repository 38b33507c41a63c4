/** The load generator tells what a server did wrong: every zero in the results rests on this. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Found, runLoad, textOf } from "./load.ts";

const test = suite("bench load");

/** A message as it would be written to a reader, and what it does with it. */
type Way = (number: number, write: (id: number) => void, reader: ServerResponse) => void;

let directory: string;

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), "bench-load-"));
  const built = spawnSync("cc", [
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-o",
    join(directory, "load"),
    join(import.meta.dirname, "load.c"),
  ]);
  assert.is(built.status, 0, `${built.stderr}`);
});
test.after(() => rm(directory, { recursive: true }));

/** What the load generator finds when the first of ten readers is served in this way, and the others as they should be. */
async function found(way: Way): Promise<Found> {
  const readers: ServerResponse[] = [];
  let last = 0;
  const server = createServer((request, response) => {
    if (request.method === "GET") {
      response.writeHead(200, { "Content-Type": "text/event-stream" }).write(": open\n\n");
      return readers.push(response);
    }
    request.setEncoding("utf8");
    let body = "";
    request.on("data", (text) => {
      body += text;
    });
    return request.on("end", () => {
      last += 1;
      for (const [index, reader] of readers.entries()) {
        const write = (id: number) =>
          reader.write(`id: ${`${id}`.padStart(36, "0")}\nevent: message\ndata: ${body}\n\n`);
        if (index === 0) way(last, write, reader);
        else write(last);
      }
      response.writeHead(201).end("{}");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const targets = [{ publish: "/", header: "X-Any: 1", read: "/" }];
  const load = { port, targets, body: textOf(128), publishers: 4, readers: 10, rate: 200, seconds: 0.5, warmup: 0.1 };
  const result = await runLoad(join(directory, "load"), directory, load);
  server.closeAllConnections();
  server.close();
  return result;
}

const wrongs = ({ lost, disordered, dropped, notices, errors }: Found) => ({
  lost,
  disordered,
  dropped,
  notices,
  errors,
});
const NOTHING = { lost: 0, disordered: 0, dropped: 0, notices: 0, errors: 0 };

test("nothing is amiss with a server that does what it should", async () => {
  const result = await found((number, write) => write(number));
  assert.equal(wrongs(result), NOTHING);
  assert.ok(result.total >= 1_000 && result.delivered >= 0.9 * 10 * 100, JSON.stringify(result));
  assert.ok(result.p50 > 0 && result.p50 <= result.p99 && result.p99 < 1e6, JSON.stringify(result));
});

test("a message that one reader is not given is lost", async () => {
  assert.equal(wrongs(await found((number, write) => number !== 50 && write(number))), { ...NOTHING, lost: 1 });
});

test("a message that one reader is given twice is out of order", async () => {
  const twice: Way = (number, write) => {
    write(number);
    if (number === 50) write(number);
  };
  assert.equal(wrongs(await found(twice)), { ...NOTHING, disordered: 1 });
});

test("two messages that change places are out of order", async () => {
  const swapped: Way = (number, write) => write(number === 50 ? 51 : number === 51 ? 50 : number);
  assert.equal(wrongs(await found(swapped)), { ...NOTHING, disordered: 1 });
});

test("a lost message is told although another one came twice", async () => {
  const hidden: Way = (number, write) => write(number === 50 ? 49 : number);
  assert.is((await found(hidden)).disordered, 1);
});

test("a reader whose stream is ended is dropped", async () => {
  const cut: Way = (number, write, reader) => (number === 50 ? reader.destroy() : reader.destroyed || write(number));
  assert.is((await found(cut)).dropped, 1);
});

test("an event that is no message is told", async () => {
  const gap: Way = (number, write, reader) => {
    if (number === 50) reader.write(`id: ${"0".repeat(36)}\nevent: gap\ndata: {}\n\n`);
    write(number);
  };
  assert.is((await found(gap)).notices, 1);
});

if (spawnSync("cc", ["--version"]).error) console.log("skipped: cc");
else test.run();
