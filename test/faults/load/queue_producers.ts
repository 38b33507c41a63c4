/** Those who put jobs into a queue: each task once, however often it has to be sent, those of a group one after the other. */
import type { Random, Rig } from "../scenario.ts";
import { ask, keepAlive } from "./http.ts";
import type { Pushed, Task } from "./queue_history.ts";

export interface Producers {
  pushed: readonly Pushed[];
  /** Puts no more in; resolves when the last answer is there. */
  stop(): Promise<void>;
}

export interface ProducerOptions {
  servers: readonly string[];
  token: string;
  queue: string;
  groups: number;
  keys: number;
  /** Milliseconds between two pushes of a producer. */
  thinkMs: number;
}

/** A task that always fails may do so often. */
const HOPELESS_ATTEMPTS = 3;
/** One that is to succeed must never die of the faults around it. */
const PATIENT_ATTEMPTS = 1_000;

type Sent = { task: Task; fields: Record<string, unknown> };

export function startProducers(rig: Rig, options: ProducerOptions): Producers {
  const { queue, servers, token } = options;
  const pushed: Pushed[] = [];
  const agent = keepAlive();
  const headers = { Authorization: `Bearer ${token}`, "Content-Type": "application/json" };
  let stopping = false;

  /** Until it is answered: a key with a window makes that safe, and a key that replaces does by itself. */
  async function push(random: Random, { task, fields }: Sent): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      // What may take the place of itself, with attempts that count anew, has another name each time.
      const payload = task.key === undefined ? task : { ...task, task: `${task.task}~${tries}` };
      const body = JSON.stringify({ payload, max_attempts: PATIENT_ATTEMPTS, ...fields });
      const url = `${random.pick(servers)}/queue/${queue}`;
      const answer = await ask(url, { method: "POST", headers, body, timeoutMs: 6_000, agent }).catch(() => null);
      if (answer !== null && answer.status < 300) {
        const { id } = JSON.parse(answer.body) as { id: string };
        pushed.push({ id, task });
        return;
      }
      if (answer !== null && answer.status < 500)
        throw new Error(`a push was answered ${answer.status}: ${answer.body}`);
      await rig.pause(50);
    }
  }

  async function producer(next: (count: number, random: Random) => Sent): Promise<void> {
    const random = rig.random.fork();
    for (let count = 1; !stopping; count += 1) {
      await push(random, next(count, random));
      await rig.pause(random.whole(0, 2 * options.thinkMs));
    }
  }

  const once = (task: string) => ({ dedup_key: task, dedup_window_seconds: 3_600 });
  const producers = [
    ...Array.from({ length: 4 }, (_, at) =>
      producer((count, random) => {
        const task = `plain-${at}-${count}`;
        const mood = random.next();
        if (mood < 0.02) return hopeless(`${task}-n`, "nacked");
        if (mood < 0.04) return hopeless(`${task}-a`, "abandoned");
        return { task: { task, kind: mood < 0.06 ? "slow" : "plain" }, fields: once(task) };
      }),
    ),
    ...Array.from({ length: options.groups }, (_, at) =>
      producer((place) => {
        const task = `group-${at}-${place}`;
        return { task: { task, kind: "plain", group: `g${at}`, place }, fields: { ...once(task), group: `g${at}` } };
      }),
    ),
    ...Array.from({ length: options.keys }, (_, at) =>
      producer((version) => {
        const key = `k${at}`;
        const fields = { dedup_key: key, dedup_mode: "one-more-after-running" };
        return { task: { task: `key-${at}-${version}`, kind: "plain", key, version }, fields };
      }),
    ),
  ];
  const all = Promise.all(producers);
  // Told when they are stopped.
  all.catch(() => undefined);

  return {
    pushed,
    async stop() {
      stopping = true;
      await all;
    },
  };

  function hopeless(task: string, kind: Task["kind"]): Sent {
    return { task: { task, kind }, fields: { ...once(task), max_attempts: HOPELESS_ATTEMPTS } };
  }
}
