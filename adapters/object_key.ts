/**
 * The keys an object store accepts: the pattern of the port, checked before a key becomes a path or a URL.
 */
import { Fault } from "../core/ports/fault.ts";

const SEGMENT = /^[A-Za-z0-9._-]+$/;
const MOST_CHARACTERS = 512;

/** True for `/`-separated segments of `[A-Za-z0-9._-]`, at most 512 characters in all; `.` and `..` are no segments. */
export function isObjectKey(key: string): boolean {
  if (key.length > MOST_CHARACTERS) return false;
  return key.split("/").every((segment) => SEGMENT.test(segment) && segment !== "." && segment !== "..");
}

/** Throws `invalid_input` for anything else than an object key. */
export function checkObjectKey(key: string): void {
  if (isObjectKey(key)) return;
  throw new Fault(
    "invalid_input",
    `Cannot use ${JSON.stringify(key.slice(0, 80))} as an object key: send 1 to ${MOST_CHARACTERS} characters, segments of A-Z a-z 0-9 . _ - between slashes.`,
  );
}
