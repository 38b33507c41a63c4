/** The embedded PostgreSQL keeps its promises: rows survive, one server a directory, nothing half-made, nothing left behind. */
import { once } from "node:events";
import { chown, mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, isRunning, openBench, postmasterOf, until } from "../support/embedded_bench.ts";

const bench = await openBench();
const { fresh, lines, own, refused, start } = bench;
/** The directory of the tests that need no first start, which takes most of a second. */
const shared = fresh();
const test = suite("embedded");
const locks = "select pid from pg_locks where locktype = 'advisory' and granted";

function lastEvent(event: string): Record<string, unknown> | undefined {
  return lines.findLast((line) => line.event === event)?.fields;
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}

test("start() makes a cluster once, on a private socket only, and rows outlive a stop", async () => {
  const dataDir = join(fresh(), `it's "our", data`);
  const first = await start({ dataDir });
  const { host } = first.connection;
  assert.is(first.firstStart, true);
  await ask(host, "create table kept as select 7 as n");
  const names = [
    "listen_addresses",
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "server_encoding",
    "max_connections",
  ];
  const [row] = await ask(host, `select ${names.map((name) => `current_setting('${name}') as ${name}`).join()}`);
  assert.equal(Object.values(row ?? {}), ["", "on", "on", "on", "UTF8", "60"]);
  assert.is((await stat(host)).mode & 0o777, 0o700);
  assert.is(await readFile(join(dataDir, "server.pid"), "utf8"), `${process.pid}\n`);
  const pid = await postmasterOf(host);
  await Promise.all([first.stop(), first.stop()]);
  await first.stop();
  assert.not.ok(isRunning(pid));
  assert.not.ok((await namesIn(dataDir)).includes("server.pid"));
  assert.not.ok((await namesIn(host)).includes("postmaster.pid"));

  const second = await start({ dataDir });
  assert.is(second.firstStart, false);
  assert.equal(await ask(host, "select n from kept"), [{ n: 7 }]);
  await second.stop();
  assert.match(await readFile(join(dataDir, "postgres.log"), "utf8"), "database system is ready");
});

test("a first start takes less than three seconds, a later one less than one", async () => {
  const times = { first: [] as number[], later: [] as number[] };
  // The better of two, and in proportion to the load, since other work may run on the machine.
  const slack = Math.max(1, (loadavg()[0] ?? 0) / availableParallelism());
  for (const dataDir of [fresh(), fresh()]) {
    for (const kind of ["first", "later"] as const) {
      const before = performance.now();
      const embedded = await start({ dataDir });
      times[kind].push(performance.now() - before);
      await embedded.stop();
    }
  }
  assert.ok(Math.min(...times.first) < 3_000 * slack, `first starts took ${times.first} ms`);
  assert.ok(Math.min(...times.later) < 1_000 * slack, `later starts took ${times.later} ms`);
});

test("a kill -9 during the first start leaves nothing half-made", async () => {
  const dataDir = fresh();
  const owner = own({ dataDir });
  await until(async () => (await namesIn(dataDir)).some((name) => name.startsWith("postgres.new-")));
  process.kill(owner.pid, "SIGKILL");
  await owner.ended;
  assert.not.ok((await namesIn(dataDir)).includes("postgres"));
  const embedded = await start({ dataDir });
  assert.is(embedded.firstStart, true);
  assert.equal(await ask(embedded.connection.host, "select 1 as n"), [{ n: 1 }]);
  assert.equal(
    (await namesIn(dataDir)).filter((name) => name.includes(".new-")),
    [],
  );
  await embedded.stop();
});

test("a first start also clears what the initdb of a killed owner makes while it runs", async () => {
  const dataDir = fresh();
  const starting = start({ dataDir });
  await until(async () => (await namesIn(dataDir)).some((name) => name.startsWith("postgres.new-")));
  // What an initdb does that finds its directory gone: it makes it again. No pid is this high.
  await mkdir(join(dataDir, "postgres.new-99999999-0badcafe", "base"), { recursive: true });
  const embedded = await starting;
  assert.equal(
    (await namesIn(dataDir)).filter((name) => name.includes(".new-")),
    [],
  );
  await embedded.stop();
});

test("rows survive kill -9 of their owner, and the next server adopts the postmaster and can stop it", async () => {
  const dataDir = shared;
  const owner = own({ dataDir });
  const host = String((await owner.step("started")).started);
  await ask(host, "create table survivors as select generate_series(1, 100) as n");
  const pid = await postmasterOf(host);
  process.kill(owner.pid, "SIGKILL");
  await owner.ended;
  assert.ok(isRunning(pid), "the postmaster outlives its owner");
  const embedded = await start({ dataDir });
  assert.is(await postmasterOf(host), pid);
  assert.equal(await ask(host, "select count(*)::int as n from survivors"), [{ n: 100 }]);
  await embedded.stop();
  assert.not.ok(isRunning(pid));
});

test("a signal to the owner's whole group reaches PostgreSQL only after the drain", async () => {
  const dataDir = shared;
  const owner = own({ dataDir });
  await owner.step("waiting");
  const pid = await postmasterOf(join(dataDir, "postgres"));
  process.kill(-owner.pid, "SIGTERM");
  assert.is(await owner.ended, 0);
  await owner.step("drained");
  assert.not.ok(isRunning(pid));
});

test("a held PostgreSQL keeps no finished process alive", async () => {
  const dataDir = shared;
  const owner = own({ dataDir }, { idle: true });
  assert.is(await owner.ended, 0);
  await owner.step("started");
  const embedded = await start({ dataDir });
  assert.is(lastEvent("embedded_started")?.adopted, true);
  await embedded.stop();
});

test("a second server is refused in words for the operator and harms nobody", async () => {
  const dataDir = shared;
  const embedded = await start({ dataDir });
  const { host } = embedded.connection;
  const pid = await postmasterOf(host);
  const second = own({ dataDir });
  const words = String((await second.step("refused")).refused);
  await second.ended;
  for (const part of [dataDir, `pid ${process.pid}`, "DATA_DIR", "DATABASE_URL"])
    assert.ok(words.includes(part), words);
  assert.is(await postmasterOf(host), pid);
  assert.is(await readFile(join(dataDir, "server.pid"), "utf8"), `${process.pid}\n`);
  assert.equal(await ask(host, "select 1 as n"), [{ n: 1 }]);
  await embedded.stop();
});

test("of two servers that start first at the same moment exactly one wins", async () => {
  const dataDir = fresh();
  const owners = [own({ dataDir }), own({ dataDir })];
  const ends = await Promise.all(owners.map((owner) => owner.step("waiting", "refused")));
  const winners = owners.filter((_owner, index) => ends[index]?.waiting);
  assert.is(winners.length, 1, JSON.stringify(ends));
  assert.equal(await ask(join(dataDir, "postgres"), "select 1 as n"), [{ n: 1 }]);
  assert.equal(
    (await namesIn(dataDir)).filter((name) => name.includes(".new-")),
    [],
  );
  process.kill(Number(winners[0]?.pid), "SIGTERM");
  assert.is(await winners[0]?.ended, 0);
});

test("a lost lock is taken again", async () => {
  const dataDir = shared;
  const embedded = await start({ dataDir });
  const { host } = embedded.connection;
  const [before] = await ask(host, locks);
  await ask(host, `select pg_terminate_backend(${before?.pid})`);
  await until(async () => {
    const [now] = await ask(host, locks);
    return now !== undefined && now.pid !== before?.pid;
  });
  await embedded.stop();
});

test("a postmaster killed under its owner comes back with its rows, again and again, and is held as before", async () => {
  const dataDir = shared;
  const embedded = await start({ dataDir });
  const { host } = embedded.connection;
  await ask(host, "create table regained as select 1 as n");
  for (let round = 0; round < 2; round++) {
    const pid = await postmasterOf(host);
    process.kill(pid, "SIGKILL");
    await until(() => lines.at(-1)?.event === "embedded_regained" && lines.at(-1)?.fields.pid !== pid);
    assert.equal(await ask(host, "select n from regained"), [{ n: 1 }]);
  }
  assert.is((await ask(host, locks)).length, 1);
  const last = await postmasterOf(host);
  await embedded.stop();
  assert.not.ok(isRunning(last));
});

test("a server that lost its postmaster while it was held up goes before a newcomer", async () => {
  const dataDir = shared;
  const host = join(dataDir, "postgres");
  const owner = own({ dataDir });
  await owner.step("waiting");
  const pid = await postmasterOf(host);
  process.kill(owner.pid, "SIGSTOP");
  process.kill(pid, "SIGKILL");
  const newcomer = refused({ dataDir });
  const regained = until(async () => ![0, pid].includes(await postmasterOf(host)));
  assert.is(await Promise.race([newcomer, regained]), undefined);
  process.kill(owner.pid, "SIGCONT");
  assert.match(await newcomer, `pid ${owner.pid}`);
  process.kill(owner.pid, "SIGTERM");
  assert.is(await owner.ended, 0);
});

test("a socket that a killed postmaster has not closed yet does not hinder a start", async () => {
  const dataDir = shared;
  const { connection, stop } = await start({ dataDir });
  await stop();
  const dying = createServer().listen(join(connection.host, `.s.PGSQL.${connection.port}`));
  await once(dying, "listening");
  setTimeout(() => dying.close(), 300);
  const next = await start({ dataDir });
  assert.equal(await ask(connection.host, "select 1 as n"), [{ n: 1 }]);
  await next.stop();
});

test("stop() while PostgreSQL is being regained leaves no process behind", async () => {
  const dataDir = shared;
  for (const laterMs of [0, 5, 10]) {
    const embedded = await start({ dataDir });
    const { host } = embedded.connection;
    process.kill(await postmasterOf(host), "SIGKILL");
    await until(() => lines.at(-1)?.event === "embedded_lost");
    await new Promise((resolve) => setTimeout(resolve, laterMs));
    await embedded.stop();
    // One that was spawned and forgotten would write its pid by now.
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.not.ok(isRunning(await postmasterOf(host)), `stopped ${laterMs} ms later`);
  }
});

test("stale lock files do not hinder a start, whoever has their pid now", async () => {
  const dataDir = shared;
  const embedded = await start({ dataDir });
  const { host } = embedded.connection;
  const files = ["postmaster.pid", ".s.PGSQL.5432.lock"].map((name) => join(host, name));
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  await embedded.stop();
  const { uid, gid } = await stat(host);
  const stranger = await bench.stranger(process.getuid?.() === 0 ? { uid, gid } : {});
  const stale = [
    (text: string) => text,
    (text: string) => text.replace(/^\d+/, String(stranger)),
    () => "",
    () => "nonsense\n",
  ];
  for (const spoil of stale) {
    for (const [index, file] of files.entries()) {
      await writeFile(file, spoil(texts[index] ?? ""));
      await chown(file, uid, gid);
    }
    const next = await start({ dataDir });
    assert.equal(await ask(host, "select 1 as n"), [{ n: 1 }]);
    await next.stop();
  }
  assert.ok(isRunning(stranger), "the other program is left alone");
});

test.after.each(bench.sweep);
test.after(bench.close);
test.run();
