/**
 * A server dies between the object and its row, and a sweep between the row and its object. Afterwards every row has its object, every
 * acknowledged message is there once, and what nobody refers to goes.
 */
import { join } from "node:path";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { type CrashPoint, carry, type FaultPlan } from "./entries/plan.ts";
import { atLeast } from "./load/figures.ts";
import { readHeld, type Sent, send } from "./measure/messages.ts";
import { count, type ObjectFolder, objectFolder, references } from "./measure/stored.ts";
import { none } from "./measure/verdicts.ts";
import type { Cluster, Rig, Scenario, Server, Verdict } from "./scenario.ts";

const ENTRY = "test/faults/entries/server.ts";
const HOUR_MS = 3_600_000;
const PUBLISHERS = 8;
/** For whatever is to happen soon. */
const PATIENCE_MS = 20_000;
/** Longer than a queued object is kept for readers, and than a dead sweep's lease. */
const LATER_MS = 660_000;

interface House {
  rig: Rig;
  cluster: Cluster;
  folder: ObjectFolder;
  /** An ordinary server that stays. */
  steady: Server;
  channel: CreatedChannel;
  sent: Sent[];
  /** A server of the same database and directory with a plan of its own. */
  planned(plan: FaultPlan): Promise<Server>;
}

export const scenario: Scenario = {
  name: "f08",
  words: "crashes between PUT and commit, and between row and object deletion; then the sweeps with a moved clock",
  quick: false,
  async run(rig) {
    const house = await openHouse(rig);
    const rounds = rig.quick ? 1 : 8;
    for (let round = 0; round < rounds; round += 1)
      for (const point of ["in_put", "after_put", "after_append"] as const) await crashPublishing(house, point);
    return [...(await afterCrashes(house)), ...(await orphansGo(house)), ...(await expiredGo(house))];
  },
};

async function openHouse(rig: Rig): Promise<House> {
  const cluster = await rig.postgres();
  const dataDir = join(rig.directory, "shared");
  const env = { DATABASE_URL: cluster.url(), DATA_DIR: dataDir, PAYLOAD_INLINE_MAX_BYTES: "64" };
  const steady = await rig.server({ name: "steady", env });
  await steady.start();
  const folder = await objectFolder(dataDir);
  const channel = await createClient(steady.url).createChannel({ default_ttl_seconds: 172_800 });
  async function planned(plan: FaultPlan): Promise<Server> {
    const server = await rig.server({ name: JSON.stringify(plan), env: { ...env, ...carry(plan) }, entry: ENTRY });
    await server.start();
    return server;
  }
  return { rig, cluster, folder, steady, channel, sent: [], planned };
}

/** Publishes to a server until it dies at the point, then sends what was not acknowledged again to the one that stays. */
async function crashPublishing({ rig, planned, channel, sent, steady }: House, point: CrashPoint): Promise<void> {
  const server = await planned({ crashAt: point, passage: rig.random.whole(5, 60) });
  const mine: Sent[] = [];
  const deadline = performance.now() + PATIENCE_MS;
  await Promise.all(
    Array.from({ length: PUBLISHERS }, async () => {
      while (server.pid() !== undefined) {
        if (performance.now() > deadline) throw new Error(`the server did not come to ${point}`);
        const message = newMessage(rig);
        mine.push(message);
        await send(server.url, channel, message);
      }
    }),
  );
  const open = mine.filter(({ id }) => id === null);
  for (const message of open) await send(steady.url, channel, message);
  rig.log(`${point}: ${mine.length} sent, ${open.length} of them again`);
  sent.push(...mine);
}

function newMessage({ random }: Rig): Sent {
  // Every third is small enough for its row.
  const length = random.chance(0.3) ? random.whole(1, 64) : random.whole(65, 6_000);
  const payload = random.hex(Math.ceil(length)).slice(0, length);
  return { key: random.hex(32), payload, id: null, ttlSeconds: random.chance(0.5) ? 3_600 : 172_800 };
}

async function afterCrashes({ cluster, folder, steady, channel, sent }: House): Promise<Verdict[]> {
  const held = await readHeld(steady.url, channel);
  const byId = new Map(held.map((message) => [message.id, message]));
  const lost = sent.filter(({ id, payload }) => id !== null && byId.get(id)?.payload !== payload);
  const rows = await references(cluster);
  const objects = await folder.list();
  const keys = new Set(rows.map(({ key }) => key));
  const partial = rows.filter(({ key, size }) => (objects.get(key)?.size ?? size) !== size);
  return [
    none("not stored even by a retry", sent.filter(({ id }) => id === null).length, sent.length),
    none("acknowledged lost or changed", lost.length, sent.length),
    none("double publishes", held.length - new Set(sent.map(({ id }) => id)).size, sent.length),
    none("rows without their object", (await folder.broken(rows)).length, rows.length),
    none("objects of half a payload", partial.length, rows.length),
    atLeast("orphans that the crashes left", [...objects.keys()].filter((key) => !keys.has(key)).length, 1),
    atLeast("unfinished files that the crashes left", (await folder.unfinished()).length, 1),
  ];
}

/** The sweep of orphans while others publish, some of them slowly between their object and its row. */
async function orphansGo(house: House): Promise<Verdict[]> {
  const { rig, cluster, folder, channel, planned } = house;
  const before = await references(cluster);
  const orphans = [...(await folder.list()).keys()].filter((key) => !before.some((row) => row.key === key));
  await folder.age(3 * HOUR_MS);
  const unfinished = (await folder.unfinished()).length;
  const [slow, sweep] = await Promise.all([planned({ holdAfterPutMs: 1_500 }), planned({ sleepMostMs: 50 })]);
  const meanwhile = Array.from({ length: 20 }, () => newMessage(rig));
  const publishing = Promise.all(meanwhile.map((message) => send(slow.url, channel, message)));
  const left = async () => {
    const objects = await folder.list();
    return orphans.filter((key) => objects.has(key)).length;
  };
  await eventually("the orphans are gone", async () => (await left()) === 0, PATIENCE_MS).catch((error) =>
    rig.log(`${error}`),
  );
  await publishing;
  const unfinishedLeft = async () => (await folder.unfinished()).length;
  await eventually("the unfinished files are gone", async () => (await unfinishedLeft()) === 0, PATIENCE_MS).catch(
    (error) => rig.log(`${error}`),
  );
  await sweep.kill();
  await slow.kill();
  house.sent.push(...meanwhile);
  const rows = await references(cluster);
  return [
    none("orphans after the sweep", await left(), orphans.length),
    none("unfinished files after the next start", await unfinishedLeft(), unfinished),
    none("published beside the sweep and refused", meanwhile.filter(({ id }) => id === null).length, meanwhile.length),
    none("live objects deleted by the sweep", (await folder.broken(rows)).length, rows.length),
  ];
}

/** What lives one hour expires, with sweeps that die on the way; then everything. */
async function expiredGo({ rig, cluster, folder, planned }: House): Promise<Verdict[]> {
  const all = await references(cluster);
  let databaseClockMs = 2 * HOUR_MS;
  const points = ["after_expire", "before_remove", "after_remove", "after_done"] as const;
  for (const crashAt of rig.quick ? points.filter((_, at) => at % 2 === 0) : points) {
    const sweep = await planned({ crashAt, databaseClockMs, sleepMostMs: 50 });
    const ended = await Promise.race([sweep.ended().then(() => true), rig.pause(PATIENCE_MS).then(() => false)]);
    if (!ended) throw new Error(`the sweep did not come to ${crashAt}`);
    databaseClockMs += LATER_MS;
  }
  const settled = async () => {
    const sweep = await planned({ databaseClockMs, sleepMostMs: 50 });
    const expired = `SELECT count(*) FROM journal_entries WHERE expires_at <= clock_timestamp() + ${databaseClockMs} * interval '1 millisecond'`;
    await eventually("the expired rows are gone", async () => (await count(cluster, expired)) === 0, PATIENCE_MS);
    await sweep.kill();
    databaseClockMs += LATER_MS;
    const late = await planned({ databaseClockMs, sleepMostMs: 50 });
    const queued = "SELECT count(*) FROM object_deletions";
    await eventually("the queue is empty", async () => (await count(cluster, queued)) === 0, PATIENCE_MS).catch(
      (error) => rig.log(`${error}`),
    );
    await late.kill();
    databaseClockMs += LATER_MS;
    return { rows: await references(cluster), objects: await folder.list() };
  };
  const some = await settled();
  const keys = new Set(some.rows.map(({ key }) => key));
  const verdicts = [
    none(
      "objects of expired rows",
      [...some.objects.keys()].filter((key) => !keys.has(key)).length,
      all.length - some.rows.length,
    ),
    none("live objects deleted with them", (await folder.broken(some.rows)).length, some.rows.length),
  ];
  if (rig.quick) return verdicts;
  databaseClockMs += 49 * HOUR_MS;
  const end = await settled();
  return [
    ...verdicts,
    none("rows and objects left when all has expired", end.rows.length + end.objects.size, all.length),
  ];
}
