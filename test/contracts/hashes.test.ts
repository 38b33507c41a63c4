/** Both twins of the sums keep one contract: the sum of all bytes, however they came and whatever happened to them afterwards. */
import * as assert from "uvu/assert";
import { nativeHashes } from "../../adapters/hashes.ts";
import type { Hashes } from "../../core/ports/hashes.ts";
import { memoryHashes } from "../../core/ports/memory/hashes.ts";
import { patterned } from "../support/byte_streams.ts";
import { sha256 } from "../support/file_client.ts";
import { promises } from "../support/promises.ts";

const ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

function hashesContract(name: string, hashes: Hashes): void {
  promises(
    `hashes, ${name}`,
    async () => ({ hashes, close: async () => undefined }),
    (keeps) => {
      keeps("sha256() is the sum of FIPS 180-4, as lower-case hex", async () => {
        const hash = hashes.sha256();
        for (const letter of "abc") hash.update(new TextEncoder().encode(letter));
        assert.is(await hash.hex(), ABC);
        assert.is(await hashes.sha256().hex(), NOTHING);
      });

      keeps("bytes may come in pieces of any size, several sums at once", async () => {
        const bytes = patterned(0, 1_000_003);
        const [one, other] = [hashes.sha256(), hashes.sha256()];
        for (let at = 0; at < bytes.length; at += 65_537) {
          one.update(bytes.subarray(at, at + 65_537));
          other.update(new Uint8Array([at & 255]));
        }
        assert.is(await one.hex(), await sha256(bytes));
        assert.is.not(await other.hex(), await sha256(bytes));
      });

      keeps("what becomes of the bytes afterwards does not change the sum", async () => {
        const bytes = new TextEncoder().encode("abc");
        const hash = hashes.sha256();
        hash.update(bytes);
        bytes.fill(0);
        assert.is(await hash.hex(), ABC);
      });
    },
  );
}

hashesContract("memory", memoryHashes);
hashesContract("native", nativeHashes);
