/** A PostgreSQL of a test's own from the npm package, whose durability a test may switch off; unlike the embedded server's, which nobody may. */
import { spawn } from "node:child_process";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepareBinaries } from "../../adapters/postgres/embedded/binaries.ts";
import { ensureCluster, spawnOptions } from "../../adapters/postgres/embedded/cluster.ts";
import { findPlace, makeShelter } from "../../adapters/postgres/embedded/place.ts";
import { halt } from "../../adapters/postgres/embedded/postmaster.ts";
import { ask } from "./embedded_bench.ts";
import { eventually } from "./eventually.ts";
import { temporaryDirectory } from "./server_process.ts";

export interface OwnPostgres {
  url: string;
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Changes a setting of the whole server; resolves when it holds. */
  set(name: string, value: string): Promise<void>;
  stop(): Promise<void>;
}

export async function startOwnPostgres(): Promise<OwnPostgres> {
  const directory = await temporaryDirectory();
  const shelter = join(tmpdir(), `millrace-shelter-${crypto.randomUUID()}`);
  const { cluster, account } = await findPlace(directory.path, shelter);
  const copyInto = async () => (account ? makeShelter(shelter, account) : directory.path);
  const binaries = await prepareBinaries({ packageDir: undefined, account, copyInto });
  await ensureCluster(cluster, { binaries, account });
  const words = ["-D", cluster, "-c", "listen_addresses=", "-c", `unix_socket_directories=${cluster}`];
  const child = spawn(join(binaries, "postgres"), words, { ...spawnOptions(account), stdio: "ignore" });
  const query = (sql: string) => ask(cluster, sql);
  await eventually(
    "it answers",
    () =>
      query("SELECT 1").then(
        () => true,
        () => false,
      ),
    15_000,
  );
  return {
    url: `postgres://postgres@localhost/postgres?host=${encodeURIComponent(cluster)}`,
    query,
    async set(name, value) {
      await query(`ALTER SYSTEM SET ${name} = ${value}`);
      await query("SELECT pg_reload_conf()");
      await eventually(`${name} is ${value}`, async () => (await query(`SHOW ${name}`))[0]?.[name] === value);
    },
    async stop() {
      await halt(child.pid!);
      await directory.remove();
      await rm(shelter, { recursive: true, force: true });
    },
  };
}
