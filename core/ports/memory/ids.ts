/**
 * Ids that come in the same order in every run: the twin of the cryptographic source, for tests. Nothing here is secret.
 */
import type { Ids } from "../ids.ts";

/** Ids of one sequence; another `seed` gives another sequence. */
export function memoryIds(seed = 1): Ids {
  let state = seed >>> 0;

  // Mulberry32: every 32-bit state comes once before any comes again.
  function word(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }

  function bytes(length: number): Uint8Array<ArrayBuffer> {
    return Uint8Array.from({ length }, () => word() & 0xff);
  }

  return {
    bytes,
    uuid() {
      const octets = bytes(16);
      octets[6] = (octets[6]! & 0x0f) | 0x40;
      octets[8] = (octets[8]! & 0x3f) | 0x80;
      const hex = Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
      return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
    },
  };
}
