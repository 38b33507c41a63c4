/** Starting and ending a real server: what survives, who is refused, and how fast it goes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { runtimeName } from "../support/runtime.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const test = suite(`restart on ${runtimeName}`);

async function payloadsIn(channel: CreatedChannel, base: string, count: number): Promise<string[]> {
  const stream = await openEvents(`${base}/v1/public/${channel.id}?from=earliest`);
  const events = await stream.until(count);
  stream.close();
  return events.map((event) => JSON.parse(event.data).payload);
}

test("messages survive SIGTERM, which ends with code 0 at once when no stream is open", async () => {
  const directory = await temporaryDirectory();
  const first = await startServerProcess({ dataDir: directory.path });
  const channel = await createClient(first.url).createChannel();
  await createClient(first.url).publish(channel, "kept");
  const { code, ms } = await first.end("SIGTERM");
  assert.is(code, 0, first.output());
  assert.ok(ms < 3_000, `it took ${Math.round(ms)} ms`);
  const second = await startServerProcess({ dataDir: directory.path });
  assert.equal(await payloadsIn(channel, second.url, 1), ["kept"]);
  assert.is(
    (await createClient(second.url).publish(channel, "and on")).status,
    201,
    "the token no longer works after a restart",
  );
  const again = await second.end("SIGINT");
  assert.is(again.code, 0);
  assert.ok(again.ms < 3_000, `connections of a client that has gone held the end for ${Math.round(again.ms)} ms`);
  await directory.remove();
});

test("every acknowledged message survives kill -9, and the next start takes over what was left", async () => {
  const directory = await temporaryDirectory();
  const first = await startServerProcess({ dataDir: directory.path });
  const client = createClient(first.url);
  const channel = await client.createChannel();
  const acknowledged: string[] = [];
  const publishers = Array.from({ length: 8 }, async (_, publisher) => {
    for (let n = 0; n < 10_000; n += 1) {
      const reply = await client.publish(channel, `${publisher}/${n}`).catch(() => null);
      if (reply?.status !== 201) return;
      acknowledged.push(`${publisher}/${n}`);
    }
  });
  while (acknowledged.length < 200) await new Promise((resolve) => setTimeout(resolve, 5));
  await first.end("SIGKILL");
  await Promise.all(publishers);
  const second = await startServerProcess({ dataDir: directory.path });
  const stored = new Set(await payloadsIn(channel, second.url, acknowledged.length));
  assert.equal(
    acknowledged.filter((payload) => !stored.has(payload)),
    [],
    "acknowledged and lost",
  );
  assert.is((await second.end("SIGTERM")).code, 0);
  await directory.remove();
});

test("open streams end when the server is told to stop", async () => {
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path, env: { DRAIN_LB: "0" } });
  const channel = await createClient(server.url).createChannel();
  const stream = await openEvents(channel.url);
  const [{ code }] = await Promise.all([server.end("SIGTERM"), stream.ended(25_000)]);
  assert.is(code, 0);
  await directory.remove();
});

test("a second server on the same data directory is refused in words, and the first goes on", async () => {
  const directory = await temporaryDirectory();
  const first = await startServerProcess({ dataDir: directory.path });
  const refused = await startServerProcess({ dataDir: directory.path }).catch((error: Error) => error.message);
  assert.type(refused, "string");
  assert.match(String(refused), /ended with code 1/);
  assert.match(String(refused), /DATA_DIR/);
  assert.is((await createClient(first.url).send("GET", "/readyz")).status, 200);
  await first.end("SIGTERM");
  await directory.remove();
});

test("a wrong configuration is named and nothing is started", async () => {
  const directory = await temporaryDirectory();
  const words = await startServerProcess({
    dataDir: directory.path,
    env: { PORT: "eighty", MILLRACE_APP: "rest", PAYLOAD_MAX_BYTES: "0" },
  }).catch((error: Error) => error.message);
  for (const part of [
    "ended with code 1",
    'PORT is "eighty"',
    "MILLRACE_APP is not a variable",
    "did you mean MILLRACE_APPS?",
    "PAYLOAD_MAX_BYTES",
  ]) {
    assert.ok(String(words).includes(part), `missing in the words: ${part}\n${words}`);
  }
  await directory.remove();
});

test.run();
