/** The salt that a server without TOKEN_SECRET_SALT makes once and keeps in its data directory. It keys the hashes of all tokens. */
import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./disk.ts";
import { systemIds } from "./system.ts";

const BYTES = 32;

/**
 * The kept salt, or a new one when there is none yet; only whoever holds the data directory's lock may call it. Throws, naming the file, when there is
 * one that cannot be used: a new one in its place would end every token.
 */
export async function keptSalt(dataDir: string): Promise<Uint8Array<ArrayBuffer>> {
  const file = join(dataDir, "token_secret_salt");
  const kept = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw unusable(file, `cannot be read (${error.code ?? error.message})`, "make it readable for this account");
  });
  if (kept === null) return await makeSalt(dataDir, file);
  if (kept.length !== BYTES) {
    throw unusable(file, `has ${kept.length} bytes instead of ${BYTES}`, "put it back from a backup");
  }
  return new Uint8Array(kept);
}

function unusable(file: string, what: string, cure: string): Error {
  return new Error(
    `Cannot start: ${file} ${what}. It keys the hashes of all tokens: ${cure}, or remove it to have a new one made, which ends every token given out so far.`,
  );
}

/** Durable before it is used: a token made with a salt that a crash takes away would never hold again. */
async function makeSalt(dataDir: string, file: string): Promise<Uint8Array<ArrayBuffer>> {
  const made = systemIds.bytes(BYTES);
  const passing = `${file}.new`;
  await mkdir(dataDir, { recursive: true });
  // What a crash left would keep its own mode.
  await rm(passing, { force: true });
  const handle = await open(passing, "wx", 0o600);
  try {
    await handle.writeFile(made);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(passing, file);
  await syncDirectory(dataDir);
  return made;
}
