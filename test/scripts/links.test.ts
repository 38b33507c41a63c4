/** Links from the documents to files of the repository lead somewhere. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const test = suite("links in documents");
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** The relative targets of Markdown links in a text. */
function targetsIn(text: string): string[] {
  return Array.from(text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g), ([, target]) => target!).filter(
    (target) => !/^[a-z]+:/.test(target),
  );
}

test("finds links, and leaves addresses of others alone", () => {
  assert.equal(targetsIn("[a](b/c.ts) [d](https://e.f) ![g](h.png#i)"), ["b/c.ts", "h.png"]);
});

for (const name of ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"]) {
  test(`${name} links to files that are there`, () => {
    const missing = targetsIn(readFileSync(ROOT + name, "utf8")).filter((target) => !existsSync(ROOT + target));
    assert.equal(missing, []);
  });
}

test.run();
