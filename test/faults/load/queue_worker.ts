/**
 * A process of workers: each claims over HTTP, does what the task says, and is a bad worker now and then: it leaves jobs lying, is slower than its lease, says things
 * twice. It is killed and stopped by others. Whatever it is given and says is written down first.
 */
import { appendFileSync } from "node:fs";
import process from "node:process";
import { seededRandom } from "../rig/random.ts";
import { type Answer, ask, keepAlive } from "./http.ts";
import type { Claim, Said, Task } from "./queue_history.ts";

export interface WorkerPlan {
  servers: string[];
  token: string;
  queue: string;
  workers: number;
  /** Whole seconds. */
  leaseSeconds: number;
  file: string;
  seed: number;
}

interface Held {
  job: string;
  token: string;
  attempt: number;
  task: Task;
}

const TIMEOUT_MS = 6_000;
/** For how long a worker goes on saying what it could not get through. */
const INSIST_MS = 8_000;

const plan = JSON.parse(process.argv[2]!) as WorkerPlan;
const { servers, queue, leaseSeconds } = plan;
const leaseMs = leaseSeconds * 1_000;
const random = seededRandom(plan.seed);
const agent = keepAlive();
const headers = { Authorization: `Bearer ${plan.token}`, "Content-Type": "application/json" };
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
const note = (event: Claim | Said) => appendFileSync(plan.file, `${JSON.stringify(event)}\n`);

function send(path: string, body: unknown): Promise<Answer> {
  const url = `${random.pick(servers)}/queue/${queue}${path}`;
  return ask(url, { method: "POST", headers, body: JSON.stringify(body), timeoutMs: TIMEOUT_MS, agent });
}

/** Says it until there is an answer: saying it twice is harmless. Returns the status, or 0. */
async function say(
  event: Said["event"],
  { job, attempt, task: { task } }: Held,
  way: { path: string; body: unknown },
): Promise<number> {
  const until = Date.now() + INSIST_MS;
  while (Date.now() < until) {
    const sent = Date.now();
    note({ event, job, task, attempt, sent, status: 0 });
    const answer = await send(way.path, way.body).catch(() => null);
    if (answer !== null && answer.status < 500) {
      const status = way.path === "/ack" ? outcomeOf(answer) : answer.status;
      note({ event, job, task, attempt, sent, status });
      return status;
    }
    await pause(50);
  }
  return 0;
}

/** Of an acknowledgement among several, the status that it would have had alone. */
function outcomeOf({ status, body }: Answer): number {
  if (status !== 200) return status;
  const { jobs } = JSON.parse(body) as { jobs: { outcome: string }[] };
  return { acked: 200, already: 200, stale: 409, absent: 404 }[jobs[0]!.outcome] ?? 0;
}

function ack(held: Held): Promise<number> {
  const said = { lease_token: held.token, result: { attempt: held.attempt } };
  if (random.chance(0.5)) return say("ack", held, { path: `/${held.job}/ack`, body: said });
  return say("ack", held, { path: "/ack", body: [{ id: held.job, ...said }] });
}

const nack = (held: Held) =>
  say("nack", held, {
    path: `/${held.job}/nack`,
    body: { lease_token: held.token, delay_seconds: 0, error: "not now" },
  });

async function work(held: Held): Promise<void> {
  const { kind } = held.task;
  if (kind === "abandoned") return;
  if (kind === "nacked") return void (await nack(held));
  if (kind === "slow" && !(await workSlowly(held))) return;
  const mood = random.next();
  if (mood < 0.02) return;
  if (mood < 0.05) return void (await nack(held));
  if (mood < 0.07) await pause(leaseMs * (1 + random.next()));
  else await pause(random.whole(0, 20));
  await ack(held);
}

/** Longer than a lease, with heartbeats; false when the lease is over. */
async function workSlowly(held: Held): Promise<boolean> {
  for (let beats = 0; beats < 3; beats += 1) {
    await pause(leaseMs / 2);
    const beat = {
      path: `/${held.job}/extend`,
      body: { lease_token: held.token, visibility_timeout_seconds: leaseSeconds },
    };
    if ((await say("extend", held, beat)) === 409) return false;
  }
  return true;
}

async function claim(): Promise<Held[]> {
  const sent = Date.now();
  const asked = {
    limit: random.whole(1, 4),
    visibility_timeout_seconds: leaseSeconds,
    wait_seconds: random.whole(0, 2),
  };
  const answer = await send("/claim", asked);
  if (answer.status !== 200) return [];
  const { jobs } = JSON.parse(answer.body) as {
    jobs: { id: string; attempt: number; payload: Task; lease_token: string }[];
  };
  const at = Date.now();
  return jobs.map(({ id: job, attempt, payload: task, lease_token: token }) => {
    note({ event: "claim", job, attempt, task, sent, at, leaseMs });
    return { job, attempt, task, token };
  });
}

async function worker(): Promise<never> {
  for (;;) {
    const held = await claim().catch(() => pause(50).then((): Held[] => []));
    await Promise.all(held.map(work));
  }
}

process.on("disconnect", () => process.exit(0));
await Promise.all(Array.from({ length: plan.workers }, worker));
