/** What was done to a queue, as those who did it remember it: by lines in a file, so that it outlives a worker that is killed. Times are milliseconds since 1970. */
import { readFile } from "node:fs/promises";

/** What a job is, in its payload. */
export interface Task {
  /** Of its own, however often it was sent. */
  task: string;
  /** `nacked` and `abandoned` never succeed: one is always given back, the other always left lying. */
  kind: "plain" | "slow" | "nacked" | "abandoned";
  /** Its place in its group, from 1. */
  group?: string;
  place?: number;
  /** Its place among those of its key, from 1: the greatest is the last that was said. */
  key?: string;
  version?: number;
}

/** A push that was acknowledged. */
export interface Pushed {
  id: string;
  task: Task;
}

/** A job that a worker was given. */
export interface Claim {
  event: "claim";
  job: string;
  attempt: number;
  task: Task;
  /** When the request was sent, and when its answer was there. */
  sent: number;
  at: number;
  leaseMs: number;
}

/** What a worker said of its job; `status` 0: it is about to say it, and nobody knows yet whether it was heard. */
export interface Said {
  event: "ack" | "nack" | "extend";
  job: string;
  /** The task's name: a job of a key may become another task, whose attempts count anew. */
  task: string;
  attempt: number;
  sent: number;
  status: number;
}

/** A job as the store has it in the end. */
export interface Ended {
  id: string;
  state: string;
  attempt: number;
  max_attempts: number;
  payload: Task;
  /** The attempt whose acknowledgement was taken. */
  result: { attempt: number } | null;
}

export interface QueueHistory {
  pushed: readonly Pushed[];
  claims: readonly Claim[];
  said: readonly Said[];
  ended: readonly Ended[];
  /** Jobs that have not ended, by state. */
  left: Readonly<Record<string, number>>;
}

/** The events of the workers; a line that a kill has cut is left out. */
export async function readEvents(files: readonly string[]): Promise<{ claims: Claim[]; said: Said[] }> {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8").catch(() => "")));
  const events = texts.flatMap((text) => text.split("\n").flatMap(parsed));
  return {
    claims: events.filter((event): event is Claim => event.event === "claim"),
    said: events.filter((event): event is Said => event.event !== "claim"),
  };
}

function parsed(line: string): (Claim | Said)[] {
  try {
    return line === "" ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}
