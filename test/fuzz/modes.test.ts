/**
 * More than 5,000 requests at the data modes, made from their declarations, with the service token, against the whole app on PostgreSQL: valid ones
 * and hostile ones of every kind. None is answered with a 5xx. TEST_SEED=… repeats a run.
 */
import process from "node:process";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { migrateUp } from "../../adapters/postgres/migrate.ts";
import { openPostgres, type Postgres } from "../../adapters/postgres/mod.ts";
import { systemClock, systemIds } from "../../adapters/system.ts";
import { type App, createApp } from "../../core/app.ts";
import { capabilities } from "../../core/capabilities/mod.ts";
import { batchOf } from "../../core/faces/batch.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { type Operation, scopeNeedOf } from "../../core/kernel/operation.ts";
import { appNames } from "../../core/ports/host.ts";
import type { Json } from "../../core/ports/json.ts";
import { memoryHashes } from "../../core/ports/memory/hashes.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";
import { streamResponse } from "../../core/ports/stream.ts";
import { learn, type ModeShot, modeShots, type Pool } from "../support/fuzz_modes.ts";
import { seedOf } from "../support/fuzz_shots.ts";
import { logText, memorySettings } from "../support/memory_house.ts";
import { modelRuns } from "../support/model_runs.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";

const TOKEN = "the-service-token-of-the-fuzz";
/** Some requests in each `npm test`; 5,000 and more when TEST_RUNS asks for a thousand sequences. */
const ROUNDS = Math.ceil((modelRuns(200) * 18) / 1_000);
const ROUND_SHOTS = 300;
const AT_ONCE = 4;
/** How long an endless answer is read. */
const FEED_MS = 20;
const seed = seedOf(process.env);
const test = suite("fuzz/modes");

const own = operationsOf(capabilities);
const batch = batchOf(own, async () => undefined);
const targets = [
  ...own.filter(({ needs }) => scopeNeedOf(needs) !== null),
  ...operationsOf(batch ? [batch] : []),
].filter(({ http }) => http !== false);

let database: TestDatabase;
let postgres: Postgres;
let app: App;
const log = memoryLog("warn");
const host = { address: "192.0.2.1", apps: new Set(appNames), stream: streamResponse };

test.before(async () => {
  database = await createTestDatabase(testServer!);
  const connection = { connectionString: database.url };
  await migrateUp({ connection, log });
  postgres = await openPostgres({ connection, log });
  const ports = {
    ...postgres,
    objects: memoryObjects(systemClock),
    hashes: memoryHashes,
    clock: systemClock,
    ids: systemIds,
    log,
  };
  app = createApp(ports, memorySettings({ datastoreToken: TOKEN }));
});

test.after(async () => {
  await app?.stop();
  await postgres?.bus.close();
  await postgres?.database.close();
  await database?.drop();
});

interface Answered {
  status: number;
  text: string;
}

async function fire({ sent }: ModeShot): Promise<Answered | null> {
  const gone = new AbortController();
  let request: Request;
  try {
    const headers = { Authorization: `Bearer ${TOKEN}`, ...sent.headers };
    const body = sent.body === undefined ? {} : { body: sent.body };
    request = new Request(`http://millrace.test${sent.path}`, {
      method: sent.method,
      headers,
      signal: gone.signal,
      ...body,
    });
  } catch {
    // Not every request can be said in HTTP.
    return null;
  }
  const response = await app.fetch(request, host);
  const text = await textOf(response);
  gone.abort();
  return { status: response.status, text };
}

async function textOf(response: Response): Promise<string> {
  if (response.body === null) return "";
  if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response.text();
  const reader = response.body.getReader();
  const timer = setTimeout(() => void reader.cancel(), FEED_MS);
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    text += new TextDecoder().decode(part.value);
  clearTimeout(timer);
  return text;
}

/** Null for what is none, such as a file that was kept. */
function readJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

interface Count {
  sent: number;
  taken: number;
  kinds: Map<number, number>;
}

interface Found {
  counts: Map<string, Count>;
  failures: string[];
}

/** Fires the shots, several at once. */
async function run(shots: readonly ModeShot[], { pool, counts, failures }: Found & { pool: Pool }): Promise<void> {
  let next = 0;
  async function worker(): Promise<void> {
    for (let shot = shots[next++]; shot !== undefined; shot = shots[next++]) {
      const answered = await fire(shot);
      if (answered === null) continue;
      const { operation, sent, kind } = shot;
      const count = counts.get(operation.name) ?? { sent: 0, taken: 0, kinds: new Map() };
      counts.set(operation.name, count);
      count.sent += 1;
      count.kinds.set(answered.status, (count.kinds.get(answered.status) ?? 0) + 1);
      if (answered.status < 300) count.taken += 1;
      if (answered.status < 300) learn(pool, readJson(answered.text));
      if (answered.status >= 500)
        failures.push(`${operation.name}, ${kind}: ${answered.status} ${answered.text}\n  ${written(sent)}`);
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function written({ method, path, headers, body }: ModeShot["sent"]): string {
  return `${method} ${path.slice(0, 400)} ${JSON.stringify(headers)} ${String(body).slice(0, 400)}`;
}

/** What the others need to get far; in its own words, since no declaration says what exists. */
async function prepare(pool: Pool): Promise<void> {
  const columns = [
    { name: "title", type: "text", nullable: true },
    { name: "age", type: "integer", nullable: true },
    { name: "price", type: "numeric(10,2)", nullable: true },
    { name: "data", type: "jsonb", nullable: true },
    { name: "at", type: "timestamptz", nullable: true },
    { name: "email", type: "text", unique: true, nullable: true },
  ];
  const send = async (path: string, value: unknown) => {
    const sent = { method: "POST", path, headers: { "Content-Type": "application/json" }, body: JSON.stringify(value) };
    await fire({ operation: targets[0] as Operation, kind: "fits", sent });
  };
  for (const name of ["orders", "customers"]) {
    await send("/sql/tables", { name, columns });
    await send(`/sql/tables/${name}/rows`, [{ title: "a", age: 20, price: "2.50", data: { a: [1] } }, {}]);
  }
  pool.learned.set("id", [...(pool.learned.get("id") ?? []), 1, 2]);
}

if (testServer === null) console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
else {
  test("no request at a data mode is answered with a 5xx", async () => {
    assert.ok(targets.length > 10, `only ${targets.length} operations`);
    const pool: Pool = { learned: new Map() };
    const shots = fc.oneof(
      ...targets.map((operation) => ({
        weight: 2 + Object.keys(operation.input.entries).length,
        arbitrary: modeShots(operation, { pool, all: targets }),
      })),
    );
    const counts = new Map<string, Count>();
    const failures: string[] = [];
    // In rounds, so that later requests know what earlier ones made.
    for (let round = 0; round < ROUNDS; round += 1) {
      await prepare(pool);
      await run(fc.sample(shots, { seed: seed + round, numRuns: ROUND_SHOTS }), { pool, counts, failures });
    }
    const sum = (read: (count: Count) => number) =>
      [...counts.values()].reduce((total, count) => total + read(count), 0);
    const never = targets.filter(({ name }) => (counts.get(name)?.taken ?? 0) === 0).map(({ name }) => name);
    console.log(
      `fuzz: ${sum(({ sent }) => sent)} requests at ${targets.length} operations, ${sum(({ taken }) => taken)} taken, ${failures.length} of 5xx, seed ${seed}`,
    );
    if (never.length > 0) console.log(`fuzz: never taken: ${never.join(", ")}`);
    assert.equal(failures.slice(0, 10), []);
    assert.ok(sum(({ sent }) => sent) >= 0.9 * ROUNDS * ROUND_SHOTS);
    assert.not.match(logText(log), /"event":"internal"/);
  });

  test.run();
}
