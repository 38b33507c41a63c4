/** Every planted fault still applies: a change of the sources that takes its place away is noticed at once, not when the long run is made next. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { projectRoot } from "../../support/runtime.ts";
import { allPlanted } from "./list.ts";

const test = suite("planted faults");

test("each finds its text once in its file, and names checks that exist", () => {
  assert.ok(allPlanted.length >= 44, `${allPlanted.length} faults`);
  for (const { name, edits, check } of allPlanted) {
    for (const { file, find, replace } of edits) {
      const times = readFileSync(join(projectRoot, file), "utf8").split(find).length - 1;
      assert.is(times, 1, `${name}: ${file} has the text ${times} times: ${find}`);
      assert.not.equal(replace, find, name);
    }
    if ("test" in check) assert.ok(readFileSync(join(projectRoot, check.test), "utf8").length > 0, name);
  }
});

test.run();
