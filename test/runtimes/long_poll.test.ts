/** Long-polls on a real server: who leaves is waited for no more, and a server that stops sends those who wait away with where they stand. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createClient } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { runtimeName } from "../support/runtime.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const test = suite(`long-polls on ${runtimeName}`);
const STAY = 20;
const LEAVE = 10;

test("callers who left are not counted when the server stops, and all who wait are answered in time", async () => {
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path, env: { DRAIN_LB: "1", DRAIN: "1" } });
  const client = createClient(server.url);
  const channel = await client.createChannel();
  const { body: last } = await client.publish(channel, "before");
  const leaving = new AbortController();
  const path = `/v1/public/${channel.id}?wait=30&after=${last.id}`;
  const gone = Array.from({ length: LEAVE }, () => fetch(server.url + path, { signal: leaving.signal }));
  const waiting = Array.from({ length: STAY }, () => client.send("GET", path));
  await new Promise((resolve) => setTimeout(resolve, 500));
  leaving.abort();
  for (const { status } of await Promise.allSettled(gone)) assert.is(status, "rejected");
  const left = () => server.output().split('"operation":"channels.follow?wait"').length - 1;
  await eventually("those who left are no longer waited for", () => left() === LEAVE, 2_000);
  const ended = server.end("SIGTERM");
  for (const { status, body } of await Promise.all(waiting))
    assert.equal([status, body], [200, { messages: [], next_cursor: last.id, timed_out: true }]);
  const { code, ms } = await ended;
  assert.is(code, 0);
  assert.ok(ms < 6_000, `it took ${Math.round(ms)} ms to stop`);
  assert.match(server.output(), new RegExp(`"event":"stopping"[^\\n]*"requests":${STAY}`));
  await directory.remove();
});

test.run();
