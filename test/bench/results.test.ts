import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Chapter, writeResults } from "./results.ts";

const test = suite("bench results");

const chapter = (title: string, figure: string): Chapter => ({
  name: title.toLowerCase(),
  title,
  words: "How.",
  table: `| ${figure} |`,
  facts: [],
});

test("a run replaces its own chapters of its own runtime and leaves the others", async () => {
  const directory = await mkdtemp(join(tmpdir(), "bench-results-"));
  const file = join(directory, "RESULTS.md");
  const write = (runtime: "node" | "bun", when: string, chapters: Chapter[]) =>
    writeResults(file, { runtime, when, chapters });
  try {
    await write("bun", "day 1", [chapter("Batches", "11")]);
    await write("node", "day 2", [chapter("Fan-out", "22"), chapter("Batches", "33")]);
    await write("node", "day 3", [chapter("Batches", "44")]);
    const text = await readFile(file, "utf8");
    const headings = [...text.matchAll(/^#.*$/gm)].map(([line]) => line);
    assert.equal(headings, ["# Figures", "## Node", "### Batches", "### Fan-out", "## Bun", "### Batches"]);
    assert.equal(
      [...text.matchAll(/^\| (\d+) \|$/gm)].map(([, figure]) => figure),
      ["44", "22", "11"],
    );
    assert.equal(
      [...text.matchAll(/^- (day .)$/gm)].map(([, when]) => when),
      ["day 3", "day 2", "day 1"],
    );
    await write("node", "day 3", [chapter("Batches", "44")]);
    assert.is(await readFile(file, "utf8"), text, "writing the same again changes nothing");
  } finally {
    await rm(directory, { recursive: true });
  }
});

test.run();
