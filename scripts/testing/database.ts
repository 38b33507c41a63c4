/** The PostgreSQL that tests run against when TEST_DATABASE_URL names none: the embedded default, with its data in a directory of this run's own. */
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startEmbedded } from "../../adapters/postgres/embedded.ts";

export interface LentDatabase {
  url: string;
  end(): Promise<void>;
}

export async function lendDatabase(): Promise<LentDatabase> {
  const directory = await mkdtemp(join(tmpdir(), "millrace-tests-"));
  // As root the server runs under another account, which must be able to come here.
  await chmod(directory, 0o755);
  const { connection, stop } = await startEmbedded({ dataDir: directory, log: { write: () => undefined } });
  return {
    url: `postgres://${connection.user}@localhost/${connection.database}?host=${encodeURIComponent(connection.host)}&port=${connection.port}`,
    async end() {
      await stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
