/**
 * The clocks of two servers, and the store's, are wrong in every direction and jump between rounds. Ids go on ascending in commit order, nobody misses a
 * message, and messages expire by the store's clock alone.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CreatedChannel, createClient } from "../support/client.ts";
import { carry, type FaultPlan } from "./entries/plan.ts";
import { check, verdictsOf } from "./load/checker.ts";
import { createChannels, startCrew } from "./load/crew.ts";
import { atLeast } from "./load/figures.ts";
import { tableOf } from "./load/table.ts";
import { readInternal } from "./measure/messages.ts";
import { count } from "./measure/stored.ts";
import { none } from "./measure/verdicts.ts";
import type { Rig, Scenario, Server } from "./scenario.ts";

const ENTRY = "test/faults/entries/server.ts";
const INTERNAL_TOKEN = "internal-token-of-the-fault-runs";
const HOUR_MS = 3_600_000;
const YEAR_MS = 365 * 24 * HOUR_MS;
/** How far expiry may be off. */
const EXACT_MS = 1_000;
const POLL_MS = 50;
/** Debian's libfaketime: a process's clock as its libraries see it, timers included. */
const FAKETIME = ["x86_64-linux-gnu", "aarch64-linux-gnu"].map((abi) => `/usr/lib/${abi}/faketime/libfaketime.so.1`);

interface Round {
  words: string;
  /** For the first server and the second. */
  plans: readonly [FaultPlan, FaultPlan];
  /** What `faketime` makes of the clock of each process. */
  fake?: readonly [string, string];
}

/** The store's clock goes backward between rounds only: forward by a year, keys would rightly be forgotten between a publish and its retry. */
const rounds: readonly (Round & { quick: boolean })[] = [
  { quick: false, words: "process clocks", plans: [{ clockMs: -HOUR_MS }, { clockMs: HOUR_MS }] },
  { quick: false, words: "stuck process clocks", plans: [{ clockMs: "stuck" }, { clockMs: -YEAR_MS }] },
  { quick: false, words: "process clocks under faketime", plans: [{}, {}], fake: ["-2y", "+3h"] },
  {
    quick: true,
    words: "a store's clock that each server sees differently",
    plans: [
      { clockMs: HOUR_MS, databaseClockMs: HOUR_MS },
      { clockMs: -HOUR_MS, databaseClockMs: -HOUR_MS },
    ],
  },
  {
    quick: true,
    words: "a store's clock that jumped back a year",
    plans: [
      { clockMs: HOUR_MS, databaseClockMs: -YEAR_MS },
      { clockMs: -HOUR_MS, databaseClockMs: -YEAR_MS },
    ],
  },
];

export const scenario: Scenario = {
  name: "f11",
  words: "two servers whose clocks are an hour or a year off and jump, and a store whose clock jumps",
  quick: false,
  async run(rig) {
    const cluster = await rig.postgres();
    const shared = { DATABASE_URL: cluster.url(), DATA_DIR: join(rig.directory, "shared"), INTERNAL_TOKEN };
    // Changed between rounds; a server takes it when it starts.
    const envs: Record<string, string>[] = [{ ...shared }, { ...shared }];
    const servers = await Promise.all(envs.map((env, n) => rig.server({ name: `server ${n}`, env, entry: ENTRY })));
    await Promise.all(servers.map((server) => server.start()));
    const channels = await createChannels(servers[0]!.url, [
      { visibility: "public", weight: 4 },
      { visibility: "public", weight: 1 },
    ]);
    const readers = channels.flatMap((channel, n) =>
      (["steady", "roving"] as const).map((kind) => ({ name: `${kind} ${n}`, channels: [channel], kind, live: false })),
    );
    const urls = servers.map(({ url }) => url);
    const plan = { servers: urls, channels, publishers: 8, readers, thinkMs: 20, largeShare: 0.2, batchShare: 0 };
    const crew = await startCrew(rig, { ...plan, seed: rig.random.whole(0, 2 ** 31) });
    const watches: Watched[] = [];
    let fakes = 0;
    for (const round of rounds.filter(({ quick }) => quick || !rig.quick)) {
      if (round.fake && fakeLibrary(rig) === null) {
        rig.log(`${round.words}: skipped, there is no faketime here`);
        continue;
      }
      await Promise.all(servers.map((server) => server.kill()));
      for (const [n, env] of envs.entries()) Object.assign(env, environmentOf(rig, round, n as 0 | 1));
      await Promise.all(servers.map((server) => server.start()));
      const watched = await watchExpiry(rig, { round, servers });
      if (round.fake) fakes += 2;
      rig.log(`${round.words}: ${JSON.stringify(watched)}`);
      watches.push(watched);
    }
    const tally = sumOf(watches);
    const unsettled = await crew.stop(15_000);
    await rig.pause(2_000);
    const found = check(await crew.finish(), await tableOf(cluster, channels));
    // The keys of objects bear the hour of the process that stored them: proof that the clocks were wrong.
    const hours = await count(cluster, "SELECT count(DISTINCT split_part(blob_key, '/', 3)) FROM journal_entries");
    return [
      ...verdictsOf(found),
      atLeast("hours that it was for the servers", hours, (rig.quick ? 2 : 4) + fakes),
      none("publishes that came to no end", unsettled, found.attempted),
      none("messages that expired more than 1 s early", tally.early, tally.messages),
      none("messages that were read more than 1 s after their time", tally.late, tally.messages),
      none("messages that two servers stored at once under one key", tally.doubled, tally.messages),
      none("messages dated by another clock than the store's", tally.dated, tally.messages),
    ];
  },
};

function fakeLibrary({ runtime }: Rig): string | null {
  // The other runtimes do not ask libc for the time.
  return runtime === "node" ? (FAKETIME.find((path) => existsSync(path)) ?? null) : null;
}

function environmentOf(rig: Rig, { plans, fake }: Round, n: 0 | 1): Record<string, string> {
  const faked = { LD_PRELOAD: fakeLibrary(rig) ?? "", FAKETIME: fake?.[n] ?? "", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
  return { ...carry(plans[n]), ...(fake ? faked : { LD_PRELOAD: "", FAKETIME: "" }) };
}

/** Publishes messages that live 1 to 3 s to each server, on channels of their own, and looks at both all the time until they have gone. */
async function watchExpiry(
  rig: Rig,
  { round, servers }: { round: Round; servers: readonly Server[] },
): Promise<Watched> {
  const tallies = await Promise.all(
    servers.map(async (server, n) => {
      const offset = round.plans[n]?.databaseClockMs ?? 0;
      // Two servers that disagree about the store's clock cannot agree about an expiry.
      const agreed = round.plans.every(({ databaseClockMs = 0 }) => databaseClockMs === offset);
      return await watchOne(rig, { server, offset, watching: agreed ? servers : [server] });
    }),
  );
  return sumOf(tallies);
}

function sumOf(tallies: readonly Watched[]): Watched {
  const sum = { messages: 0, early: 0, late: 0, dated: 0, doubled: 0 };
  for (const tally of tallies) for (const name of Object.keys(sum) as (keyof Watched)[]) sum[name] += tally[name];
  return sum;
}

/** Counts of messages. */
interface Watched {
  messages: number;
  early: number;
  late: number;
  dated: number;
  doubled: number;
}

interface Short {
  id: string;
  /** On this process's clock. */
  expiresAt: number;
}

async function watchOne(
  rig: Rig,
  { server, offset, watching }: { server: Server; offset: number; watching: readonly Server[] },
): Promise<Watched> {
  const channel = await createClient(server.url).createChannel();
  const shorts: Short[] = [];
  const early = new Set<string>();
  const late = new Set<string>();
  let dated = 0;
  let doubled = 0;
  for (let n = 0; n < 10; n += 1) {
    const ttl = 1 + (n % (rig.quick ? 2 : 3));
    const before = Date.now();
    // A publish and its retry at once, where there are two servers that agree about the time.
    const replies = await Promise.all(watching.map(({ url }) => publishAs(`${n}`, { url, channel, ttl })));
    const { body } = replies[0]!;
    for (const reply of replies) {
      if (reply.status !== 201)
        throw new Error(`a publish was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
      if (reply.body.id !== body.id) doubled += 1;
    }
    const created = Date.parse(body.created_at) - offset;
    const expiresAt = Date.parse(body.expires_at) - offset;
    if (created < before - EXACT_MS || created > Date.now() + EXACT_MS || expiresAt - created !== ttl * 1_000)
      dated += 1;
    shorts.push({ id: body.id, expiresAt });
  }
  const until = Math.max(...shorts.map(({ expiresAt }) => expiresAt)) + 1.5 * EXACT_MS;
  while (Date.now() < until) {
    await Promise.all(watching.map((each) => look(each, channel)));
    await rig.pause(POLL_MS);
  }
  return { messages: shorts.length, early: early.size, late: late.size, dated, doubled };

  async function look({ url }: Server, of: CreatedChannel): Promise<void> {
    const asked = Date.now();
    const seen = new Set((await readInternal(url, of, INTERNAL_TOKEN)).map(({ id }) => id));
    const answered = Date.now();
    for (const { id, expiresAt } of shorts) {
      if (!seen.has(id) && answered < expiresAt - EXACT_MS) early.add(id);
      if (seen.has(id) && asked > expiresAt + EXACT_MS) late.add(id);
    }
  }
}

function publishAs(key: string, { url, channel, ttl }: { url: string; channel: CreatedChannel; ttl: number }) {
  return createClient(url).send("POST", `/v1/channels/${channel.id}/publish`, {
    body: { payload: key, ttl_seconds: ttl },
    headers: { "X-Publish-Token": channel.publish_token, "Idempotency-Key": key },
  });
}
