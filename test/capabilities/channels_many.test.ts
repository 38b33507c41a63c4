/** Streams that carry several channels, and streams that begin with the newest message. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CreatedChannel } from "../support/client.ts";
import type { EventReader, ReadEvent } from "../support/event_stream.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";

const test = suite("channels: several on one stream");

interface Scene extends MemoryApp {
  a: CreatedChannel;
  b: CreatedChannel;
  /** Follows a with b. */
  follow(query?: string, headers?: Record<string, string>): Promise<EventReader>;
}

async function scene(act: (server: Scene) => Promise<void>): Promise<void> {
  const server = openApp();
  const readers: EventReader[] = [];
  const [a, b] = [await server.client.createChannel(), await server.client.createChannel()];
  const follow = async (query = "", headers: Record<string, string> = {}) => {
    const reader = await server.events(`/v1/public/${a.id}?channels=${b.id}${query}`, headers);
    readers.push(reader);
    return reader;
  };
  try {
    await act({ ...server, a, b, follow });
  } finally {
    for (const reader of readers) reader.close();
    await server.stop();
  }
}

const seen = (events: readonly ReadEvent[]) =>
  events
    .filter(({ event }) => event === "message")
    .map(({ data }) => JSON.parse(data))
    .map(({ channel_id, payload }) => `${channel_id} ${payload}`);

test("messages of all channels come on one stream, each with its channel_id", () =>
  scene(async ({ client, a, b, follow }) => {
    const stream = await follow();
    await client.publish(a, "one");
    await client.publish(b, "two");
    await client.publish(a, "three");
    assert.equal(seen(await stream.until(3)), [`${a.id} one`, `${b.id} two`, `${a.id} three`]);
  }));

test("whoever comes back with the last event's id gets the rest of every channel once", () =>
  scene(async ({ client, a, b, follow }) => {
    for (const text of ["1", "2", "3"]) {
      await client.publish(a, `a${text}`);
      await client.publish(b, `b${text}`);
    }
    const first = await follow("&from=earliest");
    const events = (await first.until(6)).filter(({ event }) => event === "message");
    const all = seen(events).sort();
    for (const [index, { id }] of events.entries()) {
      const rest = await follow("", { "Last-Event-ID": id! });
      await client.publish(a, `end ${index}`);
      const got = await rest.until(6 - index);
      const before = seen(events.slice(0, index + 1));
      const after = seen(got).filter((line) => !line.includes("end"));
      assert.equal([...before, ...after].sort(), all, `from event ${index}`);
      rest.close();
    }
  }));

test("each id names every channel, in the order asked for", () =>
  scene(async ({ client, a, b, follow }) => {
    const stream = await follow();
    const { body } = await client.publish(b, "x");
    const [event] = (await stream.until(1)).filter(({ event }) => event === "message");
    const places = new Map(event!.id!.split(",").map((place) => place.split(":") as [string, string]));
    assert.equal([...places.keys()], [a.id, b.id]);
    assert.is(places.get(b.id), body.id);
  }));

test("a channel that the place does not name begins with what is published from now on", () =>
  scene(async ({ client, a, b, follow }) => {
    const { body } = await client.publish(a, "old a");
    await client.publish(b, "old b");
    const stream = await follow("", { "Last-Event-ID": `${a.id}:${body.id}` });
    await client.publish(b, "new b");
    assert.equal(seen(await stream.until(1)), [`${b.id} new b`]);
  }));

test("gap and reset tell the channel they are about", () =>
  scene(async ({ a, b, follow }) => {
    const foreign = "01890000-0000-7000-8000-000000000000";
    const stream = await follow("", { "Last-Event-ID": `${a.id}:${foreign}` });
    const [event] = (await stream.until(1)).filter(({ event }) => event !== "message");
    assert.is(event!.event, "reset");
    assert.equal(JSON.parse(event!.data), { channel_id: a.id, after: foreign });
    assert.ok(event!.id!.startsWith(`${a.id}:00000000-`) && event!.id!.includes(b.id));
  }));

test("the stream ends when one of its channels is deleted", () =>
  scene(async ({ client, b, follow }) => {
    const stream = await follow();
    await client.send("DELETE", `/v1/channels/${b.id}`, { headers: { "X-Publish-Token": b.publish_token } });
    await stream.ended(1_000);
  }));

const refusals: [string, (b: CreatedChannel) => string, number, string][] = [
  ["a place in one channel", ({ id }) => `?channels=${id}&after=${id}`, 400, "which is a place in one of them"],
  ["what is no list of ids", () => "?channels=orders", 400, 'channels is "orders"; send 1 to 50 channel ids'],
  ["a channel that is not there", () => `?channels=${crypto.randomUUID()}`, 404, "There is no channel"],
];

for (const [title, query, status, words] of refusals) {
  test(`several channels refuse ${title}`, () =>
    scene(async ({ client, a, b }) => {
      const { status: got, body } = await client.send("GET", `/v1/public/${a.id}${query(b)}`);
      assert.is(got, status);
      assert.ok(body.error.message.includes(words), body.error.message);
    }));
}

test("a private channel among them needs its token", () =>
  scene(async ({ client, a }) => {
    const secret = await client.createChannel({ visibility: "private" });
    const { status } = await client.send("GET", `/v1/public/${a.id}?channels=${secret.id}`);
    assert.is(status, 401);
  }));

test("private channels share a stream with a token for each, and it ends with any of them", () =>
  scene(async ({ client, a, events }) => {
    const secrets = [
      await client.createChannel({ visibility: "private" }),
      await client.createChannel({ visibility: "private" }),
    ];
    const [one, two] = secrets;
    const tokens = secrets.map(({ read_token }) => read_token).join(", ");
    const stream = await events(`/v1/private/${one!.id}?channels=${two!.id},${a.id}`, { "X-Read-Token": tokens });
    for (const [index, channel] of [one!, two!, a].entries()) await client.publish(channel, index);
    assert.equal(seen(await stream.until(3)), [`${one!.id} 0`, `${two!.id} 1`, `${a.id} 2`]);
    const grant = `/v1/channels/${two!.id}/read-grants/${two!.read_grant_id}/revoke`;
    await client.send("POST", grant, { headers: { "X-Publish-Token": two!.publish_token } });
    await stream.ended(1_000);
  }));

test("a token of a channel that is not among them is refused as for a missing channel", () =>
  scene(async ({ client, a, b }) => {
    const secret = await client.createChannel({ visibility: "private" });
    const headers = { "X-Read-Token": secret.read_token! };
    const { status } = await client.send("GET", `/v1/public/${a.id}?channels=${b.id}`, { headers });
    assert.is(status, 404);
  }));

test("tickets go together too", () =>
  scene(async ({ client, a, events }) => {
    const one = await client.createChannel({ visibility: "private" });
    const two = await client.createChannel({ visibility: "private" });
    const tickets = [];
    for (const { id, read_token } of [one, two]) {
      const headers = { "X-Read-Token": read_token! };
      tickets.push((await client.send("POST", `/v1/channels/${id}/tickets`, { headers })).body.ticket);
    }
    const stream = await events(`/v1/private/${one.id}?channels=${two.id},${a.id}&ticket=${tickets.join(",")}`);
    await client.publish(two, "x");
    assert.equal(seen(await stream.until(1)), [`${two.id} x`]);
    stream.close();
  }));

test("latest=1 begins with the newest message, then comes what is published", () =>
  scene(async ({ client, a, events }) => {
    for (const text of ["1", "2", "3"]) await client.publish(a, text);
    const stream = await events(`/v1/public/${a.id}?latest=1`);
    await client.publish(a, "4");
    const got = (await stream.until(2)).filter(({ event }) => event === "message");
    assert.equal(
      got.map(({ data }) => JSON.parse(data).payload),
      ["3", "4"],
    );
    stream.close();
  }));

test("latest=1 on an empty channel waits for the first message", () =>
  scene(async ({ client, a, events }) => {
    const stream = await events(`/v1/public/${a.id}?latest=1`);
    await client.publish(a, "first");
    const got = (await stream.until(1)).filter(({ event }) => event === "message");
    assert.is(JSON.parse(got[0]!.data).payload, "first");
    stream.close();
  }));

test.run();
