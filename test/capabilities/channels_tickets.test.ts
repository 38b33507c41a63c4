import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CreatedChannel, Reply } from "../support/client.ts";
import type { EventReader } from "../support/event_stream.ts";
import { eventually } from "../support/eventually.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { logText, memoryPorts } from "../support/memory_house.ts";

const test = suite("channels: stream tickets");

interface Scene extends MemoryApp {
  channel: CreatedChannel;
  /** Asks for a ticket with the channel's read token, or with other headers. */
  ask(headers?: Record<string, string>, channel?: CreatedChannel): Promise<Reply>;
  /** The URL of a fresh ticket, without scheme and host. */
  url(headers?: Record<string, string>): Promise<string>;
  /** The status that a URL opens with, as a stream or as a long-poll. */
  status(path: string, headers?: Record<string, string>): Promise<number>;
}

async function open(options: Parameters<typeof openApp>[0] = {}): Promise<Scene> {
  const server = openApp(options);
  const channel = await server.client.createChannel({ visibility: "private" });
  const ask: Scene["ask"] = (headers = { "X-Read-Token": channel.read_token! }, at = channel) =>
    server.client.send("POST", `/v1/channels/${at.id}/tickets`, { headers });
  return {
    ...server,
    channel,
    ask,
    async url(headers) {
      const { body } = await ask(headers);
      const { pathname, search } = new URL(body.url);
      return pathname + search;
    },
    async status(path, headers) {
      const reader = await server.events(path, headers);
      reader.close();
      return reader.response.status;
    },
  };
}

async function granted({ client, channel }: Scene, fields: Record<string, unknown> = {}) {
  const headers = { "X-Publish-Token": channel.publish_token };
  const path = `/v1/channels/${channel.id}/read-grants`;
  const { body } = await client.send("POST", path, { body: fields, headers });
  return {
    id: body.id as string,
    headers: { "X-Read-Token": body.raw_token as string },
    revoke: () => client.send("POST", `${path}/${body.id}/revoke`, { headers }),
  };
}

const payloads = (reader: EventReader) =>
  reader.events.filter(({ event }) => event === "message").map(({ data }) => JSON.parse(data).payload);

test("POST …/tickets gives a ticket, until when it must be used, and the stream's URL with it", async () => {
  const server = await open();
  for (const headers of [
    { "X-Read-Token": server.channel.read_token! },
    { Authorization: `Bearer ${server.channel.read_token}` },
  ]) {
    const { status, body, headers: answered } = await server.ask(headers);
    assert.is(status, 201);
    assert.equal(Object.keys(body), ["ticket", "expires_at", "url"]);
    assert.match(body.ticket, /^tkt_[0-9A-Za-z]{49}$/);
    assert.is(body.expires_at, "2026-01-01T00:01:00.000Z");
    assert.is(body.url, `http://millrace.test/channel/v1/private/${server.channel.id}?ticket=${body.ticket}`);
    assert.is(answered.get("cache-control"), "no-store");
  }
});

test("the URL is that of the channel hostname, where there is one", async () => {
  const { ask } = await open({ settings: { channelBase: "https://live.test" } });
  assert.match((await ask()).body.url, /^https:\/\/live\.test\/channel\/v1\/private\//);
});

test("only a read token of the channel gives a ticket", async () => {
  const server = await open();
  const other = await server.client.createChannel({ visibility: "private" });
  const { body: made } = await server.ask();
  const wrong: [headers: Record<string, string>, status: number, code: string][] = [
    [{}, 401, "unauthorized"],
    [{ "X-Read-Token": "rdg_x" }, 401, "unauthorized"],
    [{ "X-Publish-Token": server.channel.publish_token }, 401, "unauthorized"],
    [{ "X-Read-Token": server.channel.publish_token }, 401, "unauthorized"],
    [{ "X-Read-Token": made.ticket }, 401, "unauthorized"],
    [{ Authorization: `Bearer ${made.ticket}` }, 401, "unauthorized"],
    [{ "X-Read-Token": other.read_token! }, 404, "not_found"],
  ];
  for (const [headers, status, code] of wrong) {
    const reply = await server.ask(headers);
    assert.equal([reply.status, reply.body.error.code], [status, code], JSON.stringify(headers));
  }
  const byTicket = await server.client.send("POST", `/v1/channels/${server.channel.id}/tickets?ticket=${made.ticket}`);
  assert.ok(byTicket.status === 400 || byTicket.status === 401, String(byTicket.status));
  const missing = { ...other, id: "0190163d-8694-439b-aea5-966c26f8ad91" };
  assert.is((await server.ask({}, missing)).status, 404);
});

test("a ticket of a public channel is a conflict, with the reason", async () => {
  const server = await open();
  const { status, body } = await server.ask({}, await server.client.createChannel());
  assert.equal([status, body.error.code], [409, "conflict"]);
  assert.match(body.error.message, "is public: its stream opens without a ticket");
});

test("a ticket opens the stream and the long-poll under all paths, and reads on after a cursor", async () => {
  const server = await open();
  const { body: first } = await server.client.publish(server.channel, 1);
  await server.client.publish(server.channel, 2);
  const { ticket } = (await server.ask()).body;
  for (const start of ["/v1/private/", "/channel/v1/private/"]) {
    const path = `${start}${server.channel.id}?ticket=${ticket}`;
    const all = await server.events(`${path}&from=earliest`);
    await all.until(2);
    assert.equal(payloads(all), [1, 2]);
    const resumed = await server.events(path, { "Last-Event-ID": first.id });
    await resumed.until(1);
    assert.equal(payloads(resumed), [2]);
    for (const reader of [all, resumed]) reader.close();
    const { status, body } = await server.client.send("GET", `${path}&wait=0&from=earliest`);
    assert.equal([status, body.messages.map((one: { payload: unknown }) => one.payload)], [200, [1, 2]]);
    assert.is((await server.client.send("HEAD", path)).status, 200);
  }
});

test("a ticket that is not used within 60 s is of no use, then or later", async () => {
  const server = await open();
  const [inTime, late] = [await server.url(), await server.url()];
  await server.advance(60_000);
  assert.is(await server.status(inTime), 200);
  await server.advance(1);
  for (const query of ["", "&wait=0", ""]) {
    assert.is(await server.status(late + query), 401);
    await server.advance(2_000);
  }
  assert.is(await server.status(inTime), 200);
});

test("a ticket that was used reopens its stream for 24 h, and then an open one ends", async () => {
  const server = await open();
  const url = await server.url();
  assert.is(await server.status(url), 200);
  for (let hours = 0; hours < 23; hours += 1) {
    await server.advance(3_600_000);
    assert.is(await server.status(url), 200, `after ${hours + 1} h`);
  }
  await server.advance(3_540_000);
  const last = await server.events(url);
  assert.is(last.response.status, 200);
  await server.advance(62_000);
  await last.ended();
  assert.is(await server.status(url), 401);
});

test("a ticket opens its own channel only", async () => {
  const server = await open();
  const other = await server.client.createChannel({ visibility: "private" });
  const free = await server.client.createChannel();
  const { ticket } = (await server.ask()).body;
  for (const query of ["", "&wait=0", "&from=earliest"]) {
    assert.is(await server.status(`/v1/private/${other.id}?ticket=${ticket}${query}`), 404);
    assert.is(await server.status(`/v1/public/${free.id}?ticket=${ticket}${query}`), 404);
  }
  assert.is(await server.status(`/v1/private/${server.channel.id}?ticket=${ticket}&channels=${other.id}`), 401);
  assert.is(await server.status(`/v1/private/${server.channel.id}?ticket=${ticket}`), 200);
});

test("streams and waits of a ticket end at once when its grant is revoked, those of other grants stay", async () => {
  const server = await open();
  const mine = await granted(server);
  const [path, kept] = [await server.url(mine.headers), await server.url()];
  const [stream, other] = [await server.events(path), await server.events(kept)];
  let polled = 0;
  void server.client.send("GET", `${path}&wait=30`).then(({ status }) => {
    polled = status;
  });
  await eventually("the poll waits", () => server.app.requests() === 1);
  await mine.revoke();
  await stream.ended();
  await eventually("the poll is over", () => polled !== 0);
  assert.is(polled, 401);
  assert.is(await server.status(path), 401);
  await server.client.publish(server.channel, "still");
  await other.until(1);
  assert.equal([payloads(stream), payloads(other)], [[], ["still"]]);
  other.close();
});

test("without a knock they end within two seconds of the revocation, and of the grant's own end", async () => {
  const ports = memoryPorts();
  const server = await open({ ports });
  const revoked = await granted(server);
  const short = await granted(server, { expires_at: "2026-01-01T00:00:10Z" });
  const streams = await Promise.all(
    [revoked, short].map(async ({ headers }) => server.events(await server.url(headers))),
  );
  ports.bus.knock = () => undefined;
  await revoked.revoke();
  await server.advance(2_000);
  await streams[0]!.ended();
  assert.is(server.app.streams(), 1);
  await server.advance(10_000);
  await streams[1]!.ended();
});

test("a ticket that was made before the revocation and never used is of no use after it", async () => {
  const server = await open();
  const mine = await granted(server);
  const path = await server.url(mine.headers);
  await mine.revoke();
  assert.is(await server.status(path), 401);
});

test("a token and a ticket together are refused, and so is a ticket that is given twice", async () => {
  const server = await open();
  const path = await server.url();
  const refused: [path: string, headers: Record<string, string>, words: string][] = [
    [path, { "X-Read-Token": server.channel.read_token! }, "The read token and a ticket are given; send one of them"],
    [path, { Authorization: `Bearer ${server.channel.read_token}` }, "The read token and a ticket are given"],
    [`${path}&ticket=x`, {}, "The field ticket is given twice; send it once"],
  ];
  for (const [at, headers, words] of refused) {
    for (const query of ["", "&wait=0"]) {
      const { status, body } = await server.client.send("GET", at + query, { headers });
      assert.equal([status, body.error.code], [400, "invalid_input"]);
      assert.ok(body.error.message.includes(words), body.error.message);
    }
  }
});

test("a long-lived token in the query opens nothing, by whatever name, and is not repeated", async () => {
  const server = await open();
  const { read_token, publish_token, id } = server.channel;
  await server.client.publish(server.channel, "classified");
  const names = ["ticket", "token", "read_token", "access_token", "X-Read-Token", "Authorization", "auth", "bearer"];
  for (const secret of [read_token!, `Bearer ${read_token}`, publish_token]) {
    for (const name of names) {
      for (const query of ["from=earliest", "from=earliest&wait=0"]) {
        const sent = `${name}=${encodeURIComponent(secret)}`;
        const { status, body } = await server.client.send("GET", `/v1/private/${id}?${query}&${sent}`);
        assert.ok(status === 401 || status === 400, `${status} for ${name}`);
        assert.not.match(JSON.stringify(body), /classified|(rdg|pub|tkt)_[0-9A-Za-z]{10}/);
      }
    }
  }
});

test("no other operation takes a ticket", async () => {
  const server = await open({ settings: { internalToken: "inside" } });
  const { ticket } = (await server.ask()).body;
  const { id } = server.channel;
  const others: [method: string, path: string][] = [
    ["GET", `/v1/channels/${id}`],
    ["DELETE", `/v1/channels/${id}`],
    ["POST", `/v1/channels/${id}/publish`],
    ["POST", `/v1/channels/${id}/tickets`],
    ["POST", `/v1/channels/${id}/read-grants`],
    ["GET", `/internal/v1/channels/${id}/messages`],
  ];
  for (const [method, path] of others) {
    const { status } = await server.client.send(method, `${path}?ticket=${ticket}`);
    assert.ok(status === 401 || status === 400, `${method} ${path} answered ${status}`);
  }
});

test("neither log nor store ever sees a ticket", async () => {
  const ports = memoryPorts();
  let written = "";
  const { commit } = ports.database;
  ports.database.commit = (unit) => {
    written += JSON.stringify(unit);
    return commit(unit);
  };
  const server = await open({ ports });
  const { ticket } = (await server.ask()).body;
  for (const query of ["", "&wait=0", "&after=x", "&nonsense=1", "&wait=99", `&ticket=${ticket}`]) {
    await server.status(`/v1/private/${server.channel.id}?ticket=${ticket}${query}`);
    await server.status(`/v1/private/${server.channel.id}/nowhere?ticket=${ticket}${query}`);
  }
  const log = logText(ports.log);
  assert.match(log, "channels.follow");
  assert.match(written, '"ticket"');
  for (const text of [log, written]) assert.not(text.includes(ticket.slice(4, 47)));
});

test.run();
