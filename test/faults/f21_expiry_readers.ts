/**
 * Messages live 1 to 5 seconds, a sweep that is paused now and then removes them, and readers come back with cursors of which some have expired. Each message after
 * a cursor is given, or a `gap` tells of it; nothing is given long after its time, and nobody is told of what was not lost.
 */
import { join } from "node:path";
import { carry } from "./entries/plan.ts";
import { createChannels } from "./load/crew.ts";
import { atLeast } from "./load/figures.ts";
import type { Channel } from "./load/history.ts";
import { ask, keepAlive } from "./load/http.ts";
import { type Published, type Resumption, type Tally, weigh } from "./measure/expiry.ts";
import { type Given, openStream, resume } from "./measure/resumed.ts";
import { all, none } from "./measure/verdicts.ts";
import type { Rig, Scenario, Server } from "./scenario.ts";

const ENTRY = "test/faults/entries/server.ts";
const PUBLISHERS = 6;
const READERS = 10;
const LONG_TTL = 3_600;
const HIDING_TTL = 5;
const PATIENCE_MS = 5_000;
/** How near to its expiry a cursor is chosen, mostly. */
const EDGE_MS = 300;

export const scenario: Scenario = {
  name: "f21",
  words:
    "messages of 1 to 5 s, a sweep that is paused now and then, and readers who come back with cursors at the edge of expiry",
  quick: false,
  async run(rig) {
    const cluster = await rig.postgres();
    const env = { DATABASE_URL: cluster.url(), DATA_DIR: join(rig.directory, "shared") };
    const servers = await Promise.all(["a", "b"].map((name) => rig.server({ name, env })));
    const sweep = await rig.server({ name: "sweep", env: { ...env, ...carry({ sleepMostMs: 50 }) }, entry: ENTRY });
    await Promise.all([...servers, sweep].map((server) => server.start()));
    sweep.signal("SIGSTOP");
    const channels = await createChannels(
      servers[0]!.url,
      [1, 1, 1].map((weight) => ({ visibility: "public", weight })),
    );
    const told = tellOfHidden(rig, servers);
    // Awaited further down; a failure meanwhile must not end the process.
    told.catch(() => undefined);
    const { published, resumptions } = await underWay(rig, { servers, sweep, channels, unswept: told });
    const tally = resumptions.map((resumption) => weigh(resumption, published.get(resumption.channel) ?? []));
    const sum = (name: keyof Tally) => tally.reduce((total, one) => total + one[name], 0);
    for (const [index, one] of tally.entries())
      if (one.late + one.missing + one.silent + one.untold + one.unfounded + one.unended > 0)
        rig.log(
          `${resumptions[index]!.server} ${resumptions[index]!.after} at ${resumptions[index]!.cameAt}: ${JSON.stringify(one)}`,
        );
    return [
      none("resumptions that came to no end", sum("unended"), resumptions.length),
      none("expired messages delivered", sum("late"), sum("given")),
      none("unexpired messages missing", sum("missing"), sum("given")),
      none("messages that expired and of which nobody told", sum("silent"), sum("owed")),
      none("messages twice or out of order", sum("disorder"), sum("given")),
      all("readers told of a gap, of those with one", sum("gaps") - sum("untold"), sum("gaps")),
      none("readers told of what was not lost", sum("unfounded"), resumptions.length),
      atLeast("readers who came with an expired cursor", sum("expired"), rig.quick ? 20 : 200),
      all("told of a short-lived message behind a thousand others", await told, servers.length),
    ];
  },
};

async function underWay(
  rig: Rig,
  {
    servers,
    sweep,
    channels,
    unswept,
  }: { servers: Server[]; sweep: Server; channels: Channel[]; unswept: Promise<unknown> },
): Promise<{ published: Map<string, Published[]>; resumptions: Resumption[] }> {
  const published = new Map<string, Published[]>(channels.map(({ id }) => [id, []]));
  const resumptions: Resumption[] = [];
  const until = performance.now() + (rig.seconds ?? (rig.quick ? 8 : 60)) * 1_000;
  const going = () => performance.now() < until;
  const agent = keepAlive();

  async function publisher(): Promise<void> {
    while (going()) {
      const channel = rig.random.pick(channels);
      const ttl = rig.random.chance(0.2) ? LONG_TTL : rig.random.whole(1, 5);
      published.get(channel.id)!.push(await publish(rig.random.pick(servers), { channel, ttl, agent }));
      await rig.pause(rig.random.whole(5, 25));
    }
  }

  async function reader(): Promise<void> {
    while (going()) {
      const { id: channel } = rig.random.pick(channels);
      const known = published.get(channel)!;
      const server = rig.random.pick(servers);
      const cursor = cursorAmong(rig, known);
      const goal = known.findLast(({ ttl }) => ttl === LONG_TTL);
      if (goal !== undefined && (cursor === null || cursor < goal.id)) {
        const cameAt = Date.now();
        const given = await resume(server.url, channel, { after: cursor, until: goal.id, ms: PATIENCE_MS });
        resumptions.push({ server: server.name, channel, after: cursor, goal: goal.id, cameAt, given });
      }
      await rig.pause(rig.random.whole(10, 200));
    }
  }

  async function sweeping(): Promise<void> {
    await unswept;
    while (going()) {
      sweep.signal("SIGCONT");
      await rig.pause(rig.random.whole(200, 2_000));
      sweep.signal("SIGSTOP");
      await rig.pause(rig.random.whole(200, 3_000));
    }
    sweep.signal("SIGCONT");
  }

  const first = await Promise.all(channels.map((channel) => publish(servers[0]!, { channel, ttl: LONG_TTL, agent })));
  for (const [index, { id }] of channels.entries()) published.get(id)!.push(first[index]!);
  // These never come back; they see all there is from the first message on.
  const steady = servers.flatMap((server) =>
    channels.map(({ id }, index) => ({
      server,
      channel: id,
      cameAt: Date.now(),
      stream: openStream(server.url, id, first[index]!.id),
    })),
  );
  const many = (count: number, work: () => Promise<void>) => Array.from({ length: count }, work);
  await Promise.all([...many(PUBLISHERS, publisher), ...many(READERS, reader), sweeping()]);
  const last = await Promise.all(channels.map((channel) => publish(servers[1]!, { channel, ttl: LONG_TTL, agent })));
  for (const { server, channel, cameAt, stream } of steady) {
    const place = channels.findIndex(({ id }) => id === channel);
    await stream.until(last[place]!.id, PATIENCE_MS);
    stream.close();
    resumptions.push({
      server: server.name,
      channel,
      after: first[place]!.id,
      goal: last[place]!.id,
      cameAt,
      given: stream.given,
    });
  }
  for (const [index, { id }] of channels.entries()) published.get(id)!.push(last[index]!);
  agent.destroy();
  return { published, resumptions };
}

/** Mostly of a message that expires just now, sometimes of any of the last seconds, sometimes none. */
function cursorAmong({ random }: Rig, known: readonly Published[]): string | null {
  if (random.chance(0.1)) return null;
  const now = Date.now();
  const edge = known.filter(({ expiresAt }) => Math.abs(expiresAt - now) < EDGE_MS);
  return random.pick(random.chance(0.6) && edge.length > 0 ? edge : known.slice(-500)).id;
}

async function publish(
  server: Server,
  { channel, ttl, agent }: { channel: Channel; ttl: number; agent?: ReturnType<typeof keepAlive> },
): Promise<Published> {
  const answer = await ask(`${server.url}/v1/channels/${channel.id}/publish?ttl_seconds=${ttl}`, {
    method: "POST",
    headers: { "X-Publish-Token": channel.publishToken, "Content-Type": "text/plain" },
    body: "x",
    timeoutMs: 10_000,
    ...(agent === undefined ? {} : { agent }),
  });
  if (answer.status !== 201) throw new Error(`a publish was answered ${answer.status}: ${answer.body}`);
  const { id, expires_at } = JSON.parse(answer.body) as { id: string; expires_at: string };
  return { id, ttl, expiresAt: Date.parse(expires_at) };
}

/**
 * Of what has expired and has not been swept, the last message was the first to expire: a reader who has seen all but that one must be told. Returns how many
 * readers were.
 */
async function tellOfHidden(rig: Rig, servers: readonly Server[]): Promise<number> {
  const agent = keepAlive();
  const [channel] = await createChannels(servers[0]!.url, [{ visibility: "public", weight: 1 }]);
  const others: Published[] = [];
  // So many of them expire after the one that follows, however slow this machine is now.
  const enough = () => others.filter(({ expiresAt }) => expiresAt > Date.now() + 1_500).length > 1_100;
  const one = async () => {
    while (!enough() && others.length < 10_000)
      others.push(await publish(servers[0]!, { channel: channel!, ttl: HIDING_TTL, agent }));
  };
  await Promise.all(Array.from({ length: 32 }, one));
  const hidden = await publish(servers[0]!, { channel: channel!, ttl: 1, agent });
  agent.destroy();
  await rig.pause(HIDING_TTL * 1_000);
  const after = others
    .map(({ id }) => id)
    .toSorted()
    .at(-1)!;
  const given = await Promise.all(servers.map(({ url }) => resume(url, channel!.id, { after, until: null, ms: 500 })));
  const isTold = ({ notices }: Given) =>
    notices.some(({ event, lost_through = "" }) => event === "gap" && lost_through >= hidden.id);
  return given.filter(isTold).length;
}
