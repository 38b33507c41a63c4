/** Holds what was done to a queue against what it promises. Each list names what is wrong; times are judged only where every clock would agree. */
import type { Claim, QueueHistory, Said, Task } from "./queue_history.ts";

export interface QueueFound {
  /** Acknowledged pushes that ended neither well nor as they had to. */
  lost: string[];
  /** States of jobs that have not ended. */
  stuck: string[];
  /** Tasks that became two jobs. */
  doubled: string[];
  /** Jobs given to a second worker while the first one's lease was good. */
  shared: string[];
  /** Attempts given to two workers. */
  twice: string[];
  /** What a worker said was taken although its lease was over. */
  stale: string[];
  /** Jobs of a group that were given out before the one before them had ended. */
  disordered: string[];
  /** Jobs of a key that were given out beside another. */
  beside: string[];
  /** Keys whose last word was not done. */
  forgotten: string[];
  /** Jobs that died and should not have, or the other way round, or after another number of attempts. */
  misjudged: string[];
  /** Things said too late, and refused. */
  refused: number;
  dead: number;
}

/** What attempts are counted of: a job that waits may become another task, by its key, and begins anew then. */
const unitOf = (job: string, task: string) => `${job} (${task})`;

const isHopeless = ({ kind }: Task) => kind === "nacked" || kind === "abandoned";

export function checkQueue(history: QueueHistory): QueueFound {
  const { pushed, claims, said, ended, left } = history;
  const byId = new Map(ended.map((job) => [job.id, job]));
  const claimsOf = grouped(claims, ({ job, task }) => unitOf(job, task.task));
  const saidOf = grouped(said, ({ job, task }) => unitOf(job, task));
  const accepted = new Map(ended.map(({ id, payload, result }) => [unitOf(id, payload.task), result?.attempt]));
  return {
    // A push of a key may be replaced by the next one, which `forgotten` looks after.
    lost: pushed.filter(({ id, task }) => task.key === undefined && !byId.has(id)).map(({ task }) => task.task),
    stuck: Object.entries(left).flatMap(([state, count]) => new Array<string>(count).fill(state)),
    // The key of a task that has one lets one more run, so whoever sends it twice gets it twice.
    doubled: repeated(ended.flatMap(({ payload }) => (payload.key === undefined ? payload.task : []))),
    shared: [...claimsOf].flatMap(([unit, own]) => sharedClaims(own, saidOf.get(unit) ?? [])),
    twice: repeated(claims.map(({ job, task, attempt }) => `${unitOf(job, task.task)}, attempt ${attempt}`)),
    stale: [...claimsOf].flatMap(([unit, own]) =>
      staleWords(own, { said: saidOf.get(unit) ?? [], accepted: accepted.get(unit) }),
    ),
    disordered: sequences(claims, ({ group }) => group).flatMap((own) => overtaken(own, saidOf, ({ place }) => place!)),
    beside: sequences(claims, ({ key }) => key).flatMap((own) => overtaken(own, saidOf, ({ version }) => version!)),
    forgotten: forgottenKeys(history),
    misjudged: ended
      .filter(isMisjudged)
      .map(({ id, state, attempt, payload }) => `${id} ${payload.kind} ${state} after ${attempt}`),
    refused: said.filter(({ status }) => status === 409).length,
    dead: ended.filter(({ state }) => state === "dead").length,
  };
}

function isMisjudged({ state, attempt, max_attempts, payload }: QueueHistory["ended"][number]): boolean {
  if (!isHopeless(payload)) return state !== "done";
  return state !== "dead" || attempt !== max_attempts;
}

/** The next claim must not come before the lease of the one before is over, which is at least its length after it was asked for. */
function sharedClaims(claims: readonly Claim[], said: readonly Said[]): string[] {
  const inOrder = claims.toSorted((one, other) => one.attempt - other.attempt || one.at - other.at);
  return inOrder.slice(1).flatMap((later, index) => {
    const earlier = inOrder[index]!;
    const given = said.some(
      ({ event, attempt, status }) => event === "nack" && attempt === earlier.attempt && status !== 409,
    );
    const early = later.at < earlier.sent + earlier.leaseMs;
    return early && !given ? [`${later.job}, attempts ${earlier.attempt} and ${later.attempt}`] : [];
  });
}

/** `accepted`: the attempt that the job was done with. */
function staleWords(
  claims: readonly Claim[],
  { said, accepted }: { said: readonly Said[]; accepted: number | undefined },
): string[] {
  const wrong: string[] = [];
  for (const { job, attempt } of claims)
    if (accepted !== undefined && attempt > accepted)
      wrong.push(`${job}: done with attempt ${accepted} after ${attempt} was given out`);
  for (const { event, job, attempt, sent, status } of said) {
    if (status !== 200) continue;
    if (event === "ack" && attempt !== accepted)
      wrong.push(`${job}: attempt ${attempt} was told it was done, ${accepted} was`);
    const later = claims.find((claim) => claim.attempt > attempt && claim.at < sent);
    // What is given back a second time is answered alike, and changes nothing.
    if (event === "extend" && later !== undefined)
      wrong.push(`${job}: attempt ${attempt} extended after ${later.attempt} was given out`);
  }
  return wrong;
}

/** The claims of tasks that belong together. */
function sequences(claims: readonly Claim[], nameOf: (task: Task) => string | undefined): Claim[][] {
  const named = claims.filter(({ task }) => nameOf(task) !== undefined);
  return [...grouped(named, ({ task }) => nameOf(task)!).values()];
}

/** A job that was given out for certain before another one, given out before it, was even acknowledged. */
function overtaken(
  claims: readonly Claim[],
  saidOf: ReadonlyMap<string, readonly Said[]>,
  placeOf: (task: Task) => number,
): string[] {
  const wrong: string[] = [];
  const inOrder = claims.toSorted((one, other) => placeOf(one.task) - placeOf(other.task) || one.at - other.at);
  for (const [index, later] of inOrder.entries()) {
    const earlier = inOrder.slice(Math.max(0, index - 50), index).filter(({ job }) => job !== later.job);
    for (const { job, task, sent } of earlier) {
      const first = firstAck(saidOf.get(unitOf(job, task.task)) ?? []);
      if (sent < later.at && first !== null && later.at < first)
        wrong.push(`${later.task.task} before ${task.task} was done`);
    }
  }
  return [...new Set(wrong)];
}

/** When the acknowledgement that was taken may have been heard at the earliest. */
function firstAck(said: readonly Said[]): number | null {
  const taken = said.filter(({ event, status }) => event === "ack" && status === 200);
  const attempt = taken[0]?.attempt;
  if (attempt === undefined) return null;
  return Math.min(
    ...said.filter((words) => words.event === "ack" && words.attempt === attempt).map(({ sent }) => sent),
  );
}

function forgottenKeys({ pushed, ended }: QueueHistory): string[] {
  const last = new Map<string, number>();
  for (const { task } of pushed)
    if (task.key !== undefined) last.set(task.key, Math.max(last.get(task.key) ?? 0, task.version!));
  const done = new Set(
    ended.filter(({ state }) => state === "done").map(({ payload }) => `${payload.key} ${payload.version}`),
  );
  return [...last]
    .filter(([key, version]) => !done.has(`${key} ${version}`))
    .map(([key, version]) => `${key}, version ${version}`);
}

function grouped<T>(items: readonly T[], nameOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const group = groups.get(nameOf(item));
    if (group === undefined) groups.set(nameOf(item), [item]);
    else group.push(item);
  }
  return groups;
}

function repeated(names: readonly string[]): string[] {
  return [...grouped(names, (name) => name)].filter(([, same]) => same.length > 1).map(([name]) => name);
}
