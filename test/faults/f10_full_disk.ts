/**
 * The disk of the database, or of the objects, is full for a while. Publishes are refused with words meanwhile, go on without a restart when there is room again,
 * and what was acknowledged is there.
 */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { atLeast } from "./load/figures.ts";
import { type Answer, ask, keepAlive } from "./load/http.ts";
import { readHeld } from "./measure/messages.ts";
import { mountSmallDisk, type SmallDisk } from "./measure/small_disk.ts";
import { none, within } from "./measure/verdicts.ts";
import type { Cluster, Rig, Scenario, Server, Verdict } from "./scenario.ts";

const PUBLISHERS = 8;
const MIB = 1_048_576;
const RECOVERY_MS = 10_000;
const BACK_MS = 30_000;

/** What is filled, and who is asked to publish meanwhile. */
interface Place {
  name: string;
  disk: SmallDisk;
  servers: Server[];
  /** Bytes of a payload, from and to. */
  sizes: readonly [number, number];
  /** What is left when it is full. */
  butBytes: number;
}

interface Message {
  key: string;
  payload: string;
  /** Null: not acknowledged. */
  id: string | null;
  /** Null: there was none. */
  answers: (Answer | null)[];
}

export const scenario: Scenario = {
  name: "f10",
  words:
    "the disk of the database is full for a while, then that of the objects, then one that holds all of an embedded server",
  quick: false,
  async run(rig) {
    const data = mountSmallDisk(rig, { name: "small_data", mib: 144 });
    const objects = mountSmallDisk(rig, { name: "small_objects", mib: 256 });
    if (data === null || objects === null)
      return [{ name: "skipped", figure: "a small tmpfs needs root, and leave to mount", ok: true }];
    const cluster = await rig.postgres({ directory: data.path });
    await moveLog(rig, cluster);
    const env = { DATABASE_URL: cluster.url(), DATA_DIR: objects.path };
    const servers = [await rig.server({ name: "a", env }), await rig.server({ name: "b", env })];
    await Promise.all(servers.map((server) => server.start()));
    const verdicts = [
      ...(await fillAndFree(rig, { name: "tables", disk: data, servers, sizes: [8_000, 16_000], butBytes: MIB })),
      ...(await fillAndFree(rig, { name: "objects", disk: objects, servers, sizes: [17_000, 90_000], butBytes: MIB })),
    ];
    if (rig.quick) return verdicts;
    return [...verdicts, ...(await fillEmbedded(rig, mountSmallDisk(rig, { name: "small_whole", mib: 320 })!))];
  },
};

/** Lets the write-ahead log live on the machine's disk: where that is full, PostgreSQL ends by design; here its tables are to find no room. */
async function moveLog(rig: Rig, cluster: Cluster): Promise<void> {
  await cluster.stop();
  const [here, there] = [join(cluster.data, "pg_wal"), join(rig.directory, "wal")];
  for (const [program, ...words] of [
    ["cp", "-a", here, there],
    ["rm", "-r", here],
    ["ln", "-s", there, here],
  ] as const) {
    const { status, stderr } = spawnSync(program, words, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}`);
  }
  await cluster.start();
}

/** The embedded default with everything on one disk, of which so much is left that it is PostgreSQL's log that next finds no room: it ends by design, and is started again. */
async function fillEmbedded(rig: Rig, disk: SmallDisk): Promise<Verdict[]> {
  const embedded = await rig.server({ name: "embedded", env: { DATA_DIR: disk.path, LOG_LEVEL: "error" } });
  await embedded.start();
  const name = "all of an embedded server";
  const verdicts = await fillAndFree(rig, {
    name,
    disk,
    servers: [embedded],
    sizes: [1_000, 4_000],
    butBytes: 15 * MIB,
  });
  const log = await readFile(join(disk.path, "postgres.log"), "utf8");
  return [...verdicts, atLeast(`${name}: PostgreSQL gave up for want of room`, log.split("PANIC:").length - 1, 1)];
}

async function fillAndFree(rig: Rig, place: Place): Promise<Verdict[]> {
  const { name, disk, servers, butBytes } = place;
  const pids = servers.map((server) => server.pid());
  const load = startLoad(rig, place, await createClient(servers[0]!.url).createChannel());
  await rig.pause(300);
  await disk.fill(butBytes);
  await eventually("publishes are refused", () => load.refused().length >= 20, 30_000).catch((error) =>
    rig.log(`${error}`),
  );
  await rig.pause(rig.quick ? 1_000 : 8_000);
  const full = load.refused().length;
  await disk.release();
  const back = await load.backMs();
  await rig.pause(500);
  await load.stop();
  for (const words of new Set(
    load.refused().map(({ status, body }) => `${status} ${body}`.replace(/"request_id":"[^"]*"/, "")),
  ))
    rig.log(`${name}: refused with ${words}`);

  const { messages, channel } = load;
  const answers = messages.flatMap((message) => message.answers);
  const firstAcked = messages.filter(({ id }) => id !== null);
  const again = await load.settle(500);
  const stored = await readHeld(servers[0]!.url, channel);
  const held = new Map(stored.map((message) => [message.id, message.payload]));
  const unclear = load.refused().filter(({ body }) => !/"message":"[^"]{20,}".*"retryable":true/.test(body));
  return [
    atLeast(`${name}: refused while it was full`, full, 20),
    none(
      `${name}: answers other than 201, 503 and 507`,
      answers.filter((answer) => !isClear(answer)).length,
      answers.length,
    ),
    none(`${name}: refusals without words, or not to be tried again`, unclear.length, full),
    none(
      `${name}: servers that ended`,
      servers.filter((server, at) => server.pid() !== pids[at]).length,
      servers.length,
    ),
    within(`${name}: every server publishes again after there is room`, RECOVERY_MS, back),
    none(
      `${name}: acknowledged lost or changed`,
      firstAcked.filter(({ id, payload }) => held.get(id!) !== payload).length,
      firstAcked.length,
    ),
    none(
      `${name}: not stored by a later retry`,
      again.filter(({ id, payload }) => id === null || held.get(id) !== payload).length,
      again.length,
    ),
    none(`${name}: stored twice`, stored.length - new Set(held.values()).size, stored.length),
  ];
}

function isClear(answer: Answer | null): boolean {
  return answer !== null && [201, 503, 507].includes(answer.status);
}

/** Publishers that send each message once, to the servers in turn, and remember all answers. */
function startLoad(rig: Rig, { servers, sizes }: Place, channel: CreatedChannel) {
  const messages: Message[] = [];
  const agent = keepAlive();
  const back = new Map<Server, number>();
  let freedAt = Number.POSITIVE_INFINITY;
  let stopping = false;

  async function send(message: Message, server: Server): Promise<void> {
    const began = performance.now();
    const headers = {
      "Content-Type": "application/json",
      "X-Publish-Token": channel.publish_token,
      "Idempotency-Key": message.key,
    };
    const url = `${server.url}/v1/channels/${channel.id}/publish`;
    const body = JSON.stringify({ payload: message.payload });
    const answer = await ask(url, { method: "POST", headers, body, timeoutMs: 15_000, agent }).catch(() => null);
    message.answers.push(answer);
    if (answer?.status !== 201) return;
    message.id = (JSON.parse(answer.body) as { id: string }).id;
    if (began > freedAt && !back.has(server)) back.set(server, performance.now() - freedAt);
  }

  async function publisher(number: number): Promise<void> {
    while (!stopping) {
      const size = rig.random.whole(...sizes);
      // Nothing that compresses, or the disk would take long to fill.
      const payload = randomBytes(Math.ceil(size * 0.75))
        .toString("base64")
        .slice(0, size);
      const message: Message = { key: crypto.randomUUID(), payload, id: null, answers: [] };
      messages.push(message);
      await send(message, servers[number % servers.length]!);
      if (message.id === null) await rig.pause(50);
    }
  }

  const all = Promise.all(Array.from({ length: PUBLISHERS }, (_, number) => publisher(number)));
  return {
    channel,
    messages,
    refused: () =>
      messages
        .flatMap(({ answers }) => answers)
        .filter((answer) => answer !== null && answer.status !== 201) as Answer[],
    /** How long after now the last of the servers stores again; null: not all of them do. */
    async backMs(): Promise<number | null> {
      freedAt = performance.now();
      await eventually("all publish again", () => back.size === servers.length, BACK_MS).catch((error) =>
        rig.log(`${error}`),
      );
      return back.size === servers.length ? Math.max(...back.values()) : null;
    },
    async stop() {
      stopping = true;
      await all;
    },
    /** Sends some of what was not acknowledged again, under its key, and returns what it sent. */
    async settle(most: number): Promise<Message[]> {
      const open = messages.filter(({ id }) => id === null).slice(-most);
      for (const message of open) await send(message, rig.random.pick(servers));
      agent.destroy();
      return open;
    },
  };
}
