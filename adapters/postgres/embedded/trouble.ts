/** Words for the operator when the embedded PostgreSQL cannot do its work: what failed, why as far as known, what to do. */
import { open, statfs } from "node:fs/promises";

const TAIL_BYTES = 4096;
const TAIL_LINES = 12;
const FULL_BYTES = 32 * 1024 * 1024;

/** The last lines of a text. */
export function tailOf(text: string): string {
  return text.trim().split("\n").slice(-TAIL_LINES).join("\n");
}

/** The last lines that were written to `file` after the byte `from`. */
export async function tailOfFile(file: string, from: number): Promise<string> {
  const handle = await open(file, "r").catch(() => null);
  if (!handle) return "";
  try {
    const { size } = await handle.stat();
    const start = Math.max(from, size - TAIL_BYTES);
    const buffer = new Uint8Array(Math.max(0, size - start));
    await handle.read(buffer, 0, buffer.length, start);
    return tailOf(new TextDecoder().decode(buffer));
  } finally {
    await handle.close();
  }
}

/** An error that says what failed in `directory`, whether its disk is full, and the last words of the program. */
export async function trouble(
  what: string,
  where: { directory: string; tail?: string; cause?: unknown },
): Promise<Error> {
  const full = /No space left on device|ENOSPC/.test(`${where.tail ?? ""} ${String(where.cause ?? "")}`);
  const space = await statfs(where.directory).catch(() => null);
  const short = full || (space !== null && space.bavail * space.bsize < FULL_BYTES);
  const parts = [`Cannot start the embedded PostgreSQL: ${what}.`];
  if (short)
    parts.push(`The disk that holds ${where.directory} is full: make room there or set DATA_DIR to another disk.`);
  if (where.cause instanceof Error) parts.push(`${where.cause.message}.`);
  if (where.tail) parts.push(`Its last words:\n${where.tail}`);
  return new Error(parts.join(" "), where.cause === undefined ? {} : { cause: where.cause });
}
