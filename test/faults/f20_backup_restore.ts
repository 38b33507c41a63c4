/**
 * A database is set back to its backup while one server goes on and another starts again. Readers whose cursor the backup does not know are told by `reset` and
 * given everything that is held; the others go on as if nothing had been; nobody is given what is no more, and nobody misses what is.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { type Sent, send } from "./measure/messages.ts";
import { openStream, resume } from "./measure/resumed.ts";
import { all, none } from "./measure/verdicts.ts";
import type { Cluster, Rig, Scenario, Server, Verdict } from "./scenario.ts";

const PATIENCE_MS = 5_000;
/** Long enough for what should not come. */
const SILENCE_MS = 300;
/** A look at the store each second; a listener that lost its server tries again after 5 s at the latest. */
const LOOK_MS = 1_500;
const LISTEN_MS = 6_000;
const AT_ONCE = 8;
const SAMPLE = 50;

interface Past {
  channel: CreatedChannel;
  servers: readonly Server[];
  /** Ids that the backup has, and those that it has not. */
  kept: string[];
  lost: string[];
}

/** What a reader that comes with a cursor must be given. */
interface Case {
  server: Server;
  after: string;
  expected: string[];
  /** The cursor is of the time that the backup does not know. */
  future: boolean;
}

export const scenario: Scenario = {
  name: "f20",
  words:
    "the database is set back to a backup under one server that goes on and one that starts again; readers come from the future",
  quick: true,
  async run(rig) {
    const cluster = await rig.postgres();
    const env = { DATABASE_URL: cluster.url(), DATA_DIR: join(rig.directory, "shared") };
    const staying = await rig.server({ name: "staying", env });
    const restarted = await rig.server({ name: "restarted", env });
    const servers = [staying, restarted];
    await Promise.all(servers.map((server) => server.start()));
    const verdicts = await setBack(rig, { cluster, staying, restarted, atOnce: false });
    if (rig.quick) return verdicts;
    return [...verdicts, ...(await setBack(rig, { cluster, staying, restarted, atOnce: true }))];
  },
};

interface Stage {
  cluster: Cluster;
  staying: Server;
  restarted: Server;
  /** Somebody publishes as soon as the backup is in place, so that the store is ahead of the cursors from before at once. */
  atOnce: boolean;
}

async function setBack(rig: Rig, { cluster, staying, restarted, atOnce }: Stage): Promise<Verdict[]> {
  const servers = [staying, restarted];
  const channel = await createClient(staying.url).createChannel();
  const count = rig.quick ? 40 : 200;
  const kept = await publish(staying, { channel, count });
  const backup = join(rig.directory, "backup");
  await copy(cluster, { from: cluster.data, to: backup });
  await ready(servers, channel);

  const younger = await createClient(staying.url).createChannel();
  const [last] = await publish(restarted, { channel: younger, count: 1 });
  const live = openStream(staying.url, channel.id, kept.at(-1)!);
  const orphaned = openStream(staying.url, younger.id, null);
  const lost = await publish(restarted, { channel, count });
  await Promise.all([live.until(lost.at(-1)!, PATIENCE_MS), orphaned.until(last!, PATIENCE_MS)]);
  rig.log(`restoring; a stream has ${live.given.messages.length} messages that the backup does not have`);
  await restarted.kill();
  await copy(cluster, { from: backup, to: cluster.data });
  await restarted.start();
  const first = atOnce ? await publish(restarted, { channel, count: 5 }) : [];
  await ready(servers, channel);
  // What a server remembers of the time that is no more may last until its next look at the store, or until it listens again.
  await rig.pause(atOnce ? LISTEN_MS : LOOK_MS);

  const past = { channel, servers, kept, lost };
  const early = await tryAll(rig, past, [...kept, ...first]);
  const fresh = await publish(staying, { channel, count: 20 });
  const late = await tryAll(rig, past, [...kept, ...first, ...fresh]);
  await live.until(fresh.at(-1)!, PATIENCE_MS);
  await orphaned.until(null, PATIENCE_MS);
  const stayed = new Set(live.given.messages.map(({ id }) => id));
  live.close();
  orphaned.close();
  const when = atOnce ? "written to at once: " : "";
  // A stream that was ended comes back with its cursor, and is then a case like the others.
  const missed = live.given.ended ? [] : [...first, ...fresh].filter((id) => !stayed.has(id));
  return [
    ...verdictsOf(`${when}before new messages`, early),
    ...verdictsOf(`${when}after new messages`, late),
    none(`${when}missed by a stream that stayed open`, missed.length, first.length + fresh.length),
    none(`${when}streams of a channel that is no more, still open`, orphaned.given.ended ? 0 : 1, 1),
  ];
}

/** Publishes through a server; returns the ids in their order. */
async function publish(
  server: Server,
  { channel, count }: { channel: CreatedChannel; count: number },
): Promise<string[]> {
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) {
    const sent: Sent = { key: crypto.randomUUID(), payload: `${n}`, id: null };
    await send(server.url, channel, sent);
    if (sent.id === null) throw new Error(`${server.name} did not store message ${n}`);
    ids.push(sent.id);
  }
  return ids;
}

/** Copies a data directory over another while PostgreSQL is stopped. */
async function copy(cluster: Cluster, { from, to }: { from: string; to: string }): Promise<void> {
  await cluster.stop();
  for (const [program, ...words] of [
    ["rm", "-rf", to],
    ["cp", "-a", from, to],
  ] as const) {
    const { status, stderr } = spawnSync(program, words, { encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ${words.join(" ")}: ${stderr}`);
  }
  await cluster.start();
}

/** Until every server reads from the database again, and remembers no credential from before. */
async function ready(servers: readonly Server[], channel: CreatedChannel): Promise<void> {
  const headers = { "X-Publish-Token": channel.publish_token };
  for (const { name, url } of servers) {
    const answers = () =>
      createClient(url)
        .send("GET", `/v1/channels/${channel.id}`, { headers })
        .then(({ status }) => status === 200)
        .catch(() => false);
    await eventually(`${name} has its database again`, answers, 15_000);
  }
}

interface Outcome extends Case {
  ids: string[];
  notices: string[];
}

/** Comes with cursors of both times to both servers. `held` is what the channel holds. */
async function tryAll(rig: Rig, { channel, servers, kept, lost }: Past, held: string[]): Promise<Outcome[]> {
  const cases = servers.flatMap((server): Case[] => [
    ...some(kept).map((after) => ({ server, after, expected: held.filter((id) => id > after), future: false })),
    ...some(lost).map((after) => ({ server, after, expected: held, future: true })),
  ]);
  const outcomes: Outcome[] = [];
  const line = cases.values();
  const one = async () => {
    for (const next of line) {
      const until = next.expected.at(-1) ?? null;
      const ms = until === null ? SILENCE_MS : PATIENCE_MS;
      const given = await resume(next.server.url, channel.id, { after: next.after, until, ms });
      const ids = given.messages.map(({ id }) => id);
      const notices = given.notices.map(({ event, after, place }) => `${event} ${after} ${place}`);
      if (ids.join() !== next.expected.join() || notices.length !== (next.future ? 1 : 0))
        rig.log(`${next.server.name} after ${next.after}: ${ids.length} of ${next.expected.length}, told ${notices}`);
      outcomes.push({ ...next, ids, notices });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
  return outcomes;
}

function some(ids: readonly string[]): string[] {
  const step = Math.max(1, Math.floor(ids.length / SAMPLE));
  return ids.filter((_, index) => index % step === 0 || index === ids.length - 1);
}

function verdictsOf(when: string, outcomes: readonly Outcome[]): Verdict[] {
  const future = outcomes.filter((outcome) => outcome.future);
  const others = outcomes.filter((outcome) => !outcome.future);
  const sum = (read: (outcome: Outcome) => number) => outcomes.reduce((total, outcome) => total + read(outcome), 0);
  const told = future.filter(({ notices, after }) => notices.length === 1 && notices[0] === `reset ${after} 0`);
  return [
    all(`${when}: readers from the future that saw a reset, before all else`, told.length, future.length),
    none(
      `${when}: other readers that were told of anything`,
      others.filter(({ notices }) => notices.length > 0).length,
      others.length,
    ),
    none(
      `${when}: messages missed`,
      sum(({ expected, ids }) => expected.filter((id) => !ids.includes(id)).length),
      sum(({ expected }) => expected.length),
    ),
    none(
      `${when}: messages that are no more, or came twice`,
      sum(({ expected, ids }) => ids.filter((id, at) => !expected.includes(id) || ids.indexOf(id) !== at).length),
      sum(({ ids }) => ids.length),
    ),
  ];
}
