import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Fault } from "../../core/ports/fault.ts";
import { appNames } from "../../core/ports/host.ts";
import type { CreatedChannel } from "../support/client.ts";
import type { EventReader, ReadEvent } from "../support/event_stream.ts";
import { eventually } from "../support/eventually.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { memoryPorts } from "../support/memory_house.ts";

const test = suite("channels: streams");

interface Scene extends MemoryApp {
  channel: CreatedChannel;
  follow(query?: string, headers?: Record<string, string>): Promise<EventReader>;
}

/** A scene with a public channel; every stream that it opened is closed at its end. */
async function scene(
  act: (server: Scene) => Promise<void>,
  options: Parameters<typeof openApp>[0] = {},
): Promise<void> {
  const server = openApp(options);
  const readers: EventReader[] = [];
  const events = async (path: string, headers?: Record<string, string>) => {
    const reader = await server.events(path, headers);
    readers.push(reader);
    return reader;
  };
  const channel = await server.client.createChannel();
  try {
    await act({
      ...server,
      events,
      channel,
      follow: (query = "", headers) => events(`/v1/public/${channel.id}${query}`, headers),
    });
  } finally {
    for (const reader of readers) reader.close();
    await server.stop();
  }
}

const payloads = (events: readonly ReadEvent[]) =>
  events.filter(({ event }) => event === "message").map(({ data }) => JSON.parse(data).payload);

async function published({ client, channel }: Scene, count: number): Promise<string[]> {
  const ids: string[] = [];
  for (let index = 0; index < count; index += 1) ids.push((await client.publish(channel, index)).body.id);
  return ids;
}

const error = async (reader: EventReader) =>
  ((await reader.response.json()) as { error: { code: string; message: string } }).error;

test("what is published once the stream has answered is in it, however slow the store is", () => {
  const ports = memoryPorts();
  const { bounds } = ports.database.journal;
  ports.database.journal.bounds = async (...of) => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return bounds(...of);
  };
  return scene(
    async (server) => {
      const stream = await server.follow();
      await server.client.publish(server.channel, "at once");
      assert.equal(payloads(await stream.until(1)), ["at once"]);
    },
    { ports },
  );
});

test("a stream begins at once, with headers that nothing between may hold back", () =>
  scene(async ({ follow }) => {
    const { response, comments } = await follow();
    assert.is(response.status, 200);
    assert.is(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.is(response.headers.get("cache-control"), "no-store, no-transform");
    assert.is(response.headers.get("x-accel-buffering"), "no");
    await eventually("the first comment is here", () => comments.length === 1);
  }));

test("an event is the message's id, the name message, and the message as JSON on one line", () =>
  scene(async ({ client, channel, follow }) => {
    const reader = await follow();
    const { body } = await client.publish(channel, "two\nlines\r\nid: x\n\ndata: y", {
      metadata: { n: 1 },
      ttl_seconds: 60,
    });
    const [event] = await reader.until(1);
    assert.equal([event?.id, event?.event], [body.id, "message"]);
    assert.equal(JSON.parse(event!.data), {
      id: body.id,
      payload: "two\nlines\r\nid: x\n\ndata: y",
      metadata: { n: 1 },
      created_at: "2026-01-01T00:00:00.000Z",
      expires_at: "2026-01-01T00:01:00.000Z",
    });
  }));

test("the stream answers under all its paths, and at the channel's url", () =>
  scene(async ({ client, events, channel }) => {
    const closed = await client.createChannel({ visibility: "private" });
    const url = (of: CreatedChannel) => new URL(of.url).pathname;
    const headers = { "X-Read-Token": closed.read_token! };
    const paths: [string, Record<string, string>][] = [
      [`/v1/public/${channel.id}`, {}],
      [`/channel/v1/public/${channel.id}`, {}],
      [url(channel), {}],
      [`/v1/private/${closed.id}`, headers],
      [`/channel/v1/private/${closed.id}`, headers],
      [url(closed), headers],
    ];
    for (const [path, sent] of paths) assert.is((await events(path, sent)).response.status, 200, path);
  }));

test("the wrong visibility word is 404, like a channel that is missing", () =>
  scene(async ({ client, events, channel }) => {
    const closed = await client.createChannel({ visibility: "private" });
    const headers = { "X-Read-Token": closed.read_token! };
    const paths = [
      `/v1/private/${channel.id}`,
      `/channel/v1/public/${closed.id}`,
      "/v1/public/0190163d-8694-439b-aea5-966c26f8ad91",
      `/v1/secret/${channel.id}`,
    ];
    for (const path of paths) {
      for (const sent of [{}, path.endsWith(closed.id) ? headers : {}]) {
        const reader = await events(path, sent);
        assert.equal([reader.response.status, (await error(reader)).code], [404, "not_found"], path);
      }
    }
  }));

test("a private channel is read with its token, as X-Read-Token or Bearer", () =>
  scene(async ({ client, events }) => {
    const channel = await client.createChannel({ visibility: "private" });
    const other = await client.createChannel({ visibility: "private" });
    const status = async (headers: Record<string, string>, query = "") =>
      (await events(`/v1/private/${channel.id}${query}`, headers)).response.status;
    assert.is(await status({ "X-Read-Token": channel.read_token! }), 200);
    assert.is(await status({ Authorization: `Bearer ${channel.read_token}` }), 200);
    assert.is(await status({ Authorization: `bearer  ${channel.read_token}` }), 200);
    for (const token of [
      "x",
      channel.publish_token,
      `${channel.read_token}0`,
      "rdg_0000000000000000000000000000000000000000000000000",
    ]) {
      assert.is(await status({ "X-Read-Token": token }), 401);
      assert.is(await status({ Authorization: `Bearer ${token}` }), 401);
    }
    assert.is(await status({ "X-Publish-Token": channel.publish_token }), 401);
    assert.is(await status({ "X-Read-Token": other.read_token! }), 404);
    assert.is(await status({}, `?read_token=${channel.read_token}`), 400);
    const bare = await events(`/v1/private/${channel.id}`);
    assert.is(bare.response.headers.get("www-authenticate"), "Bearer");
    assert.is(
      (await error(bare)).message,
      "The read token is missing; send it as the header X-Read-Token or Authorization: Bearer (over MCP: the argument read_token)",
    );
  }));

test("without a cursor a stream is live only", () =>
  scene(async (server) => {
    await published(server, 3);
    const reader = await server.follow();
    await server.client.publish(server.channel, "live");
    assert.equal(payloads(await reader.until(1)), ["live"]);
  }));

test("from=earliest begins with the oldest message held", () =>
  scene(async (server) => {
    await published(server, 3);
    const reader = await server.follow("?from=earliest");
    await reader.until(3);
    await server.client.publish(server.channel, "live");
    assert.equal(payloads(await reader.until(4)), [0, 1, 2, "live"]);
  }));

test("after goes on behind that message", () =>
  scene(async (server) => {
    const ids = await published(server, 4);
    assert.equal(payloads(await (await server.follow(`?after=${ids[1]}`)).until(2)), [2, 3]);
  }));

test("Last-Event-ID goes on behind that message, and beats after and from", () =>
  scene(async (server) => {
    const ids = await published(server, 4);
    const headers = { "Last-Event-ID": ids[2]! };
    for (const query of ["", `?after=${ids[0]}`, "?from=earliest", `?from=earliest&after=${ids[0]}`]) {
      const reader = await server.follow(query, headers);
      await reader.until(1);
      assert.equal(payloads(reader.events), [3], query);
    }
    assert.equal(payloads(await (await server.follow(`?from=earliest&after=${ids[1]}`)).until(2)), [2, 3]);
  }));

test("a reader that breaks off and comes back misses nothing and gets nothing twice", () =>
  scene(async (server) => {
    const seen: unknown[] = [];
    let last: string | undefined = (await published(server, 1))[0];
    for (let round = 0; round < 5; round += 1) {
      const reader = await server.follow("", { "Last-Event-ID": last! });
      for (let index = 0; index < 3; index += 1) await server.client.publish(server.channel, `${round}.${index}`);
      const events = await reader.until(round === 0 ? 3 : 4);
      seen.push(...payloads(events));
      last = events.at(-1)?.id;
      reader.close();
      await server.client.publish(server.channel, `${round}.away`);
    }
    const wanted = [0, 1, 2, 3, 4].flatMap((round) => [0, 1, 2, "away"].map((part) => `${round}.${part}`));
    assert.equal(seen, wanted.slice(0, -1));
  }));

const refusals: [title: string, query: string, headers: Record<string, string>, words: string][] = [
  [
    "a malformed Last-Event-ID",
    "",
    { "Last-Event-ID": "42" },
    'last_event_id is "42", which is not an id; send the id of the last event seen as it came, a lower-case UUID',
  ],
  [
    "a malformed Last-Event-ID beside a good cursor",
    "?after=0190163d-8694-739b-aea5-966c26f8ad91",
    { "Last-Event-ID": "x" },
    'last_event_id is "x"',
  ],
  ["a malformed after", "?after=yesterday", {}, 'after is "yesterday", which is not an id'],
  ["another beginning", "?from=latest", {}, 'from is "latest"; send "earliest"'],
  ["a mistyped field", "?form=earliest", {}, 'the field "form" is unknown; did you mean from?'],
  ["a cursor given twice", "?after=a&after=b", {}, "The field after is given twice; send it once"],
];

for (const [title, query, headers, words] of refusals) {
  test(`a stream refuses ${title}`, () =>
    scene(async ({ follow, app }) => {
      const reader = await follow(query, headers);
      assert.is(reader.response.status, 400);
      const { code, message } = await error(reader);
      assert.is(code, "invalid_input");
      assert.ok(message.includes(words), message);
      assert.is(app.streams(), 0);
    }));
}

test("an empty Last-Event-ID is none", () =>
  scene(async (server) => {
    await published(server, 2);
    assert.equal(payloads(await (await server.follow("?from=earliest", { "Last-Event-ID": "" })).until(2)), [0, 1]);
  }));

test("messages that expired meanwhile are told as a gap, and not sent", () =>
  scene(async (server) => {
    const { client, channel } = server;
    const { body: seen } = await client.publish(channel, "seen");
    const { body: lost } = await client.publish(channel, "lost", { ttl_seconds: 1 });
    const { body: kept } = await client.publish(channel, "kept");
    await server.advance(1_000);
    const reader = await server.follow("", { "Last-Event-ID": seen.id });
    const [gap, message] = await reader.until(2);
    assert.equal([gap?.event, gap?.id], ["gap", seen.id]);
    assert.equal(JSON.parse(gap!.data), { after: seen.id, lost_through: lost.id, earliest: kept.id });
    assert.is(JSON.parse(message!.data).payload, "kept");
  }));

test("a cursor of another channel's future is reset, and everything held is sent", () =>
  scene(async (server) => {
    await published(server, 2);
    const reader = await server.follow("?after=ffffffff-ffff-7fff-bfff-ffffffffffff");
    const [reset] = await reader.until(3);
    assert.is(reset?.event, "reset");
    assert.equal(payloads(reader.events), [0, 1]);
  }));

test("a comment comes every 15 s", () =>
  scene(async ({ follow, advance }) => {
    const reader = await follow();
    const beats = (count: number) => eventually(`${count} beats are here`, () => reader.comments.length === count + 1);
    await beats(0);
    await advance(14_900);
    await beats(0);
    await advance(100);
    await beats(1);
    await advance(150_000);
    await beats(11);
    assert.equal(reader.events, []);
  }));

test("a stream is over for the server when its reader goes", () =>
  scene(async ({ follow, app, client, channel }) => {
    const [first, second] = [await follow(), await follow()];
    assert.is(app.streams(), 2);
    first.close();
    await first.ended();
    await eventually("one stream is left", () => app.streams() === 1);
    await client.publish(channel, "on");
    await second.until(1);
  }));

test("stop() ends every stream, and later ones at once", () =>
  scene(async ({ follow, app }) => {
    const readers = [await follow(), await follow("?from=earliest")];
    await app.stop();
    for (const reader of readers) await reader.ended();
    assert.is(app.streams(), 0);
    await (await follow()).ended();
  }));

test("HEAD tells that the stream is there and opens none", () =>
  scene(async ({ client, channel, app }) => {
    const host = {
      address: "192.0.2.1",
      apps: new Set(appNames),
      stream: () => assert.unreachable("a stream was opened") as never,
    };
    const head = (path: string) => app.fetch(new Request(client.base + path, { method: "HEAD" }), host);
    const { status, headers, body } = await head(`/v1/public/${channel.id}`);
    assert.equal([status, headers.get("content-type"), body], [200, "text/event-stream; charset=utf-8", null]);
    const wrong = await head(`/v1/private/${channel.id}`);
    assert.equal([wrong.status, wrong.body], [404, null]);
  }));

test("messages of all sizes arrive in the order of their ids", () =>
  scene(async ({ client, channel, follow }) => {
    const reader = await follow();
    const sizes = [1, 20_000, 5, 900_000, 16_384, 16_385, 2];
    await Promise.all(sizes.map((size) => client.publish(channel, "x".repeat(size))));
    const events = await reader.until(sizes.length);
    assert.equal(
      events.map(({ id }) => id),
      events.map(({ id }) => id).sort(),
    );
    assert.equal(
      payloads(events)
        .map((payload) => payload.length)
        .sort(),
      [...sizes].sort(),
    );
  }));

test("a stream that is asked for while the database is away says when to come back, and ends", () => {
  const ports = memoryPorts();
  const { get } = ports.database.documents;
  let away = false;
  ports.database.documents.get = async (...of) => {
    if (away) throw new Fault("unavailable", "The database cannot be reached");
    return get(...of);
  };
  return scene(
    async ({ follow, client, channel }) => {
      away = true;
      const stream = await follow();
      assert.is(stream.response.status, 200);
      await stream.ended(1_000);
      assert.is(stream.retries.length, 1);
      assert.equal(stream.events, []);
      assert.is((await client.send("GET", `/v1/public/${channel.id}?wait=0`)).status, 503);
    },
    { ports },
  );
});

test.run();
