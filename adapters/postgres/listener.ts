/**
 * The connection that listens: made again whenever it breaks, and probed, because a connection can be dead without saying so.
 */
import pg from "pg";
import type { Log } from "../../core/ports/log.ts";
import { type Attempt, reconnecting } from "../reconnect.ts";
import { systemClock } from "../system.ts";
import { clientConfig, quoted } from "./pool.ts";

export interface ListenerOptions {
  connection: pg.ClientConfig;
  channel: string;
  log: Log;
  /** The message that must come back to `Listener.echo` when it is sent to the channel. */
  probe: (nonce: string) => string;
  heard: (payload: string) => void;
  /** Called each time it listens, first or again. */
  listening: () => void;
}

export interface Listener {
  /** A probe has come back. */
  echo(nonce: string): void;
  stop(): Promise<void>;
}

const NOTIFY = "SELECT pg_notify($1, $2)";
const PROBE_MS = 5_000;
const ECHO_MS = 3_000;
const GOODBYE_MS = 1_000;

/** Starts listening; it resolves after the first attempt, whatever came of it. */
export async function startListener(options: ListenerOptions): Promise<Listener> {
  const stopped = new AbortController();
  let awaited: string | null = null;

  /** One connection's life; resolves with the reason when it is over. */
  function session({ settled, stood }: Attempt): Promise<string> {
    return new Promise((over) => {
      const client = new pg.Client(clientConfig(options.connection));
      const timers = new Set<ReturnType<typeof setTimeout>>();
      let ended = false;

      function end(reason: string): void {
        if (ended) return;
        ended = true;
        for (const timer of timers) clearTimeout(timer);
        stopped.signal.removeEventListener("abort", stop);
        const goodbye = setTimeout(() => over(reason), GOODBYE_MS);
        void client
          .end()
          .catch(() => undefined)
          .then(() => {
            clearTimeout(goodbye);
            over(reason);
          });
      }
      const stop = () => end("stopped");

      function after(ms: number, work: () => void): void {
        const timer = setTimeout(() => {
          timers.delete(timer);
          work();
        }, ms);
        timers.add(timer);
      }

      function probe(): void {
        const nonce = crypto.randomUUID();
        awaited = nonce;
        after(ECHO_MS, () => (awaited === nonce ? end("a probe did not come back") : after(PROBE_MS - ECHO_MS, probe)));
        // By this connection itself: a pool that is busy says nothing about it.
        client.query(NOTIFY, [options.channel, options.probe(nonce)]).catch((error: unknown) => end(String(error)));
      }

      stopped.signal.addEventListener("abort", stop, { once: true });
      client.on("error", (error) => end(error.message));
      client.on("end", () => end("the connection ended"));
      client.on("notification", ({ payload }) => {
        try {
          options.heard(payload ?? "");
        } catch (error) {
          options.log.write("warn", "bus_message_unread", { error: String(error) });
        }
      });
      client
        .connect()
        .then(() => client.query(`LISTEN ${quoted(options.channel)}`))
        .then(() => {
          if (ended) return;
          stood();
          after(PROBE_MS, probe);
          options.listening();
        })
        .catch((error: unknown) => end(String(error)))
        .finally(settled);
    });
  }

  const { first, over } = reconnecting(session, {
    clock: systemClock,
    signal: stopped.signal,
    lost: (reason) => options.log.write("warn", "bus_connection_lost", { reason }),
  });
  await first;

  return {
    echo(nonce) {
      if (nonce === awaited) awaited = null;
    },
    async stop() {
      stopped.abort();
      await over;
    },
  };
}
