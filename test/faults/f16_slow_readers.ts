/**
 * F16: readers whose sockets nobody reads, beside live ones. The log is the buffer: a slow reader costs the server a bounded buffer, then its connection, and never a message; the
 * live ones do not notice.
 */
import type { IncomingMessage } from "node:http";
import { createChannels } from "./load/crew.ts";
import { createEventStream } from "./load/event_stream.ts";
import { atMost, grouped, lastingP99, mebibytes, milliseconds, noneOf, percentile } from "./load/figures.ts";
import { follow } from "./load/http.ts";
import { acknowledgedIds, publishing, startProbe } from "./load/probe.ts";
import { tableOf } from "./load/table.ts";
import type { Rig, Scenario, Server } from "./scenario.ts";

const PAYLOAD = "x".repeat(15_000);
const EVERY_MS = 3;
const LIVE = 5;
const PER_READER_BYTES = 2 * 2 ** 20;
/** What a garbage collector leaves for later, and buffers of messages that are on their way. */
const SLACK_BYTES = 64 * 2 ** 20;
/** Live readers' delays below this are the noise of the machine. */
const NOISE_MS = 15;
const RESUME_MS = 120_000;
/** MiB of messages for each part, more than the system itself holds for a socket, and how many slow readers there are in the last. */
const FULL = { base: 40, one: 200, crowd: 20, readers: 100 };
const QUICK = { base: 20, one: 60, crowd: 15, readers: 30 };

/** What one part of the run came to. */
interface Part {
  memory: number;
  /** When each message came to each live reader, and how long after it was sent. */
  delays: { at: number; ms: number }[];
}

export const scenario: Scenario = {
  name: "f16",
  words: "sockets that nobody reads: memory bounded, live readers undisturbed, nothing missed afterwards",
  quick: false,
  async run(rig) {
    const cluster = await rig.postgres();
    const server = await rig.server({ name: "A", env: { DATABASE_URL: cluster.url() } });
    await server.start();
    const channels = await createChannels(server.url, [{ visibility: "public", weight: 1 }]);
    const url = `${server.url}/v1/public/${channels[0]!.id}?from=earliest`;
    const live = Array.from({ length: LIVE }, () => openReader(rig, url));
    const size = rig.quick ? QUICK : FULL;
    /** By id, when each was sent. */
    const acknowledged = new Map<string, number>();

    /** Publishes so many bytes at an even rate; what the server's memory came to, and the live readers' delays. */
    async function publish(bytes: number): Promise<Part> {
      let left = Math.ceil(bytes / PAYLOAD.length);
      const probe = startProbe(EVERY_MS, () =>
        left-- > 0 ? publishing(server.url, channels[0]!, { payload: PAYLOAD }) : null,
      );
      const memory = await highest(rig, { server, while: () => left > 0 });
      await probe.stop();
      await rig.pause(500);
      const since = new Set(acknowledgedIds(probe.shots));
      for (const { at, status, body } of probe.shots)
        if (status === 201) acknowledged.set((JSON.parse(body) as { id: string }).id, at);
      const delays = live.flatMap(({ came }) =>
        [...came].flatMap(([id, at]) => (since.has(id) ? [{ at, ms: at - acknowledged.get(id)! }] : [])),
      );
      return { memory, delays };
    }

    const base = await publish(size.base * 2 ** 20);
    const slow = [openReader(rig, url)];
    await rig.pause(500);
    for (const reader of slow) reader.hold();
    const one = await publish(size.one * 2 ** 20);
    const crowd = Array.from({ length: size.readers }, () => openReader(rig, `${url.replace("?from=earliest", "")}`));
    await rig.pause(1_000);
    for (const reader of crowd) reader.hold();
    const many = await publish(size.crowd * 2 ** 20);
    for (const part of [base, one, many])
      rig.log(
        `memory ${mebibytes(part.memory)}, delay p50 ${milliseconds(
          percentile(
            part.delays.map(({ ms }) => ms),
            0.5,
          ),
        )}, p99 ${milliseconds(lastingP99(part.delays))}`,
      );

    for (const reader of [...slow, ...crowd]) reader.release();
    const all = [...live, ...slow, ...crowd];
    const began = performance.now();
    const last = async () => (await cluster.query("SELECT max(id::text) AS last FROM journal_entries"))[0]?.last;
    for (let end = await last(); all.some(({ ids }) => ids.at(-1) !== end); end = await last()) {
      if (performance.now() - began > RESUME_MS) break;
      await rig.pause(200);
    }
    const order = (await tableOf(cluster, channels)).map(({ id }) => id);
    const stored = new Set(order);
    rig.log(
      `all have the last message after ${milliseconds(performance.now() - began)}; reconnects ${grouped(all.reduce((sum, { opened }) => sum + opened(), 0) - all.length)}`,
    );
    const wrong = all.filter(({ ids }) => ids.join() !== order.slice(order.indexOf(ids[0] ?? "")).join());
    const growth = (part: { memory: number }, readers: number) => ({
      value: part.memory - base.memory,
      most: readers * PER_READER_BYTES + SLACK_BYTES,
    });
    const [first, hundred] = [growth(one, 1), growth(many, size.readers + 1)];
    const undisturbed = Math.max(NOISE_MS, 1.2 * lastingP99(base.delays));
    return [
      atMost(`memory for one slow reader over ${size.one} MiB of messages`, first.value, {
        most: first.most,
        unit: mebibytes,
      }),
      atMost(`memory for ${size.readers} slow readers over ${size.crowd} MiB each`, hundred.value, {
        most: hundred.most,
        unit: mebibytes,
      }),
      atMost(`delay p99 of live readers beside ${size.readers} slow ones, second by second`, lastingP99(many.delays), {
        most: undisturbed,
        unit: milliseconds,
      }),
      noneOf(
        "readers without exactly every message once they read again",
        wrong.map(({ ids }) => `${ids.length}, from place ${order.indexOf(ids[0] ?? "")} of ${order.length}`),
        all.length,
      ),
      noneOf(
        "acknowledged lost",
        [...acknowledged.keys()].filter((id) => !stored.has(id)),
        acknowledged.size,
      ),
    ];
  },
};

async function highest(rig: Rig, { server, while: going }: { server: Server; while: () => boolean }): Promise<number> {
  let most = 0;
  while (going()) {
    most = Math.max(most, await server.memory());
    await rig.pause(100);
  }
  return most;
}

/** A reader that comes back with its Last-Event-ID, and can leave its socket unread for a while. */
function openReader(rig: Rig, url: string) {
  const came = new Map<string, number>();
  const ids: string[] = [];
  let response: IncomingMessage | null = null;
  let lastEventId = "";
  let opened = 0;
  let over = false;
  rig.onEnd(() => {
    over = true;
    response?.destroy();
  });

  async function connection(): Promise<void> {
    const stream = createEventStream({
      lastEventId,
      onEvent({ id }) {
        ids.push(id);
        if (!came.has(id)) came.set(id, performance.now());
      },
    });
    await follow(url, {
      headers: lastEventId === "" ? {} : { "Last-Event-ID": lastEventId },
      onText(text) {
        stream.feed(text);
        lastEventId = stream.lastEventId();
      },
      onResponse(answer) {
        response = answer;
        opened += 1;
      },
    }).over;
  }

  void (async () => {
    while (!over) {
      await connection();
      await rig.pause(100);
    }
  })();
  return {
    came,
    ids,
    opened: () => opened,
    hold: () => void response?.pause(),
    release: () => void response?.resume(),
  };
}
