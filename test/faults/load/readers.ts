/** Readers that want each message exactly once and in order: they come back with `Last-Event-ID`, to a server picked by chance, and note all they are given. */
import type { Random } from "../scenario.ts";
import { createEventStream, type StreamEvent } from "./event_stream.ts";
import { type Channel, payloadOf, type Reading } from "./history.ts";
import { ask, follow, keepAlive } from "./http.ts";

export interface ReaderOptions {
  name: string;
  /** One; several are followed on one stream. */
  channels: readonly Channel[];
  kind: Reading["kind"];
  /** Begins with what is new, not with the earliest message; on one channel only. */
  live: boolean;
  servers: readonly string[];
  random: Random;
}

export interface Reader {
  /** One for each channel. */
  readings: readonly Reading[];
  close(): Promise<void>;
}

/** A comment comes every 15 s; whoever hears nothing for longer has lost the connection. */
const IDLE_MS = 20_000;
const WAIT_SECONDS = 5;

export function startReader(options: ReaderOptions): Reader {
  const readings = options.channels.map((channel) => emptyReading(options, channel));
  const closing = new AbortController();
  const rounds = options.kind === "polling" ? polling : streaming;
  const round = rounds({ ...options, readings, signal: closing.signal });
  const over = (async () => {
    while (!closing.signal.aborted) {
      await round();
      await new Promise((resolve) => setTimeout(resolve, options.random.whole(20, 200)));
    }
  })();
  return {
    readings,
    async close() {
      closing.abort();
      await over;
    },
  };
}

interface Round extends ReaderOptions {
  readings: readonly Reading[];
  signal: AbortSignal;
}

/** One connection at a time, until it ends; a roving reader ends it by itself soon. */
function streaming({ channels, kind, live, servers, random, readings, signal }: Round): () => Promise<void> {
  const [channel, ...others] = channels;
  const query = new URLSearchParams(others.length > 0 ? { channels: others.map(({ id }) => id).join() } : {});
  if (!live) query.set("from", "earliest");
  const [first] = readings;
  let lastEventId = "";

  return async () => {
    let head = "";
    const stream = createEventStream({ lastEventId, onEvent: (event) => note(readings, event) });
    const going = follow(`${random.pick(servers)}/v1/${channel!.visibility}/${channel!.id}?${query}`, {
      headers: { ...credentialOf(channel!), ...(lastEventId === "" ? {} : { "Last-Event-ID": lastEventId }) },
      idleMs: IDLE_MS,
      onOpen(status) {
        if (status === 200) for (const reading of readings) reading.connections += 1;
      },
      onText(text) {
        if (live && first!.live === null) {
          head += text;
          const after = firstIdIn(head);
          if (after !== null) first!.live = { after, since: performance.now() };
        }
        stream.feed(text);
        lastEventId = stream.lastEventId();
      },
    });
    const timer = kind === "roving" ? setTimeout(going.close, random.whole(50, 850)) : undefined;
    signal.addEventListener("abort", going.close, { once: true });
    const status = await going.over;
    clearTimeout(timer);
    signal.removeEventListener("abort", going.close);
    if (isRefusal(status)) first!.refusals.push(`${status}`);
  };
}

/** Where a stream of what comes from now on begins: it says so before all else, though perhaps in one piece with its first messages. */
function firstIdIn(text: string): string | null {
  return /^id: (.*)\n/m.exec(text)?.[1] ?? null;
}

/** One long-poll after the other, each from where the last one ended; pages are large, since there is a pause between two. */
function polling({ channels, servers, random, readings }: Round): () => Promise<void> {
  const [channel] = channels;
  const [reading] = readings;
  const agent = keepAlive();
  let cursor: string | null = null;

  return async () => {
    const query = new URLSearchParams({
      wait: `${WAIT_SECONDS}`,
      limit: "1000",
      ...(cursor === null ? { from: "earliest" } : { after: cursor }),
    });
    const url = `${random.pick(servers)}/v1/${channel!.visibility}/${channel!.id}?${query}`;
    const timeoutMs = (WAIT_SECONDS + 4) * 1_000;
    const answer = await ask(url, { headers: credentialOf(channel!), timeoutMs, agent }).catch(() => null);
    if (answer !== null && isRefusal(answer.status))
      reading!.refusals.push(`${answer.status} ${answer.body.slice(0, 100)}`);
    if (answer?.status !== 200) return;
    reading!.connections += 1;
    const page = JSON.parse(answer.body) as { messages: Message[]; next_cursor: string; notice?: unknown };
    if (page.notice !== undefined) reading!.notices.push(JSON.stringify(page.notice));
    for (const message of page.messages) keep(reading!, message, isAsPublished(message));
    cursor = page.next_cursor;
  };
}

interface Message {
  id: string;
  channel_id?: string;
  payload: unknown;
  metadata: { k: string; size: number } | null;
}

function note(readings: readonly Reading[], { id, event, data }: StreamEvent): void {
  const [only] = readings;
  if (event !== "message") return void only!.notices.push(`${event} ${data.slice(0, 200)}`);
  const message = messageOf(data);
  const reading = readings.length === 1 ? only : readings.find(({ channel }) => channel === message?.channel_id);
  if (message === null || reading === undefined) return void only!.wrong.push(`${id}: ${data.slice(0, 100)}`);
  const place = readings.length === 1 ? id === message.id : id.includes(`${reading.channel}:${message.id}`);
  keep(reading, message, place && isAsPublished(message));
}

function messageOf(data: string): Message | null {
  try {
    return JSON.parse(data) as Message;
  } catch {
    return null;
  }
}

function keep(reading: Reading, message: Message, right: boolean): void {
  reading.ids.push(message.id);
  if (!right) reading.wrong.push(message.id);
}

function isAsPublished({ payload, metadata }: Message): boolean {
  return metadata !== null && payload === payloadOf(metadata.k, metadata.size);
}

/** 502 to 504: nobody is there for now. 0: no answer came. */
function isRefusal(status: number): boolean {
  return status !== 200 && status !== 0 && status < 502;
}

function credentialOf({ readToken }: Channel): Record<string, string> {
  return readToken === null ? {} : { "X-Read-Token": readToken };
}

function emptyReading({ name, kind }: ReaderOptions, channel: Channel): Reading {
  const empty = { live: null, ids: [], connections: 0, wrong: [], notices: [], refusals: [] };
  return { name, channel: channel.id, kind, ...empty };
}
