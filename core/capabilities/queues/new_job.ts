/** Jobs on their way in: the fields that say what is to be done and when, and the store's form of them. */
import * as v from "valibot";
import { instant, line, whole } from "../../kernel/fields.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import type { Backoff, Dedup, NewJob } from "../../ports/queue.ts";
import { QUEUE_DEFAULTS } from "../../ports/queue_settings.ts";
import { group, json, PAYLOAD_MAX_BYTES, written } from "./job_fields.ts";

const YEAR_SECONDS = 31_536_000;

export const maxAttempts = whole(
  1,
  1_000,
  `How often the job may be claimed before it is dead; left out: what the queue's settings say, ${QUEUE_DEFAULTS.maxAttempts} at first`,
);

/** What stands before the words on the backoff of a job and on that of a queue. */
export const backoffFields = {
  backoff_seconds: v.optional(
    whole(0, YEAR_SECONDS, "How long a job rests after its first failed attempt, in seconds"),
  ),
  backoff_factor: v.optional(number(1, 100, "By how much each further rest is longer than the one before")),
  backoff_most_seconds: v.optional(whole(0, YEAR_SECONDS, "The longest rest, in seconds")),
  backoff_jitter: v.optional(
    number(0, 1, "Which part of a rest may be left off by chance, 0 to 1, so that jobs do not come back all together"),
  ),
};

function number(least: number, most: number, description: string) {
  return v.pipe(
    v.number(),
    v.minValue(least, (issue) => `is ${issue.input}, the least is ${least}`),
    v.maxValue(most, (issue) => `is ${issue.input}, the most is ${most}`),
    v.description(description),
  );
}

const modes = ["drop", "replace", "one-more-after-running"] as const;

/** What is said of a job beside its payload, and makes sense each time that it is pushed anew. */
export const standingFields = {
  priority: v.optional(whole(-32_768, 32_767, "Greater ones are claimed first; left out: 0")),
  group: v.optional(group),
  dedup_key: v.optional(
    line(200, "While a job with this key has not ended, what becomes of another one with it is said by dedup_mode"),
  ),
  dedup_mode: v.optional(
    v.pipe(
      v.picklist(modes),
      v.description(
        "drop (the default): the new job is dropped. replace: it takes the place of the one that waits, and stands beside one that runs. one-more-after-running: likewise, but it waits until the one that runs has ended",
      ),
    ),
  ),
  dedup_window_seconds: v.optional(
    whole(1, 2_592_000, "With drop: the key also drops for so long after a push, though its job has ended", "30 days"),
  ),
  max_attempts: v.optional(maxAttempts),
  ...backoffFields,
};

export const payload = json(`What is to be done: any JSON value, at most ${PAYLOAD_MAX_BYTES} bytes`);

/** When the job may be claimed for the first time. */
export const timeFields = {
  delay_seconds: v.optional(
    whole(0, 10 * YEAR_SECONDS, "How long until it may be claimed; left out: at once", "10 years"),
  ),
  visible_at: v.optional(instant("The moment from which it may be claimed, RFC 3339, in place of delay_seconds")),
};

export const jobEntries = { payload, ...timeFields, ...standingFields };

/** A job as it was sent. */
export type SentJob = v.InferOutput<v.StrictObjectSchema<typeof jobEntries, undefined>>;

/** The store's form of a job. `at` stands before the names of fields in a fault, such as `jobs[3].`. */
export function newJob(sent: SentJob, { action, at = "" }: { action: string; at?: string }): NewJob {
  const refuse = (field: string, words: string): Fault =>
    new Fault("invalid_input", `Cannot ${action}: ${at}${field} ${words}`, { details: { field: `${at}${field}` } });
  const { delay_seconds: delay, visible_at: moment } = sent;
  if (delay !== undefined && moment !== undefined)
    throw refuse("visible_at", "stands beside delay_seconds; send one of the two");
  const dedup = dedupOf(sent, refuse);
  const backoff = backoffOf(sent);
  return {
    payload: written(sent.payload as Json, { action, field: `${at}payload`, most: PAYLOAD_MAX_BYTES }),
    ...(delay === undefined ? {} : { delayMs: delay * 1_000 }),
    ...(moment === undefined ? {} : { visibleAt: new Date(moment) }),
    ...(sent.priority === undefined ? {} : { priority: sent.priority }),
    ...(sent.group === undefined ? {} : { group: sent.group }),
    ...(sent.max_attempts === undefined ? {} : { maxAttempts: sent.max_attempts }),
    ...(dedup === null ? {} : { dedup }),
    ...(backoff === null ? {} : { backoff }),
  };
}

function dedupOf(sent: SentJob, refuse: (field: string, words: string) => Fault): Dedup | null {
  const { dedup_key: key, dedup_mode: mode, dedup_window_seconds: window } = sent;
  if (key === undefined) {
    if (mode !== undefined) throw refuse("dedup_mode", "stands without dedup_key; send both or neither");
    if (window !== undefined) throw refuse("dedup_window_seconds", "stands without dedup_key; send both or neither");
    return null;
  }
  if (window === undefined) return { key, mode: mode ?? "drop" };
  if (mode !== undefined && mode !== "drop")
    throw refuse("dedup_window_seconds", `stands beside dedup_mode ${mode}; it goes with drop only`);
  return { key, mode: "drop", windowMs: window * 1_000 };
}

/** What is said of a backoff, upon `base`; null when nothing is said. */
export function backoffOf(
  sent: Pick<SentJob, keyof typeof backoffFields>,
  base: Backoff = QUEUE_DEFAULTS.backoff,
): Backoff | null {
  const { backoff_seconds: first, backoff_factor: factor, backoff_most_seconds: most, backoff_jitter: jitter } = sent;
  if ([first, factor, most, jitter].every((value) => value === undefined)) return null;
  return {
    delayMs: first === undefined ? base.delayMs : first * 1_000,
    factor: factor ?? base.factor,
    mostMs: most === undefined ? base.mostMs : most * 1_000,
    jitter: jitter ?? base.jitter,
  };
}

/** A backoff in the fields that it is sent in. */
export function backoffJson({ delayMs, factor, mostMs, jitter }: Backoff) {
  return {
    backoff_seconds: delayMs / 1_000,
    backoff_factor: factor,
    backoff_most_seconds: mostMs / 1_000,
    backoff_jitter: jitter,
  };
}
