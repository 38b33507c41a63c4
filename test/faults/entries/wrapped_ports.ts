/** The ports of a server with a fault plan between them and the server: it ends at a point, waits at another, or has a clock that is wrong. */
import process from "node:process";
import type { Ports } from "../../../core/mod.ts";
import type { Clock } from "../../../core/ports/clock.ts";
import type { Database } from "../../../core/ports/database.ts";
import type { Objects } from "../../../core/ports/objects.ts";
import type { CrashPoint, FaultPlan } from "./plan.ts";

type Passes = (point: CrashPoint) => void;

/** What the server is given in place of `ports`. */
export function wrapPorts(ports: Ports, plan: FaultPlan): Ports {
  let passages = 0;
  const passes: Passes = (point) => {
    if (point !== plan.crashAt) return;
    passages += 1;
    // No exit handler runs, nothing is flushed, and the call does not return.
    if (passages === (plan.passage ?? 1)) process.kill(process.pid, "SIGKILL");
  };
  return {
    ...ports,
    clock: wrongClock(ports.clock, plan),
    objects: endingObjects(ports.objects, plan, passes),
    database: endingDatabase(ports.database, passes),
  };
}

function wrongClock(clock: Clock, { clockMs = 0, sleepMostMs = Number.POSITIVE_INFINITY }: FaultPlan): Clock {
  const started = clock.now();
  return {
    now: () => (clockMs === "stuck" ? new Date(started) : new Date(clock.now().getTime() + clockMs)),
    elapsed: () => clock.elapsed(),
    sleep: (ms, signal) => clock.sleep(Math.min(ms, sleepMostMs), signal),
  };
}

function endingObjects(objects: Objects, plan: FaultPlan, passes: Passes): Objects {
  return {
    ...objects,
    async put(key, body) {
      const cut = plan.crashAt === "in_put" && body instanceof Uint8Array && body.byteLength > 0;
      const info = await objects.put(key, cut ? halfThen(body, () => passes("in_put")) : body);
      // The sweep's own probe is no payload.
      if (!key.endsWith("/clock")) {
        passes("after_put");
        if (plan.holdAfterPutMs !== undefined) await new Promise((go) => setTimeout(go, plan.holdAfterPutMs));
      }
      return info;
    },
    async remove(key) {
      if (key.endsWith("/clock")) return await objects.remove(key);
      passes("before_remove");
      await objects.remove(key);
      passes("after_remove");
    },
  };
}

/** The bytes in two halves, with `between` called when the first has been taken and the second is asked for. */
function halfThen(bytes: Uint8Array, between: () => void): ReadableStream<Uint8Array> {
  const middle = bytes.byteLength >> 1;
  let halves = 0;
  return new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        halves += 1;
        if (halves === 1) return controller.enqueue(bytes.subarray(0, middle));
        between();
        controller.enqueue(bytes.subarray(middle));
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
}

function endingDatabase(database: Database, passes: Passes): Database {
  const { journal, objectDeletions } = database;
  return {
    ...database,
    journal: {
      ...journal,
      async append(command) {
        const appended = await journal.append(command);
        passes("after_append");
        return appended;
      },
      async expire(limit) {
        const went = await journal.expire(limit);
        if (went > 0) passes("after_expire");
        return went;
      },
    },
    objectDeletions: {
      ...objectDeletions,
      async done(keys) {
        await objectDeletions.done(keys);
        if (keys.length > 0) passes("after_done");
      },
    },
  };
}
