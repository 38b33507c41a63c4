/** Two stores as one keep the contract, for keys on either side and across; and each key is where it belongs. */
import * as assert from "uvu/assert";
import { splitObjects } from "../../adapters/split_objects.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { memoryObjects } from "../../core/ports/memory/objects.ts";
import { patterned } from "../support/byte_streams.ts";
import { promises } from "../support/promises.ts";
import { objectsContract } from "./objects.ts";

async function openHarness() {
  const [rest, own] = [memoryObjects(memoryClock()), memoryObjects(memoryClock())];
  const objects = splitObjects(rest, { prefix: "f/", objects: own });
  return { rest, own, objects, prefix: "", close: async () => undefined };
}

objectsContract("split, elsewhere", async () => ({ ...(await openHarness()), prefix: "m/" }));
objectsContract("split, in its place", async () => ({ ...(await openHarness()), prefix: "f/" }));

const keysOf = (listed: { key: string }[]) => listed.map(({ key }) => key);

promises("objects in two places", openHarness, (keeps) => {
  keeps("a key is only in the place that its beginning names", async ({ rest, own, objects }) => {
    for (const key of ["f/a", "m/a", "fa", "f.a/b"]) await objects.put(key, patterned(0, 1));
    assert.equal(keysOf(await own.list("", "", 10)), ["f/a"]);
    assert.equal(keysOf(await rest.list("", "", 10)), ["f.a/b", "fa", "m/a"]);
    await objects.remove("f/a");
    assert.equal(await own.list("", "", 10), []);
  });

  keeps("a list over both is in order, in pages, without what is out of reach", async ({ rest, objects }) => {
    const keys = ["a", "f.", "f/1", "f/2", "f/3", "f0", "m/1"];
    for (const key of keys) await objects.put(key, patterned(0, 1));
    for (const key of ["f/0", "f/11", "f/12", "f/5", "f/6", "f/7", "f/9"]) await rest.put(key, patterned(0, 1));
    const listed: string[] = [];
    for (let after = ""; ; after = listed.at(-1)!) {
      const page = keysOf(await objects.list("", after, 2));
      listed.push(...page);
      if (page.length < 2) break;
    }
    assert.equal(listed, keys);
    assert.equal(keysOf(await objects.list("f", "f/1", 10)), ["f/2", "f/3", "f0"]);
  });
});
