/**
 * Stored payloads are flipped, cut, swapped and lost, at rest and on the way. Whoever reads them, by whichever way, gets the right bytes or is told, and
 * never wrong bytes for right ones.
 */
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { type Held, readHeld, readInternal, readTool, type Sent, send } from "./measure/messages.ts";
import { type Reference, references } from "./measure/stored.ts";
import { all, none } from "./measure/verdicts.ts";
import type { Cluster, ObjectStore, Rig, Scenario, Server, Verdict } from "./scenario.ts";

const PUBLISHERS = 16;
const INTERNAL_TOKEN = "internal-token-of-the-fault-runs";

const ways = {
  stream: readHeld,
  tool: readTool,
  internal: (url: string, channel: CreatedChannel) => readInternal(url, channel, INTERNAL_TOKEN),
};

/** A kind of object store, and what may happen to an object in it. */
interface Store {
  name: string;
  env: Record<string, string>;
  harms: readonly string[];
  /** `other`: an object whose bytes may be given in its place. */
  harm(row: Reference, how: string, other: Reference): Promise<void>;
}

export const scenario: Scenario = {
  name: "f09",
  words: "stored payloads flipped, cut, swapped or lost, on disk and in S3, at rest and on the way",
  quick: false,
  async run(rig) {
    const cluster = await rig.postgres();
    const s3 = await rig.objectStore();
    const verdicts: Verdict[] = [];
    for (const store of [onDisk(rig), inS3(s3)]) {
      const servers = await startServers(rig, cluster, store);
      verdicts.push(...(await damageAtRest(rig, { cluster, store, servers })));
      if (store.name === "S3") verdicts.push(...(await damageOnTheWay(rig, { s3, servers })));
      for (const server of servers) await server.kill();
    }
    return verdicts;
  },
};

function onDisk(rig: Rig): Store {
  const dataDir = join(rig.directory, "shared");
  // As `adapters/disk.ts` names the files of keys without long segments.
  const path = ({ key }: Reference) => `${join(dataDir, "objects", key)}~`;
  return {
    name: "disk",
    env: { DATA_DIR: dataDir },
    harms: ["flip", "cut", "empty", "longer", "swap", "remove"],
    async harm(row, how, other) {
      const bytes = await readFile(path(row));
      if (how === "remove") return await rm(path(row));
      if (how === "cut") return await truncate(path(row), bytes.length - 1);
      if (how === "empty") return await truncate(path(row), 0);
      if (how === "longer") return await writeFile(path(row), Buffer.concat([bytes, Buffer.from(" ")]));
      if (how === "swap") return await writeFile(path(row), await readFile(path(other)));
      const at = rig.random.whole(0, bytes.length - 1);
      // Not the highest: what stays text looks most like a good payload.
      bytes[at]! ^= 1 << rig.random.whole(0, 6);
      await writeFile(path(row), bytes);
    },
  };
}

function inS3(s3: ObjectStore): Store {
  return {
    name: "S3",
    env: s3.env,
    harms: ["flip", "truncate", "remove"],
    harm: (row, how) => s3.damage(row.key, how as "flip" | "truncate" | "remove"),
  };
}

/** Two, so that one reads what only the other has had in its memory. */
async function startServers(rig: Rig, cluster: Cluster, { name, env }: Store): Promise<[Server, Server]> {
  const given = { DATABASE_URL: cluster.url(), PAYLOAD_INLINE_MAX_BYTES: "0", INTERNAL_TOKEN, ...env };
  const one = await rig.server({ name: `${name} 1`, env: given });
  const other = await rig.server({ name: `${name} 2`, env: given });
  await Promise.all([one.start(), other.start()]);
  return [one, other];
}

async function publishMany(
  rig: Rig,
  server: Server,
  { count, mostBytes }: { count: number; mostBytes: number },
): Promise<{ channel: CreatedChannel; sent: Sent[] }> {
  const channel = await createClient(server.url).createChannel();
  const sent = Array.from({ length: count }, (_, n): Sent => {
    const length = rig.random.whole(1, mostBytes);
    return {
      key: `${n}`,
      payload: rig.random
        .hex(32)
        .repeat(Math.ceil(length / 32))
        .slice(0, length),
      id: null,
    };
  });
  const line = [...sent];
  const publisher = async () => {
    for (let next = line.pop(); next !== undefined; next = line.pop()) await send(server.url, channel, next);
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, publisher));
  return { channel, sent };
}

async function damageAtRest(
  rig: Rig,
  { cluster, store, servers }: { cluster: Cluster; store: Store; servers: [Server, Server] },
): Promise<Verdict[]> {
  const { channel, sent } = await publishMany(rig, servers[0], { count: rig.quick ? 120 : 1_500, mostBytes: 20_000 });
  const ids = new Set(sent.map(({ id }) => id));
  const rows = (await references(cluster)).filter(({ id }) => ids.has(id));
  const harmed = new Map<string, string>();
  for (const [index, row] of rows.entries()) {
    if (index % 3 !== 0) continue;
    const how = rig.random.pick(store.harms);
    // Only an object whose bytes are other bytes, and still whole.
    const other = rows.find((next, place) => place % 3 === 1 && next.sha256 !== row.sha256)!;
    await store.harm(row, how, other);
    harmed.set(row.id, how);
  }
  const tally = { read: 0, wrong: 0, untold: 0, mistaken: 0, absent: 0 };
  for (const server of servers)
    for (const read of Object.values(ways)) {
      const held = await read(server.url, channel);
      const at = compare(held, { sent, harmed });
      for (const name of Object.keys(tally) as (keyof typeof tally)[]) tally[name] += at[name];
    }
  const { name } = store;
  const readings = harmed.size * servers.length * Object.keys(ways).length;
  return [
    all(`${name}: acknowledged`, ids.has(null) ? ids.size - 1 : ids.size, sent.length),
    none(`${name}: corrupt payloads delivered as good`, tally.wrong, tally.read),
    none(`${name}: damaged without a payload_error, or with another than theirs`, tally.untold, readings),
    none(`${name}: whole ones with a payload_error`, tally.mistaken, tally.read - readings),
    none(`${name}: messages left out or doubled`, tally.absent, tally.read),
  ];
}

/** Readings against what was sent; `harmed` has the ids of what was damaged, and how. */
function compare(held: readonly Held[], { sent, harmed }: { sent: readonly Sent[]; harmed: Map<string, string> }) {
  const byId = new Map(sent.map((message) => [message.id, message]));
  const tally = { read: 0, wrong: 0, untold: 0, mistaken: 0, absent: Math.abs(held.length - sent.length) };
  for (const { id, payload, payload_error } of held) {
    tally.read += 1;
    const message = byId.get(id);
    byId.delete(id);
    if (message === undefined) tally.absent += 1;
    else if (payload !== null && payload !== message.payload) tally.wrong += 1;
    const how = harmed.get(id);
    if (how === undefined) tally.mistaken += payload_error === undefined ? 0 : 1;
    else if (payload_error !== (how === "remove" ? "missing" : "corrupt")) tally.untold += 1;
  }
  tally.absent += byId.size;
  return tally;
}

/** The store gives other bytes than it holds, or ends in the middle of them; what it holds is whole. */
async function damageOnTheWay(
  rig: Rig,
  { s3, servers }: { s3: ObjectStore; servers: [Server, Server] },
): Promise<Verdict[]> {
  const harmed = new Map<string, string>();
  let read = 0;
  let wrong = 0;
  let absent = 0;
  let last: { sent: Sent[]; channel: CreatedChannel } | undefined;
  for (const kind of ["flip", "truncate", "break"] as const) {
    // More than a page, of which it is hardly possible that all are fetched at one try: a reader must come forward step by step.
    await s3.fault({ kind, share: 0.05, method: "GET" });
    last = await publishMany(rig, servers[0], { count: rig.quick ? 220 : 1_000, mostBytes: 400 });
    for (const server of servers) {
      const tally = compare(await readHeld(server.url, last.channel), { sent: last.sent, harmed });
      read += tally.read;
      wrong += tally.wrong;
      absent += tally.absent;
    }
  }
  await s3.fault(null);
  await rig.pause(1_500);
  let mistaken = 0;
  for (const server of servers)
    for (const way of Object.values(ways))
      mistaken += compare(await way(server.url, last!.channel), { sent: last!.sent, harmed }).mistaken;
  const readings = last!.sent.length * servers.length * Object.keys(ways).length;
  return [
    none("on the way: corrupt payloads delivered as good", wrong, read),
    none("on the way: messages left out or doubled", absent, read),
    none("on the way: still refused once the way is whole again", mistaken, readings),
  ];
}
