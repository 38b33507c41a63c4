/**
 * Knocks between processes by LISTEN and NOTIFY. Knocks are gathered for a few milliseconds and sent from a pool's connection after the commit they
 * speak of: a NOTIFY inside it would make all commits of the cluster queue. What listens is a connection of its own, in `listener.ts`.
 */
import type pg from "pg";
import type { Bus } from "../../core/ports/bus.ts";
import type { Log } from "../../core/ports/log.ts";
import { startListener } from "./listener.ts";
import type { Pool, Statement } from "./pool.ts";

export interface BusOptions {
  connection: pg.ClientConfig;
  /** Processes hear each other when they share database and schema. */
  schema: string;
  /** Sends the knocks. */
  pool: Pool;
  log: Log;
}

type Heard = (subjects: readonly string[] | "all") => void;

const NOTIFY: Statement = {
  name: "bus_notify",
  text: "SELECT pg_notify($1, p.payload) FROM unnest($2::text[]) AS p (payload)",
};

const GATHER_MS = 3;
/** PostgreSQL takes payloads below 8,000 bytes. */
const PAYLOAD_BYTES = 7_900;
/** More subjects than this at once travel as the one word that something changed. */
const SUBJECTS_MOST = 2_000;

/** Opens the bus; it resolves once it listens, or at the first failure, after which it goes on trying. */
export async function openBus({ connection, schema, pool, log }: BusOptions): Promise<Bus> {
  const self = crypto.randomUUID();
  const channel = `millrace_${schema}`;
  const listeners = new Set<Heard>();
  let pending = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let sending: Promise<void> | null = null;
  let closed = false;

  function tell(subjects: readonly string[] | "all"): void {
    for (const heard of [...listeners]) {
      try {
        heard(subjects);
      } catch (error) {
        log.write("error", "bus_listener_failed", { error: String(error) });
      }
    }
  }

  const notify = async (payloads: readonly string[]) => {
    await pool.query(NOTIFY, [channel, payloads]);
  };

  async function send(): Promise<void> {
    const subjects = [...pending];
    pending = new Set();
    try {
      await notify(subjects.length > SUBJECTS_MOST ? [JSON.stringify([self, "all"])] : payloadsOf(self, subjects));
    } catch (error) {
      log.write("debug", "bus_knock_dropped", { subjects: subjects.length, error: String(error) });
    }
  }

  function schedule(): void {
    if (timer !== null || sending || pending.size === 0) return;
    timer = setTimeout(flush, GATHER_MS);
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (sending || pending.size === 0) return;
    sending = send().finally(() => {
      sending = null;
      schedule();
    });
  }

  const listener = await startListener({
    connection,
    channel,
    log,
    probe: (nonce) => JSON.stringify([self, "probe", nonce]),
    heard: (payload) => receive(payload, { self, tell, echo: (nonce) => listener.echo(nonce) }),
    // Whoever listened while this process was deaf may have missed anything.
    listening: () => tell("all"),
  });

  return {
    knock(subjects) {
      if (closed || subjects.length === 0) return;
      for (const subject of subjects) pending.add(subject);
      schedule();
      tell(subjects);
    },
    listen(heard, signal) {
      if (signal.aborted) return;
      const listening: Heard = (subjects) => heard(subjects);
      listeners.add(listening);
      signal.addEventListener("abort", () => listeners.delete(listening), { once: true });
    },
    async close() {
      if (closed) return;
      closed = true;
      while (sending || pending.size > 0) {
        flush();
        await sending;
      }
      listeners.clear();
      await listener.stop();
    },
  };
}

/** The subjects in as few messages as fit: `[sender, "knock", subject…]`. */
export function payloadsOf(sender: string, subjects: readonly string[]): string[] {
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const payloads: string[] = [];
  const head = JSON.stringify([sender, "knock"]).slice(0, -1);
  let body = "";
  let size = 0;
  for (const subject of subjects) {
    const item = `,${JSON.stringify(subject)}`;
    const itemBytes = bytes(item);
    if (size + itemBytes > PAYLOAD_BYTES - head.length - 1 && size > 0) {
      payloads.push(`${head}${body}]`);
      body = "";
      size = 0;
    }
    body += item;
    size += itemBytes;
  }
  if (size > 0) payloads.push(`${head}${body}]`);
  return payloads;
}

function receive(payload: string, to: { self: string; tell: Heard; echo: (nonce: string) => void }): void {
  const [sender, kind, ...rest] = JSON.parse(payload) as [string, string, ...string[]];
  if (kind === "probe") {
    if (sender === to.self) to.echo(rest[0] ?? "");
    return;
  }
  // Its own knocks have been heard when they were made.
  if (sender === to.self) return;
  to.tell(kind === "all" ? "all" : rest);
}
