/** One atomic batch on real servers: two processes on one PostgreSQL, over HTTP, with all the stores in it, and one that is killed in the middle. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Client, type CreatedChannel, createClient, type Reply } from "../support/client.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, migrate, type TestDatabase, testServer } from "../support/test_database.ts";

const TOKEN = "the-service-token-of-these-tests";
const bearer = { Authorization: `Bearer ${TOKEN}` };
const test = suite("faces/batch on PostgreSQL");

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let database: TestDatabase;
let servers: ServerProcess[] = [];
let clients: Client[] = [];
let count = 0;

async function start(): Promise<ServerProcess> {
  const env = { ...database.env, DATASTORE_TOKEN: TOKEN, LOG_LEVEL: "warn" };
  return startServerProcess({ dataDir: directory.path, env });
}

test.before(async () => {
  directory = await temporaryDirectory();
  database = await createTestDatabase(testServer!);
  await migrate(["up"], database.env);
  servers = await Promise.all([start(), start()]);
  clients = servers.map(({ url }) => createClient(url));
});

test.after(async () => {
  await Promise.all(servers.map((server) => server.end("SIGKILL").catch(() => undefined)));
  await database?.drop();
  await directory?.remove();
});

interface Scene {
  name: string;
  channel: CreatedChannel;
  /** Operations on every store, each bearing this number. */
  all(number: number): Record<string, unknown>[];
  /** What the stores hold, as the numbers that they bear. */
  stored(client?: Client): Promise<Record<"documents" | "jobs" | "rows" | "messages", number[]>>;
}

/** A namespace, a queue, a table and a channel of one test's own. */
async function scene(): Promise<Scene> {
  count += 1;
  const name = `s${count}`;
  const client = clients[0]!;
  const columns = [{ name: "number", type: "integer", nullable: false, unique: true }];
  const made = await client.send("POST", "/sql/tables", { body: { name, columns }, headers: bearer });
  assert.is(made.status, 201, JSON.stringify(made.body));
  const channel = await client.createChannel();
  const all = (number: number) => [
    { op: "document.put", namespace: name, key: `k${number}`, payload: { number } },
    { op: "queue.push", namespace: name, payload: { number } },
    { op: "table.insert", table: name, rows: [{ number }] },
    { op: "channel.publish", channel_id: channel.id, publish_token: channel.publish_token, payload: { number } },
  ];
  const get = async (from: Client, path: string) => {
    const { status, body } = await from.send("GET", path, path.startsWith("/v1/") ? {} : { headers: bearer });
    assert.ok(status === 200, `${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  };
  return {
    ...{ name, channel, all },
    async stored(from = client) {
      const documents = await get(from, `/document/${name}?limit=1000`);
      const rows = await get(from, `/sql/tables/${name}/rows?limit=1000&select=number`);
      const messages = await get(from, `/v1/public/${channel.id}?from=earliest&wait=0&limit=1000`);
      const jobs = await database.query(
        `SELECT payload FROM queue_jobs WHERE payload LIKE '%number%' AND queue_number IN (SELECT number FROM queues WHERE name = '${name}')`,
      );
      return {
        documents: sorted(documents.documents.map(({ key }: { key: string }) => Number(key.slice(1)))),
        jobs: sorted(jobs.map(({ payload }) => JSON.parse(String(payload)).number)),
        rows: sorted(rows.rows.map(({ number }: { number: number }) => number)),
        messages: sorted(messages.messages.map(({ payload }: { payload: { number: number } }) => payload.number)),
      };
    },
  };
}

function sorted(numbers: number[]): number[] {
  return numbers.sort((left, right) => left - right);
}

const nothing = { documents: [], jobs: [], rows: [], messages: [] };

function everywhere(numbers: number[]): unknown {
  return { documents: numbers, jobs: numbers, rows: numbers, messages: numbers };
}

function batch(
  operations: unknown,
  { key, client = clients[0]! }: { key?: string; client?: Client } = {},
): Promise<Reply> {
  const headers = key === undefined ? bearer : { ...bearer, "Idempotency-Key": key };
  return client.send("POST", "/batch", { body: operations, headers });
}

test("a batch over all stores takes effect as a whole, and the feeds tell of it", async () => {
  const { name, all, stored } = await scene();
  const { status, body } = await batch(all(1));
  assert.is(status, 200, JSON.stringify(body));
  assert.is(body.results.length, 4);
  assert.equal(await stored(clients[1]), everywhere([1]));
  for (const path of [`/document-namespaces/${name}/changes`, `/sql/tables/${name}/changes`]) {
    const feed = await clients[1]!.send("GET", `${path}?from=earliest&wait=0`, { headers: bearer });
    assert.is(feed.status, 200, JSON.stringify(feed.body));
    const events = Object.values(feed.body).find(Array.isArray) as unknown[];
    assert.ok(events.length >= 1, `${path}: ${JSON.stringify(feed.body)}`);
  }
});

test("a refusal of any store at any place leaves nothing in any of them", async () => {
  const { name, all, stored } = await scene();
  const gone = await clients[0]!.createChannel();
  assert.is((await batch([{ op: "table.insert", table: name, rows: [{ number: 7 }] }])).status, 200);
  // The channel is deleted behind the server's back, so that only the store knows.
  await database.query(`UPDATE journal_subjects SET closed_at = now() WHERE subject = '${gone.id}'`);
  const refusals: [Record<string, unknown>, number][] = [
    [{ op: "document.put", namespace: name, key: "x", payload: 1, if_version: 3 }, 412],
    [{ op: "table.insert", table: name, rows: [{ number: 8 }, { number: 7 }] }, 409],
    [{ op: "table.insert", table: name, rows: [{ number: null }] }, 400],
    [{ ...all(1)[3]!, channel_id: gone.id, publish_token: gone.publish_token }, 404],
    [{ ...all(1)[3]!, publish_token: gone.publish_token }, 404],
  ];
  for (const [bad, expected] of refusals) {
    const good = all(1);
    for (let at = 0; at <= good.length; at += 1) {
      const { status, body } = await batch([...good.slice(0, at), bad, ...good.slice(at)]);
      assert.is(status, expected, JSON.stringify(body));
      assert.is(body.error.details.index, at, JSON.stringify(body));
      assert.equal(await stored(), { ...nothing, rows: [7] });
    }
  }
});

test("of the same request many times at once, on both servers, one is carried out and all are answered alike", async () => {
  const { all, stored } = await scene();
  // With nothing in it but the key that could refuse a second time, and with a row that could, too.
  const requests = [all(1).filter(({ op }) => op !== "table.insert"), all(2)];
  for (const [at, operations] of requests.entries()) {
    const key = `k${at}`;
    const replies = await Promise.all(
      Array.from({ length: 24 }, (_, index) => batch(operations, { key, client: clients[index % 2]! })),
    );
    assert.equal([...new Set(replies.map(({ status }) => status))], [200]);
    assert.is(new Set(replies.map(({ body }) => JSON.stringify(body))).size, 1);
    assert.is(replies.filter(({ headers }) => headers.get("idempotency-replayed") === null).length, 1);
  }
  const once = { documents: [1, 2], jobs: [1, 2], rows: [2], messages: [1, 2] };
  assert.equal(await stored(), once);
  assert.is((await batch(all(3), { key: "k0" })).status, 422);
  assert.equal(await stored(), once);
});

test("batches that touch the same things in opposite orders all go through", async () => {
  const { all, name } = await scene();
  const other = await scene();
  const rowsOf = (table: string, number: number) => ({ op: "table.insert", table, rows: [{ number }] });
  const replies = await Promise.all(
    Array.from({ length: 48 }, (_, index) => {
      const operations = [...all(index).slice(0, 2), rowsOf(name, index), ...other.all(index)];
      return batch(index % 2 ? operations : operations.reverse(), { client: clients[index % 2]! });
    }),
  );
  const refused = replies.filter(({ status }) => status !== 200).map(({ body }) => body);
  assert.equal(refused, []);
  assert.is((await other.stored()).rows.length, 48);
});

test("a thousand operations are one batch", async () => {
  const { all, stored } = await scene();
  const operations = Array.from({ length: 250 }, (_, number) => all(number)).flat();
  const began = performance.now();
  const { status, body } = await batch(operations);
  const ms = Math.round(performance.now() - began);
  assert.is(status, 200, JSON.stringify(body).slice(0, 500));
  console.log(`a batch of 1000 operations took ${ms} ms`);
  assert.is(body.results.length, 1_000);
  const numbers = Array.from({ length: 250 }, (_, number) => number);
  assert.equal(await stored(), everywhere(numbers));
});

test("a server that is killed in the middle leaves no batch half done, and retries carry each out once", async () => {
  const { all, stored } = await scene();
  const numbers = Array.from({ length: 160 }, (_, number) => number);
  const acknowledged = new Map<number, unknown>();
  const victim = await start();
  const client = createClient(victim.url);
  const sending = numbers.map(async (number) => {
    const reply = await batch(all(number), { key: `crash-${number}`, client });
    if (reply.status === 200) acknowledged.set(number, reply.body);
  });
  const killing = new Promise<void>((resolve) => {
    const look = () => {
      if (acknowledged.size < 40) return setTimeout(look, 1);
      void victim.end("SIGKILL").then(() => resolve());
    };
    look();
  });
  await Promise.all([killing, Promise.allSettled(sending)]);
  const after = await stored();
  assert.equal(after.documents, after.jobs);
  assert.equal(after.documents, after.rows);
  assert.equal(after.documents, after.messages);
  assert.ok(after.documents.length < numbers.length, "it was killed too late");
  for (const number of acknowledged.keys()) assert.ok(after.documents.includes(number), `${number} is lost`);
  console.log(
    `killed with ${acknowledged.size} acknowledged and ${after.documents.length} stored of ${numbers.length}`,
  );

  const retried = await Promise.all(numbers.map((number) => batch(all(number), { key: `crash-${number}` })));
  for (const [number, { status, body, headers }] of retried.entries()) {
    assert.is(status, 200, JSON.stringify(body));
    const wasStored = after.documents.includes(number);
    assert.is(headers.get("idempotency-replayed"), wasStored ? "true" : null, `${number}`);
    if (acknowledged.has(number)) assert.equal(body, acknowledged.get(number));
  }
  assert.equal(await stored(), everywhere(numbers));
});

if (testServer === null) console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
else test.run();
