/** The input fields that operations on queues share, what their values mean to the store, and how large JSON may be. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { line, quote, whole } from "../../kernel/fields.ts";
import { knockOf } from "../../kernel/knock.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";

/** The most bytes of a payload and of a result, each as JSON. */
export const PAYLOAD_MAX_BYTES = 262_144;
/** The most bytes of a progress note as JSON. */
export const PROGRESS_MAX_BYTES = 16_384;
/** The most bytes of a request's body that carries a payload or a result, and of one that carries many. */
export const BODY_MAX_BYTES = PAYLOAD_MAX_BYTES + 65_536;
export const LIST_MAX_BYTES = 8 * 1024 * 1024;

const LEASE_MOST_SECONDS = 43_200;
const LEASE_DEFAULT_SECONDS = 30;

const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,99}$/;

/** The name of a queue or of a schedule: text that stands in URLs as it is. */
export function name(what: string) {
  return v.pipe(
    v.string(),
    v.regex(
      NAME,
      (issue) =>
        `is ${quote(issue.input)}; send 1 to 100 of A-Z, a-z, 0-9 and _ . : -, beginning with a letter, a digit or _`,
    ),
    v.description(what),
  );
}

export const namespace = name(
  "The queue's name: 1 to 100 of A-Z, a-z, 0-9 and _ . : -. A queue exists from its first job on",
);

/** Ids of jobs: the store's numbers as text. */
const ID = /^[1-9]\d{0,17}$/;

export const jobId = v.pipe(
  v.string(),
  v.regex(ID, (issue) => `is ${quote(issue.input)}, which is not a job's id; send the digits that the job came with`),
  v.description("The job's id"),
);

export const leaseToken = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{32}$/, (issue) => `is ${quote(issue.input)}; send the lease_token of your claim, 32 hex digits`),
  v.description("The lease_token that came with your claim of this job"),
);

export const visibility = whole(
  1,
  LEASE_MOST_SECONDS,
  `For how long the jobs are yours, in seconds, from now on. Nobody else gets them meanwhile; extend the lease when the work takes longer`,
  "12 h",
);

/** How long a lease lasts when nobody says. */
export const leaseSeconds = v.optional(visibility, LEASE_DEFAULT_SECONDS);

export const error = v.pipe(
  v.string(),
  v.check(
    (text) => text.length <= 4_000,
    (issue) => `has ${issue.input.length} characters, the most is 4000`,
  ),
  v.metadata({ maxLength: 4_000 }),
  v.description("What went wrong, for whoever looks at the job later"),
);

/** Any JSON value. */
export function json(description: string) {
  return v.pipe(
    v.custom<Json>((value) => value !== undefined),
    v.description(description),
  );
}

export const result = json(
  `What came of the job: any JSON value, at most ${PAYLOAD_MAX_BYTES} bytes, kept with it until its retention is over`,
);
export const progress = json(
  `How far the work is: any JSON value, at most ${PROGRESS_MAX_BYTES} bytes, for example {"done": 3, "of": 10}. It takes the place of the one before`,
);

export const group = line(
  200,
  "Jobs of one group are claimed in the order in which they come due, at once or when their delay is over, and one at a time unless the queue allows more",
);

/** The value as JSON text; throws `too_large`. `action` completes "Cannot …". */
export function written(value: Json, how: { action: string; field: string; most: number }): string {
  const text = JSON.stringify(value);
  if (text.length * 3 <= how.most) return text;
  const size = new TextEncoder().encode(text).length;
  if (size <= how.most) return text;
  const words = `${how.field} has ${size} bytes as JSON, the most is ${how.most}; send less, or a link to it`;
  throw new Fault("too_large", `Cannot ${how.action}: ${words}`, {
    details: { field: how.field, limit_bytes: how.most },
  });
}

/** What the store keeps as JSON text, as the value that it is. */
export function read(text: string | null): Json {
  return text === null ? null : JSON.parse(text);
}

/** Tells those who wait for jobs of the queue, on every process, to look. */
export function knockQueue({ bus }: Pick<Context, "bus">, queue: string): void {
  bus.knock([knockOf.queue(USER, queue)]);
}

/** Tells those who wait for the ends of jobs, and, if that let other jobs go ahead, those who wait for jobs. */
export function knockEnded(
  { bus }: Pick<Context, "bus">,
  queue: string,
  ended: { ids: readonly string[]; released: boolean },
): void {
  const knocks = ended.ids.map((id) => knockOf.job(USER, queue, id));
  if (ended.released) knocks.push(knockOf.queue(USER, queue));
  if (knocks.length > 0) bus.knock(knocks);
}

/** The words for a queue that nobody has put a job into. */
export function noQueue(queue: string): Fault {
  return new Fault(
    "not_found",
    `There is no queue ${queue}; a queue exists from its first job or its first settings on`,
    {
      details: { namespace: queue },
    },
  );
}

/** The words for a job that is not there, or not any more. */
export function noJob(queue: string, id: string): Fault {
  return new Fault(
    "not_found",
    `There is no job ${id} in the queue ${queue}, or it ended so long ago that it is forgotten`,
    {
      details: { job_id: id },
    },
  );
}
