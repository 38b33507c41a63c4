/**
 * Publishers that want each message stored exactly once: each keeps its Idempotency-Key and tries again, at a server picked by chance, until it has a 201. Some
 * give up after the first try, some send again after the 201, some send to two servers at once.
 */
import type { Random } from "../scenario.ts";
import { type Channel, type History, type Publish, payloadOf } from "./history.ts";
import { type Answer, ask, keepAlive } from "./http.ts";

export interface PublisherOptions {
  servers: readonly string[];
  channels: readonly Channel[];
  random: Random;
  history: History;
  /** Milliseconds between two publishes of one publisher, at most. */
  thinkMs: number;
  /** Of the messages, whose payloads go to the object store. */
  largeShare: number;
  /** Of the publishes, those of several messages with one key. */
  batchShare: number;
}

export interface Publishers {
  /** Resolves when every publisher has settled its last message. */
  stop(): Promise<void>;
  unsettled(): number;
}

const ABANDONED = 0.01;
const AGAIN = 0.03;
const TWICE = 0.03;
const BLIND = 0.1;
const SHUNNED_MS = 500;
const LARGE = [17_000, 60_000] as const;
const BATCH = [2, 12] as const;

export function startPublishers(count: number, options: PublisherOptions): Publishers {
  const { random, history } = options;
  const agent = keepAlive();
  const weights = options.channels.flatMap((channel) => Array.from({ length: channel.weight }, () => channel));
  const failedAt = new Map<string, number>();
  let stopping = false;
  let unsettled = 0;

  async function one(): Promise<void> {
    while (!stopping) {
      unsettled += 1;
      await publish();
      unsettled -= 1;
      await pause(random.next() * options.thinkMs);
    }
  }

  async function publish(): Promise<void> {
    const channel = random.pick(weights);
    const parts = random.chance(options.batchShare) ? random.whole(...BATCH) : 1;
    const key = random.hex(24);
    const record: Publish = {
      key,
      channel: channel.id,
      parts,
      invokedAt: performance.now(),
      ackedAt: null,
      ids: [],
      attempts: 0,
    };
    history.publishes.push(record);
    const call = callOf(channel, record, random.chance(options.largeShare) ? random.whole(...LARGE) : key.length);
    const abandons = random.chance(ABANDONED);
    const twice = random.chance(TWICE);
    for (;;) {
      record.attempts += 1;
      const servers = twice ? options.servers : [chosenServer()];
      const timeoutMs = abandons ? random.whole(1, 60) : random.whole(300, 3_000);
      const answers = await Promise.all(servers.map((server) => attempt(server, call, timeoutMs)));
      const settled = answers.map((answer) => settle(record, answer));
      if (abandons || settled.includes(true)) break;
      await pause(random.whole(10, 300));
    }
    if (record.ackedAt !== null && random.chance(AGAIN))
      settle(record, await attempt(random.pick(options.servers), call, 2_000));
  }

  /** Mostly one that has not just failed, as a balancer would choose; else every publisher would soon be waiting for the one that hangs. */
  function chosenServer(): string {
    const well = options.servers.filter(
      (server) => performance.now() - (failedAt.get(server) ?? -SHUNNED_MS) >= SHUNNED_MS,
    );
    return random.pick(well.length === 0 || random.chance(BLIND) ? options.servers : well);
  }

  async function attempt(server: string, { path, headers, body }: Call, timeoutMs: number): Promise<Answer | null> {
    const answer = await ask(server + path, { method: "POST", headers, body, timeoutMs, agent }).catch(() => null);
    if (answer?.status !== 201) failedAt.set(server, performance.now());
    return answer;
  }

  /** True when nothing more is to be tried. */
  function settle(record: Publish, answer: Answer | null): boolean {
    if (answer === null || answer.status === 503 || answer.status === 504) return false;
    if (answer.status !== 201) {
      history.oddities.refusals.push(`${answer.status} ${answer.body.slice(0, 200)}`);
      return true;
    }
    const ids = idsOf(answer.body);
    if (record.ackedAt === null) {
      record.ackedAt = performance.now();
      record.ids = ids;
    } else if (ids.join() !== record.ids.join()) history.oddities.badReplays += 1;
    return true;
  }

  const all = Promise.all(Array.from({ length: count }, one));
  return {
    async stop() {
      stopping = true;
      await all;
      agent.destroy();
    },
    unsettled: () => unsettled,
  };
}

interface Call {
  path: string;
  headers: Record<string, string>;
  body: string;
}

function callOf(channel: Channel, { key, parts }: Publish, size: number): Call {
  const messages = Array.from({ length: parts }, (_, place) => {
    const own = `${key}/${place}`;
    return { payload: payloadOf(own, size), metadata: { k: own, size } };
  });
  return {
    path: `/v1/channels/${channel.id}/publish`,
    headers: {
      "Content-Type": "application/json",
      "X-Publish-Token": channel.publishToken,
      "Idempotency-Key": key,
    },
    body: JSON.stringify(parts === 1 ? messages[0] : { messages }),
  };
}

function idsOf(body: string): string[] {
  const answer = JSON.parse(body) as { id?: string; messages?: { id: string }[] };
  return answer.messages?.map(({ id }) => id) ?? [answer.id ?? ""];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
