/**
 * What every source of ids promises.
 */
import * as assert from "uvu/assert";
import type { Ids } from "../../core/ports/ids.ts";
import { promises } from "../support/promises.ts";

export interface IdsHarness {
  readonly ids: Ids;
  close(): Promise<void>;
}

/** Runs the contract over the source that `open` opens. */
export function idsContract(name: string, open: () => Promise<IdsHarness>): void {
  promises(`ids, ${name}`, open, (keeps) => {
    keeps("uuid() is a UUID of version 4 in lower case, another each time", async ({ ids }) => {
      const uuids = Array.from({ length: 1_000 }, () => ids.uuid());
      for (const uuid of uuids)
        assert.match(uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.is(new Set(uuids).size, 1_000);
    });

    keeps("bytes() gives as many bytes as asked for, of every value", async ({ ids }) => {
      for (const length of [0, 1, 32, 4_096]) assert.is(ids.bytes(length).length, length);
      assert.is(new Set(ids.bytes(65_536)).size, 256);
      assert.not.equal(ids.bytes(32), ids.bytes(32));
    });
  });
}
