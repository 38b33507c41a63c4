import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EARLIEST } from "../../core/ports/journal.ts";
import { eventually } from "../support/eventually.ts";
import { openApp } from "../support/memory_app.ts";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";
import { openPolled, type Polled, payloads, published } from "../support/polled.ts";

const test = suite("channels: how the long-poll waits");

test("without a cursor it waits for what is published from now on", async () => {
  const server = await openPolled();
  await published(server, "old");
  const waiting = await server.poll("wait=25");
  await server.advance(10_000);
  assert.is(waiting.reply, undefined);
  const [id] = await published(server, "new");
  await server.advance(0);
  assert.equal(payloads(waiting.reply!.body), ["new"]);
  assert.equal([waiting.reply!.body.next_cursor, waiting.reply!.body.timed_out], [id, false]);
});

test("a wait that is over says so, with the channel's last id as the cursor", async () => {
  const server = await openPolled();
  const [id] = await published(server, "old");
  const waiting = await server.poll("wait=25");
  await server.advance(24_999);
  assert.is(waiting.reply, undefined);
  await server.advance(1);
  assert.equal(waiting.reply!.body, { messages: [], next_cursor: id, timed_out: true });
});

test("a message that is published while it looks is not missed", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports });
  const { bounds, read } = ports.database.journal;
  let meanwhile = 1;
  /** What a look sees is from before the message that is published before the look is answered. */
  const late = async <T>(looked: Promise<T>): Promise<T> => {
    const seen = await looked;
    if (meanwhile-- > 0) await published(server, "meanwhile");
    return seen;
  };
  ports.database.journal.bounds = (...of) => late(bounds(...of));
  ports.database.journal.read = (...of) => late(read(...of));
  for (const query of ["wait=25", `wait=25&after=${EARLIEST}`]) {
    meanwhile = 1;
    const waiting = await server.poll(query);
    await eventually("it is answered without time passing", () => waiting.reply !== undefined);
    assert.equal(payloads(waiting.reply!.body).slice(-1), ["meanwhile"], query);
    assert.is(waiting.reply!.body.timed_out, false);
  }
});

test("what was lost while it waited is told as a gap", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports });
  const [first] = await published(server, "first");
  const waiting = await server.poll("wait=25");
  const entries = [{ data: `{"payload":1,"metadata":null}`, ttlMs: 1 }];
  const subject = server.channel.id;
  await ports.database.journal.append({ op: "journal.append", realm: "channels", subject, entries });
  await server.advance(1_000);
  const { notice, messages } = waiting.reply!.body;
  assert.equal([messages, notice.event, notice.after], [[], "gap", first]);
});

test("a lost knock costs a second, not the message", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports });
  const waiting = await server.poll("wait=25");
  const entries = [{ data: `{"payload":"quiet","metadata":null}`, ttlMs: 60_000 }];
  const subject = server.channel.id;
  await ports.database.journal.append({ op: "journal.append", realm: "channels", subject, entries });
  await server.advance(999);
  assert.is(waiting.reply, undefined);
  await server.advance(1);
  assert.equal(payloads(waiting.reply!.body), ["quiet"]);
});

test("a message of another process wakes it", async () => {
  const town = memoryTown();
  const server = await openPolled({ ports: memoryPorts(town) });
  const other = openApp({ ports: memoryPorts(town, 2) });
  const waiting = await server.poll("wait=25");
  await other.client.publish(server.channel, "from there");
  await server.advance(0);
  assert.equal(payloads(waiting.reply!.body), ["from there"]);
});

test("many who wait cost nothing while nothing comes, and share one read when something does", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports });
  const waiting = await Promise.all(Array.from({ length: 200 }, () => server.poll("wait=25")));
  const calls = { read: 0, bounds: 0, get: 0 };
  const { journal, documents } = ports.database;
  const { read, bounds } = journal;
  const { get } = documents;
  journal.read = (...of) => {
    calls.read += 1;
    return read(...of);
  };
  journal.bounds = (...of) => {
    calls.bounds += 1;
    return bounds(...of);
  };
  documents.get = (...of) => {
    calls.get += 1;
    return get(...of);
  };
  await server.advance(10_000);
  assert.equal(calls, { read: 0, bounds: 10, get: 0 });
  await published(server, "for all");
  await server.advance(0);
  for (const { reply } of waiting) assert.equal(payloads(reply!.body), ["for all"]);
  assert.is(calls.read, 1);
  const before = { ...calls };
  await server.advance(10_000);
  assert.equal(calls, before, "somebody is still waited for");
});

test("a look that began before a message is not shared by those whom the message wakes", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports });
  const early = await server.poll("wait=25");
  const { read } = ports.database.journal;
  let release = () => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  ports.database.journal.read = async (...of) => {
    ports.database.journal.read = read;
    const seen = await read(...of);
    await held;
    return seen;
  };
  ports.bus.knock([`journal/channels/${server.channel.id}`]);
  const late = await server.poll("wait=25");
  await published(server, "news");
  release();
  for (const waiting of [early, late]) {
    await eventually("it is answered without time passing", () => waiting.reply !== undefined);
    assert.equal(payloads(waiting.reply!.body), ["news"]);
  }
});

test("it ends with 404 when the channel is deleted, and gives nothing of one that is missing", async () => {
  const server = await openPolled();
  await published(server, 1);
  const waiting = await server.poll("wait=25");
  await server.client.send("DELETE", `/v1/channels/${server.channel.id}`, {
    headers: { "X-Publish-Token": server.channel.publish_token },
  });
  await server.advance(0);
  assert.equal([waiting.reply?.status, waiting.reply?.body.error.code], [404, "not_found"]);
  for (const query of ["wait=25", "wait=0&from=earliest", "wait=25&latest=1"]) {
    const { reply } = await server.poll(query);
    assert.is(reply?.status, 404, query);
  }
  const { status } = await server.client.send("GET", `/v1/private/${server.channel.id}?wait=0`);
  assert.is(status, 404);
});

async function granted(server: Polled, fields: Record<string, unknown> = {}) {
  const headers = { "X-Publish-Token": server.channel.publish_token };
  const path = `/v1/channels/${server.channel.id}/read-grants`;
  const { body } = await server.client.send("POST", path, { body: fields, headers });
  const revoke = () => server.client.send("POST", `${path}/${body.id}/revoke`, { headers });
  return { headers: { "X-Read-Token": body.raw_token as string }, revoke };
}

test("a private channel is polled with its token, and a revoked grant ends the wait at once with 401", async () => {
  const server = await openPolled({}, { visibility: "private" });
  for (const query of ["wait=0", "wait=0&from=earliest", "wait=25&latest=1"]) {
    const { reply } = await server.poll(query);
    assert.is(reply?.status, 401, query);
  }
  const [mine, other] = [await granted(server), await granted(server)];
  const [waiting, kept] = [await server.poll("wait=25", mine), await server.poll("wait=25", other)];
  await server.advance(3_000);
  assert.is(waiting.reply, undefined);
  await mine.revoke();
  await server.advance(0);
  assert.equal([waiting.reply?.status, waiting.reply?.body.error.code], [401, "unauthorized"]);
  assert.is(waiting.reply?.headers.get("www-authenticate"), "Bearer");
  assert.is(kept.reply, undefined);
  await published(server, "still");
  await server.advance(0);
  assert.equal(payloads(kept.reply!.body), ["still"]);
});

test("a grant that expires ends the wait within two seconds", async () => {
  const server = await openPolled({}, { visibility: "private" });
  const mine = await granted(server, { expires_at: "2026-01-01T00:00:05Z" });
  const waiting = await server.poll("wait=25", mine);
  await server.advance(5_000);
  await server.advance(2_000);
  assert.is(waiting.reply?.status, 401);
});

test("a caller who leaves is waited for no more", async () => {
  const server = await openPolled();
  const waiting = await server.poll("wait=25");
  assert.is(server.app.requests(), 1);
  waiting.leave();
  await server.advance(0);
  assert.is(server.app.requests(), 0);
});

test("more than MAX_STREAMS who wait are asked to come back, and who has been answered is no more counted", async () => {
  const server = await openPolled({ settings: { maxStreams: 2 } });
  const [waiting] = [await server.poll("wait=25"), await server.poll("wait=25")];
  const { reply } = await server.poll("wait=25");
  assert.equal([reply?.status, reply?.body.error.code], [503, "unavailable"]);
  assert.ok(reply!.headers.has("retry-after"));
  waiting!.leave();
  await server.advance(0);
  for (let round = 0; round < 5; round += 1) await server.answer("wait=0");
  await published(server, 1);
  for (let round = 0; round < 5; round += 1) await server.answer("wait=25&from=earliest");
});

test("a server that stops sends its waiters away with where they stand, and takes no more", async () => {
  const server = await openPolled();
  const [id] = await published(server, 1);
  const waits = [await server.poll("wait=25"), await server.poll("wait=25")];
  const stopped = server.app.stop(10_000);
  await server.advance(10_000);
  await stopped;
  for (const { reply } of waits) assert.equal(reply!.body, { messages: [], next_cursor: id, timed_out: true });
  const { reply } = await server.poll("wait=25");
  assert.equal([reply?.status, reply?.body.error.code], [503, "unavailable"]);
  assert.match(reply!.headers.get("retry-after")!, /^[1-3]$/);
});

test("the log tells it apart from the stream, and how long it took", async () => {
  const server = await openPolled();
  const waiting = await server.poll("wait=5");
  await server.advance(5_000);
  assert.is(waiting.reply?.status, 200);
  const line = server.ports.log.lines.find(({ fields }) => fields.operation === "channels.follow?wait");
  assert.equal([line?.fields.status, line?.fields.ms], [200, 5_000]);
});

test.run();
