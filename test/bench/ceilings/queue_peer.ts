/**
 * Other queues on PostgreSQL through their own interfaces, from a backlog; prints jobs a second as JSON.
 * `node queue_peer.ts DATABASE_URL DIRECTORY pg-boss|graphile-worker BACKLOG SECONDS`, on a Node that they run on. It ends early when the backlog is worked off.
 *
 * pg-boss: four workers, each fetching a hundred and completing them. graphile-worker: as its page on performance advises for small jobs, a local queue of
 * 500 and completions gathered.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PAYLOAD = { text: "x".repeat(118) };
const WARM_MS = 300;
const CHUNK = 1_000;
const QUEUE = "bench";

const [url, directory, what, size, length] = process.argv.slice(2) as [string, string, string, string, string];
const backlog = Number(size);

// biome-ignore lint/suspicious/noExplicitAny: what comes from outside the project has no types here
async function load(name: string): Promise<any> {
  const { resolve } = createRequire(join(directory, "package.json"));
  return import(pathToFileURL(resolve(name)).href);
}

/** Counts from the end of the warm-up; `over` resolves when the time or the backlog is. */
function counter() {
  const warm = performance.now() + WARM_MS;
  const end = warm + Number(length) * 1_000;
  let all = 0;
  let counted = 0;
  let last = end;
  let ended: () => void = () => undefined;
  const over = new Promise<void>((resolve) => {
    ended = resolve;
    setTimeout(resolve, end - performance.now());
  });
  return {
    over,
    isOver: () => performance.now() >= end || all >= backlog,
    done(jobs: number) {
      const now = performance.now();
      all += jobs;
      if (now >= warm && now < end) counted += jobs;
      if (all < backlog) return;
      last = Math.min(last, now);
      ended();
    },
    rate: () => counted / ((last - warm) / 1_000),
  };
}

async function pgBoss(): Promise<number> {
  const { PgBoss } = await load("pg-boss");
  const boss = new PgBoss({ connectionString: url, max: 8, supervise: false, schedule: false });
  boss.on("error", (error: unknown) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE);
  for (let made = 0; made < backlog; made += CHUNK)
    await boss.insert(
      QUEUE,
      Array.from({ length: Math.min(CHUNK, backlog - made) }, () => ({ data: PAYLOAD })),
    );
  const { isOver, done, rate } = counter();
  const worker = async () => {
    while (!isOver()) {
      const jobs = (await boss.fetch(QUEUE, { batchSize: 100 })) as { id: string }[];
      if (jobs.length === 0) break;
      await boss.complete(
        QUEUE,
        jobs.map(({ id }) => id),
      );
      done(jobs.length);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return rate();
}

async function graphileWorker(): Promise<number> {
  const { Logger, makeWorkerUtils, run } = await load("graphile-worker");
  const logger = new Logger(() => () => undefined);
  const utils = await makeWorkerUtils({ connectionString: url, logger });
  await utils.migrate();
  for (let made = 0; made < backlog; made += CHUNK)
    await utils.addJobs(
      Array.from({ length: Math.min(CHUNK, backlog - made) }, () => ({ identifier: QUEUE, payload: PAYLOAD })),
    );
  await utils.release();
  const { over, done, rate } = counter();
  await run({
    preset: {
      worker: {
        connectionString: url,
        maxPoolSize: 10,
        concurrentJobs: 24,
        pollInterval: 1_000,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
        logger,
      },
    },
    noHandleSignals: true,
    taskList: { [QUEUE]: async () => done(1) },
  });
  await over;
  return rate();
}

console.log(JSON.stringify({ rate: await (what === "pg-boss" ? pgBoss() : graphileWorker()) }));
process.exit(0);
