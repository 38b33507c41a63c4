/**
 * UUID version 7 (RFC 9562, section 5.7) as the journal uses it: made from a time and random bytes, and counted up by one.
 * Lower-case text compares in the order of the ids.
 */

/** A version 7 UUID in lower case. */
export const pattern = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const MS_MAX = 2 ** 48 - 1;
const RAND_A_BITS = 12n;
const RAND_B_BITS = 62n;

/** The UUID of that millisecond and of ten random bytes; a time no UUID can hold becomes the nearest one it can. */
export function uuid7(ms: number, random: Uint8Array): string {
  if (random.length < 10) throw new RangeError(`uuid7() needs 10 random bytes, not ${random.length}`);
  const time = BigInt(Math.min(Math.max(Math.floor(ms), 0), MS_MAX));
  let noise = 0n;
  for (const byte of random.subarray(0, 10)) noise = (noise << 8n) | BigInt(byte);
  return write((time << (RAND_A_BITS + RAND_B_BITS)) | BigInt.asUintN(Number(RAND_A_BITS + RAND_B_BITS), noise));
}

/** The UUID right after `id`: one more over the 74 random bits and then the time, around the version and the variant. */
export function next(id: string): string {
  const bits = read(id) + 1n;
  if (bits >> 122n > 0n) throw new RangeError(`there is no UUID after ${id}`);
  return write(bits);
}

/** The greater of two UUIDs. */
export function later(left: string, right: string): string {
  if (left < right) return right;
  return left;
}

/** The 122 bits of a UUID that are neither version nor variant. */
function read(id: string): bigint {
  const bits = BigInt(`0x${id.replaceAll("-", "")}`);
  const timeAndVersion = bits >> 64n;
  const time = timeAndVersion >> 16n;
  const randA = BigInt.asUintN(Number(RAND_A_BITS), timeAndVersion);
  const randB = BigInt.asUintN(Number(RAND_B_BITS), bits);
  return (((time << RAND_A_BITS) | randA) << RAND_B_BITS) | randB;
}

function write(bits: bigint): string {
  const randB = BigInt.asUintN(Number(RAND_B_BITS), bits);
  const randA = BigInt.asUintN(Number(RAND_A_BITS), bits >> RAND_B_BITS);
  const time = bits >> (RAND_A_BITS + RAND_B_BITS);
  const uuid = (time << 80n) | (7n << 76n) | (randA << 64n) | (2n << 62n) | randB;
  const hex = uuid.toString(16).padStart(32, "0");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}
