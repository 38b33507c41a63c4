/**
 * Knocks between processes by LISTEN and NOTIFY, sent from a pool's connection after the commit they speak of: a NOTIFY inside it would make all
 * commits of the cluster queue. What listens is a connection of its own, in `listener.ts`.
 */
import type pg from "pg";
import type { Bus } from "../../core/ports/bus.ts";
import type { Log } from "../../core/ports/log.ts";
import { gatherKnocks } from "../knock_gatherer.ts";
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

const NOTIFY: Statement = {
  name: "bus_notify",
  text: "SELECT pg_notify($1, p.payload) FROM unnest($2::text[]) AS p (payload)",
};

/** What the listening connection sends to itself begins with this; no knock does. */
const PROBE = "probe ";

/** Opens the bus; it resolves once it listens, or at the first failure, after which it goes on trying. */
export async function openBus({ connection, schema, pool, log }: BusOptions): Promise<Bus> {
  const channel = `millrace_${schema}`;
  const knocks = gatherKnocks({ send: (messages) => pool.query(NOTIFY, [channel, messages]), log });
  const listener = await startListener({
    connection,
    channel,
    log,
    probe: (nonce) => PROBE + nonce,
    heard: (payload) =>
      payload.startsWith(PROBE) ? listener.echo(payload.slice(PROBE.length)) : knocks.receive(payload),
    // Whoever listened while this process was deaf may have missed anything.
    listening: knocks.missed,
  });
  return {
    knock: knocks.knock,
    listen: knocks.listen,
    async close() {
      await knocks.close();
      await listener.stop();
    },
  };
}
