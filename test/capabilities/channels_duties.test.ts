import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Journal } from "../../core/ports/journal.ts";
import type { CreatedChannel } from "../support/client.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";
import { memoryPorts, memoryTown } from "../support/memory_house.ts";

const test = suite("channels: duties");

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A server at work, until the proof is over. */
async function atWork(
  proof: (server: MemoryApp) => Promise<void>,
  options: Parameters<typeof openApp>[0] = {},
): Promise<void> {
  const server = openApp(options);
  server.app.start();
  try {
    await proof(server);
  } finally {
    await server.stop();
  }
}

/** Lets days go by without their every second: the calendar moves, then the duties have two minutes. */
async function later({ ports }: MemoryApp, ms: number): Promise<void> {
  ports.clock.jump(ms - 2 * MINUTE);
  await ports.clock.advance(2 * MINUTE);
}

const objects = async ({ ports }: MemoryApp) => (await ports.objects.list("", "", 1_000)).map(({ key }) => key);

const stateOf = async ({ ports }: MemoryApp, { id }: CreatedChannel) =>
  (await ports.database.journal.bounds("channels", [id]))[0]?.state;

async function documentsOf({ ports }: MemoryApp, { id }: CreatedChannel) {
  const { documents } = ports.database;
  return {
    record: await documents.get("channels", "channel", id),
    grants: (await documents.list("channels", `grants/${id}`, "", 100)).length,
    credentials: (await documents.list("credentials", "token", "", 100)).filter(({ body }) => body.subject === id)
      .length,
  };
}

const GONE = { record: null, grants: 0, credentials: 0 };
/** Where the objects of this installation are. */
const OURS = `m/${"0".repeat(32)}/`;
const LARGE = "x".repeat(20_000);

test("expired messages go, and their objects after a pause for those who are still reading them", () =>
  atWork(async (server) => {
    const { client, ports, advance } = server;
    const channel = await client.createChannel();
    await client.publish(channel, LARGE, { ttl_seconds: 60 });
    await client.publish(channel, `${LARGE}!`, { ttl_seconds: 172_800 });
    const [first, second] = await objects(server);
    assert.equal((await ports.database.journal.referenced([first!, second!])).length, 2);
    await advance(2 * MINUTE);
    assert.is((await objects(server)).length, 2);
    await advance(12 * MINUTE);
    const kept = await ports.database.journal.referenced([first!, second!]);
    assert.is(kept.length, 1);
    assert.equal(await objects(server), kept);
    await advance(3 * HOUR);
    assert.equal(await objects(server), kept);
  }));

test("expired credentials go", () =>
  atWork(async (server) => {
    const { client, advance } = server;
    const channel = await client.createChannel({ visibility: "private" });
    const headers = { "X-Publish-Token": channel.publish_token };
    await client.send("POST", `/v1/channels/${channel.id}/read-grants`, {
      headers,
      body: { expires_at: "2026-01-01T00:01:00Z" },
    });
    assert.is((await documentsOf(server, channel)).credentials, 3);
    await advance(2 * MINUTE);
    assert.is((await documentsOf(server, channel)).credentials, 2);
  }));

test("a deleted channel goes with rows, credentials, grants and objects", () =>
  atWork(async (server) => {
    const { client, advance } = server;
    const [channel, other] = [
      await client.createChannel({ visibility: "private" }),
      await client.createChannel({ visibility: "private" }),
    ];
    const headers = { "X-Publish-Token": channel.publish_token };
    for (const each of [channel, other])
      for (let index = 0; index < 5; index += 1) await client.publish(each, `${each.id}${index}${LARGE}`);
    await client.send("POST", `/v1/channels/${channel.id}/read-grants`, { headers, body: {} });
    await client.send("DELETE", `/v1/channels/${channel.id}`, { headers });
    await advance(2 * MINUTE);
    assert.is(await stateOf(server, channel), "missing");
    assert.equal(await documentsOf(server, channel), GONE);
    assert.is((await client.send("GET", `/v1/channels/${channel.id}`, { headers })).status, 401);
    await advance(12 * MINUTE);
    assert.is((await objects(server)).length, 5);
    assert.is(await stateOf(server, other), "open");
    assert.is((await documentsOf(server, other)).credentials, 2);
    assert.is((await client.publish(other, "on")).status, 201);
  }));

test("a channel with very many grants and messages goes whole", () =>
  atWork(async (server) => {
    const { client, ports, advance } = server;
    const channel = await client.createChannel({ visibility: "private" });
    const entries = Array.from({ length: 1_700 }, () => ({ data: '{"payload":1,"metadata":null}', ttlMs: DAY }));
    await ports.database.journal.append({ op: "journal.append", realm: "channels", subject: channel.id, entries });
    const grants = Array.from({ length: 1_200 }, (_, index) => ({
      op: "document.put" as const,
      realm: "channels",
      collection: `grants/${channel.id}`,
      id: `g${index}`,
      body: { credential: `c${index}` },
    }));
    await ports.database.commit(grants);
    await client.send("DELETE", `/v1/channels/${channel.id}`, {
      headers: { "X-Publish-Token": channel.publish_token },
    });
    await advance(2 * MINUTE);
    assert.is(await stateOf(server, channel), "missing");
    assert.equal(await documentsOf(server, channel), GONE);
  }));

test("a channel without a published message for 30 days goes, and its streams end", () =>
  atWork(async (server) => {
    const { client, events } = server;
    const [idle, silent] = [await client.createChannel({ visibility: "private" }), await client.createChannel()];
    const busy = await client.createChannel();
    await client.publish(idle, LARGE);
    const reader = await events(`/v1/public/${silent.id}`);
    await later(server, 29 * DAY);
    await client.publish(busy, "still here");
    for (const channel of [idle, silent, busy]) assert.is(await stateOf(server, channel), "open");
    await later(server, DAY);
    for (const channel of [idle, silent]) {
      assert.is(await stateOf(server, channel), "missing");
      assert.equal(await documentsOf(server, channel), GONE);
    }
    await reader.ended();
    assert.is(await stateOf(server, busy), "open");
    assert.is((await client.publish(busy, "on")).status, 201);
    await server.advance(12 * MINUTE);
    assert.equal(await objects(server), []);
  }));

test("reading and managing do not keep an idle channel", () =>
  atWork(async (server) => {
    const { client } = server;
    const channel = await client.createChannel({ visibility: "private" });
    const headers = { "X-Publish-Token": channel.publish_token };
    await later(server, 20 * DAY);
    assert.is((await client.send("GET", `/v1/channels/${channel.id}`, { headers })).status, 200);
    assert.is((await client.send("POST", `/v1/channels/${channel.id}/read-grants`, { headers, body: {} })).status, 201);
    await later(server, 10 * DAY);
    assert.is(await stateOf(server, channel), "missing");
  }));

test("a channel that is published to just before it would go stays, and loses nothing", async () => {
  const ports = memoryPorts();
  const { journal } = ports.database;
  let between = async () => {};
  const idle: Journal["idle"] = async (...of) => {
    const found = await journal.idle(...of);
    await between();
    return found;
  };
  const database = { ...ports.database, journal: { ...journal, idle } };
  await atWork(
    async (server) => {
      const { client } = server;
      const channel = await client.createChannel({ visibility: "private" });
      between = async () => {
        await journal.append({
          op: "journal.append",
          realm: "channels",
          subject: channel.id,
          entries: [{ data: '{"payload":1,"metadata":null}', ttlMs: DAY }],
          ifOpen: true,
        });
      };
      await later(server, 31 * DAY);
      assert.is(await stateOf(server, channel), "open");
      assert.equal(
        [(await documentsOf(server, channel)).grants, (await documentsOf(server, channel)).credentials],
        [1, 2],
      );
      assert.is((await client.publish(channel, "on")).status, 201);
    },
    { ports: { ...ports, database } },
  );
});

test("objects that a crash left without a row go after an hour; all others stay, those of other installations too", () =>
  atWork(async (server) => {
    const { client, ports, advance } = server;
    const channel = await client.createChannel();
    await client.publish(channel, LARGE);
    const [live] = await objects(server);
    const foreign = ["m/another-installation/2026010100/live", "other/2026010100/orphan"];
    await ports.objects.put(`${OURS}2026010100/orphan`, new Uint8Array(3));
    await ports.objects.put("other/2026010100/orphan", new Uint8Array(3));
    await ports.objects.put("m/another-installation/2026010100/live", new Uint8Array(3));
    await advance(90 * MINUTE);
    await ports.objects.put(`${OURS}2026010100/young`, new Uint8Array(3));
    assert.is((await objects(server)).length, 5);
    await advance(31 * MINUTE);
    assert.equal(await objects(server), [live!, `${OURS}2026010100/young`, ...foreign].sort());
    await advance(HOUR);
    assert.equal(await objects(server), [live!, ...foreign].sort());
  }));

test("orphans are found on every page of a long list", () =>
  atWork(async (server) => {
    const { client, ports, advance } = server;
    const channel = await client.createChannel();
    for (let index = 0; index < 20; index += 1) await client.publish(channel, LARGE, { ttl_seconds: 172_800 });
    for (let index = 0; index < 1_300; index += 1)
      await ports.objects.put(`${OURS}2026010100/${index}`, new Uint8Array(1));
    await advance(2 * HOUR + MINUTE);
    assert.is((await objects(server)).length, 20);
  }));

test("two servers share the work and neither does it twice", async () => {
  const town = memoryTown();
  await atWork(
    (first) =>
      atWork(
        async (second) => {
          const channel = await first.client.createChannel();
          for (let index = 0; index < 3; index += 1) await second.client.publish(channel, LARGE, { ttl_seconds: 60 });
          await town.clock.advance(20 * MINUTE);
          assert.equal(await objects(first), []);
          const logs = [first, second].flatMap(({ ports }) => ports.log.lines);
          const sum = (field: string) =>
            logs.reduce((total, { event, fields }) => total + (event === "duty" ? Number(fields[field] ?? 0) : 0), 0);
          assert.equal([sum("messages"), sum("objects")], [3, 3]);
          assert.not(logs.some(({ event }) => event === "duty_failed"));
        },
        { ports: memoryPorts(town, 2) },
      ),
    { ports: memoryPorts(town) },
  );
});

test("an object that cannot be removed is tried again and does not keep the others", () =>
  atWork(async (server) => {
    const { client, ports, advance } = server;
    const channel = await client.createChannel();
    await client.publish(channel, LARGE, { ttl_seconds: 60 });
    await client.publish(channel, LARGE, { ttl_seconds: 60 });
    const [stuck] = await objects(server);
    const { remove } = ports.objects;
    ports.objects.remove = (key) => (key === stuck ? Promise.reject(new Error("away")) : remove(key));
    await advance(20 * MINUTE);
    assert.equal(await objects(server), [stuck]);
    assert.ok(ports.log.lines.some(({ event, fields }) => event === "object_not_removed" && fields.key === stuck));
    ports.objects.remove = remove;
    await advance(2 * MINUTE);
    assert.equal(await objects(server), []);
  }));

test.run();
