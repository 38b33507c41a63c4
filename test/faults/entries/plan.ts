/** What a scenario asks of `server.ts` in this folder: JSON in the environment variable FAULT_PLAN. */

export interface FaultPlan {
  /** Ends the process as `kill -9` does when it comes here. */
  crashAt?: CrashPoint;
  /** At which passage it ends; at the first by default. */
  passage?: number;
  /** Milliseconds between an object's put and whatever follows it. */
  holdAfterPutMs?: number;
  /** Milliseconds added to what `Clock.now` says; `stuck`: it says for ever what it said at the start. */
  clockMs?: number | "stuck";
  /** Milliseconds added to the store's clock, for what this process does there. */
  databaseClockMs?: number;
  /** No sleep of the server lasts longer, in milliseconds, so that duties come round at once. */
  sleepMostMs?: number;
}

/**
 * `in_put`: half of an object has been written. `after_put`: all of it, and nothing of its row. `after_append`: the row is committed, and nobody has been told.
 * `after_expire`: rows have gone, their objects are queued. `before_remove`, `after_remove`: an object is about to go, or has gone, and stands in the queue. `after_done`: it has gone from there too.
 */
export const crashPoints = [
  "in_put",
  "after_put",
  "after_append",
  "after_expire",
  "before_remove",
  "after_remove",
  "after_done",
] as const;

export type CrashPoint = (typeof crashPoints)[number];

/** The environment that carries the plan. */
export function carry(plan: FaultPlan): { FAULT_PLAN: string } {
  return { FAULT_PLAN: JSON.stringify(plan) };
}

/** The plan of this process; without one the server is an ordinary one. */
export function carried(environment: { readonly [name: string]: string | undefined }): FaultPlan {
  return JSON.parse(environment.FAULT_PLAN ?? "{}") as FaultPlan;
}
