/**
 * Sums in memory: all bytes are held until the end, for WebCrypto to sum.
 */
import type { Hashes } from "../hashes.ts";

export const memoryHashes: Hashes = {
  sha256() {
    const parts: Uint8Array<ArrayBuffer>[] = [];
    return {
      update: (bytes) => void parts.push(bytes.slice() as Uint8Array<ArrayBuffer>),
      async hex() {
        const sum = await crypto.subtle.digest("SHA-256", await new Blob(parts).arrayBuffer());
        return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, "0")).join("");
      },
    };
  },
};
