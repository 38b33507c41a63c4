import { suite } from "uvu";
import * as assert from "uvu/assert";
import { EARLIEST } from "../../core/ports/journal.ts";
import { memoryPorts } from "../support/memory_house.ts";
import { openPolled, payloads, published } from "../support/polled.ts";

const test = suite("channels: what the long-poll answers");

test("it gives at once what is held after the cursor, as readers of the stream see it", async () => {
  const server = await openPolled();
  const [first, , third] = await published(server, 1, { n: 2 }, 3);
  const stream = await server.events(`/v1/public/${server.channel.id}?from=earliest`);
  const events = await stream.until(3);
  stream.close();
  const all = events.map(({ data }) => JSON.parse(data));
  assert.equal(await server.answer(`wait=25&after=${first}`), {
    messages: all.slice(1),
    next_cursor: third,
    timed_out: false,
  });
  const { reply } = await server.poll("wait=25", { headers: { "Last-Event-ID": first! } });
  assert.equal(payloads(reply!.body), [{ n: 2 }, 3]);
  assert.equal(payloads(await server.answer("wait=25&from=earliest")), [1, { n: 2 }, 3]);
});

test("it is JSON that nobody stores, under all paths of the stream", async () => {
  const server = await openPolled();
  await published(server, 1);
  for (const start of ["/v1/public/", "/channel/v1/public/"]) {
    const { status, headers, body } = await server.client.send(
      "GET",
      `${start}${server.channel.id}?wait=0&from=earliest`,
    );
    assert.is(status, 200);
    assert.is(headers.get("content-type"), "application/json; charset=utf-8");
    assert.is(headers.get("cache-control"), "no-store");
    assert.equal(payloads(body), [1]);
  }
});

test("what is published between two polls is in the second, from the very first message on", async () => {
  const server = await openPolled();
  let { next_cursor } = await server.answer("wait=0");
  assert.is(next_cursor, EARLIEST);
  for (const value of ["first", "second"]) {
    await published(server, value);
    const body = await server.answer(`wait=25&after=${next_cursor}`);
    assert.equal(payloads(body), [value]);
    ({ next_cursor } = body);
    ({ next_cursor } = await server.answer(`wait=0&after=${next_cursor}`));
  }
});

test("wait=0 answers at once, whatever there is", async () => {
  const server = await openPolled();
  assert.equal(await server.answer("wait=0"), { messages: [], next_cursor: EARLIEST, timed_out: true });
  const [id] = await published(server, 1);
  assert.equal(await server.answer("wait=0"), { messages: [], next_cursor: id, timed_out: true });
  assert.equal(payloads(await server.answer("wait=0&from=earliest")), [1]);
});

test("pages follow one another without loss or repetition, 100 at a time unless told otherwise", async () => {
  const server = await openPolled();
  const entries = Array.from({ length: 1_050 }, (_, index) => ({
    data: `{"payload":${index},"metadata":null}`,
    ttlMs: 60_000,
  }));
  const subject = server.channel.id;
  await server.ports.database.journal.append({ op: "journal.append", realm: "channels", subject, entries });
  const sizes: number[] = [];
  const seen: unknown[] = [];
  let query = "wait=0&limit=1000&from=earliest";
  for (let page = 0; page < 3; page += 1) {
    const body = await server.answer(query);
    seen.push(...payloads(body));
    sizes.push(body.messages.length);
    query = `wait=0&limit=1000&after=${body.next_cursor}`;
  }
  assert.equal(sizes, [1_000, 50, 0]);
  assert.equal(
    seen,
    entries.map((_, index) => index),
  );
  assert.is((await server.answer("wait=0&from=earliest")).messages.length, 100);
});

test("latest=1 gives the newest message that is held, at once", async () => {
  const server = await openPolled();
  await published(server, "older");
  const [kept] = await published(server, "newest");
  const { body: short } = await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  assert.equal(payloads(await server.answer("wait=25&latest=1")), ["short"]);
  await server.advance(1_000);
  const body = await server.answer("wait=25&latest=1");
  assert.equal([payloads(body), body.messages[0].id, body.timed_out], [["newest"], kept, false]);
  // What stood behind it has expired and is nothing that this reader has missed.
  assert.is(body.next_cursor, short.id);
  const waiting = await server.poll(`wait=25&latest=1&after=${body.next_cursor}`);
  assert.is(waiting.reply, undefined);
  await published(server, "next");
  await server.advance(0);
  assert.equal(payloads(waiting.reply!.body), ["next"]);
  assert.is(waiting.reply!.body.notice, undefined);
});

test("latest=1 waits where there is nothing, or nothing any more", async () => {
  const server = await openPolled();
  await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  await server.advance(1_000);
  const waiting = await server.poll("wait=25&latest=1");
  assert.is(waiting.reply, undefined);
  await published(server, "first");
  await server.advance(0);
  assert.equal(payloads(waiting.reply!.body), ["first"]);
});

test("a gap is told with what follows, and once", async () => {
  const server = await openPolled();
  const [first] = await published(server, "first");
  const { body: lost } = await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  const [kept] = await published(server, "kept");
  const { body: last } = await server.client.publish(server.channel, "short too", { ttl_seconds: 1 });
  await server.advance(1_000);
  const body = await server.answer(`wait=25&after=${first}`);
  assert.equal(payloads(body), ["kept"]);
  assert.equal(body.notice, { event: "gap", after: first, lost_through: last.id, earliest: kept });
  assert.ok(lost.id < kept!);
  const waiting = await server.poll(`wait=25&after=${body.next_cursor}`);
  await server.advance(5_000);
  assert.is(waiting.reply, undefined, "the gap is told again");
});

test("a gap with nothing after it is told at once, and the next poll waits", async () => {
  const server = await openPolled();
  const [first] = await published(server, "first");
  const { body: lost } = await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  await server.advance(1_000);
  const body = await server.answer(`wait=25&after=${first}`);
  const notice = { event: "gap", after: first, lost_through: lost.id, earliest: null };
  assert.equal(body, { messages: [], next_cursor: lost.id, timed_out: false, notice });
  const waiting = await server.poll(`wait=25&after=${body.next_cursor}`);
  assert.is(waiting.reply, undefined);
});

test("a cursor that is not the channel's is told as a reset, with everything held", async () => {
  const server = await openPolled();
  const [, last] = await published(server, 1, 2);
  const foreign = "ffffffff-ffff-7fff-bfff-ffffffffffff";
  const body = await server.answer(`wait=25&after=${foreign}`);
  assert.equal(payloads(body), [1, 2]);
  assert.equal([body.notice, body.next_cursor], [{ event: "reset", after: foreign }, last]);
  const empty = await server.client.createChannel();
  const { reply } = await server.poll(`wait=25&after=${foreign}`, { channel: empty });
  const notice = { event: "reset", after: foreign };
  assert.equal(reply!.body, { messages: [], next_cursor: EARLIEST, timed_out: false, notice });
});

test("who asks for everything held is told of no gap", async () => {
  const server = await openPolled();
  await server.client.publish(server.channel, "short", { ttl_seconds: 1 });
  await published(server, "kept");
  await server.advance(1_000);
  const body = await server.answer("wait=25&from=earliest");
  assert.equal([payloads(body), body.notice], [["kept"], undefined]);
});

test("a HEAD is answered at once with the status and headers, and no body", async () => {
  const server = await openPolled();
  const { reply } = await server.poll("wait=25", { method: "HEAD" });
  assert.equal([reply?.status, reply?.body], [200, ""]);
  assert.is(reply?.headers.get("content-type"), "application/json; charset=utf-8");
  assert.is((await server.poll("wait=99", { method: "HEAD" })).reply?.status, 400);
});

test("an object store that is away makes it 503, not an empty answer", async () => {
  const ports = memoryPorts();
  const server = await openPolled({ ports, settings: { payloadInlineMaxBytes: 8 } });
  await published(server, "x".repeat(100));
  ports.objects.get = () => Promise.reject(new Error("away"));
  const { reply } = await server.poll("wait=25&from=earliest");
  assert.equal([reply?.status, reply?.body.error.code], [503, "unavailable"]);
});

const refusals: [query: string, words: string][] = [
  ["wait=31", "wait is 31, the most is 30"],
  ["wait=-1", "wait is -1, the least is 0"],
  ["wait=1.5", "wait is 1.5; send a whole number"],
  ["wait=", 'wait is ""; send a number'],
  ["wait=long", 'wait is "long"; send a number'],
  ["wait=1&wait=2", "The field wait is given twice; send it once"],
  ["wait=1&limit=0", "limit is 0, the least is 1"],
  ["wait=1&limit=1001", "limit is 1001, the most is 1000"],
  ["wait=1&after=7", 'after is "7", which is not an id'],
  ["wait=1&from=latest", 'from is "latest"; send "earliest"'],
  ["wait=1&latest=yes", 'latest is "yes"; send "1"'],
  ["limit=5", 'the field "limit" is unknown'],
  ["wait=1&limits=5", "did you mean limit?"],
];

for (const [query, words] of refusals) {
  test(`it refuses ?${query}`, async () => {
    const { client, channel } = await openPolled();
    const { status, body } = await client.send("GET", `/v1/public/${channel.id}?${query}`);
    assert.equal([status, body.error.code], [400, "invalid_input"]);
    assert.ok(body.error.message.includes(words), body.error.message);
  });
}

test.run();
