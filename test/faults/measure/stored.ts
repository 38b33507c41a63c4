/** What stands in the table and in a directory of objects, past the server. */
import { createHash } from "node:crypto";
import { readdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { openDisk } from "../../../adapters/disk.ts";
import type { ObjectInfo } from "../../../core/ports/objects.ts";
import type { Cluster } from "../scenario.ts";

/** A row that refers to an object. */
export interface Reference {
  id: string;
  key: string;
  size: number;
  sha256: string;
}

/** The rows of messages whose payload is an object. */
export async function references(cluster: Cluster): Promise<Reference[]> {
  const rows = await cluster.query(
    "SELECT id::text, blob_key AS key, blob_size::float8 AS size, blob_sha256 AS sha256 FROM journal_entries WHERE blob_key IS NOT NULL",
  );
  return rows as unknown as Reference[];
}

/** The first number of a query's one row. */
export async function count(cluster: Cluster, sql: string): Promise<number> {
  const [row] = await cluster.query(sql);
  return Number(Object.values(row ?? {})[0]);
}

export interface ObjectFolder {
  /** All objects of payloads, by key. */
  list(): Promise<Map<string, ObjectInfo>>;
  /** Those of the rows whose object is missing or is not what was stored. */
  broken(rows: readonly Reference[]): Promise<Reference[]>;
  /** Makes every file look as old as this. */
  age(ms: number): Promise<void>;
  /** Files that are being written, or were when their server died. */
  unfinished(): Promise<string[]>;
}

/** The objects below the `DATA_DIR` of servers. */
export async function objectFolder(dataDir: string): Promise<ObjectFolder> {
  const directory = join(dataDir, "objects");
  const objects = await openDisk({ directory });

  async function isWhole({ key, size, sha256 }: Reference): Promise<boolean> {
    const stream = await objects.get(key);
    if (stream === null) return false;
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    return bytes.length === size && createHash("sha256").update(bytes).digest("hex") === sha256;
  }

  return {
    async list() {
      const found = new Map<string, ObjectInfo>();
      for (let after = ""; ; ) {
        const page = await objects.list("m/", after, 1_000);
        for (const info of page) if (!info.key.endsWith("/clock")) found.set(info.key, info);
        if (page.length < 1_000) return found;
        after = page.at(-1)!.key;
      }
    },
    async broken(rows) {
      const bad: Reference[] = [];
      for (const row of rows) if (!(await isWhole(row))) bad.push(row);
      return bad;
    },
    async age(ms) {
      const then = new Date(Date.now() - ms);
      const files = await readdir(directory, { recursive: true, withFileTypes: true });
      for (const file of files) if (file.isFile()) await utimes(join(file.parentPath, file.name), then, then);
    },
    async unfinished() {
      return await readdir(join(directory, "~tmp"));
    },
  };
}
