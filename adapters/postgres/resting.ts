/**
 * Clients of a pool that rest between two statements without going back to it, where each coming and going costs a turn of the event loop and two
 * timers.
 */
import type pg from "pg";

/** The clients of one pool that nobody uses just now. */
export interface RestingClients {
  /** The one that was used last, if any. */
  take(): pg.PoolClient | undefined;
  /** Lets it rest, unless somebody waits for one; the longest unused goes back to the pool in time. */
  give(client: pg.PoolClient): void;
  /** Gives up a broken one; false when it does not rest. */
  drop(client: pg.ClientBase): boolean;
  /** Gives all back to the pool, and later ones at once. */
  end(): void;
}

/** None yet; one goes back after `idleMs` of not being needed. */
export function restingClients(pool: pg.Pool, idleMs: number): RestingClients {
  const resting: { client: pg.PoolClient; since: number }[] = [];
  let ended = false;
  return {
    take: () => resting.pop()?.client,
    give(client) {
      const since = performance.now();
      if (ended || pool.waitingCount > 0) client.release();
      else resting.push({ client, since });
      if (resting[0] && since - resting[0].since > idleMs) resting.shift()!.client.release();
    },
    drop(client) {
      const at = resting.findIndex((one) => one.client === client);
      for (const one of at < 0 ? [] : resting.splice(at, 1)) one.client.release(true);
      return at >= 0;
    },
    end() {
      ended = true;
      for (const { client } of resting.splice(0)) client.release();
    },
  };
}
