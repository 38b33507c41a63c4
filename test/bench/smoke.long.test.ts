/** The benchmark itself works: every chapter is measured, for moments, on a real server. Its figures mean nothing. */
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { measures } from "./measures/mod.ts";

const test = suite("bench smoke");
const HOUSE = resolve(import.meta.dirname, "../..");

test("npm run bench -- --smoke measures every chapter and loses nothing", () => {
  const args = ["--import", join(HOUSE, "scripts/typescript.mjs"), join(HOUSE, "scripts/bench.ts"), "--smoke"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
  assert.is(status, 0, `${stdout}\n${stderr}`);
  for (const { title } of measures) assert.ok(stdout.includes(`### ${title}\n`), `${title} is missing in\n${stdout}`);
  const accounts = [...stdout.matchAll(/^- Millrace: ([\d,]+) deliveries, (\d+) lost, (\d+) doubled/gm)];
  assert.ok(accounts.length >= 5, stdout);
  for (const [line, total, lost, doubled] of accounts)
    assert.ok(total !== "0" && lost === "0" && doubled === "0", line);
});

if (spawnSync("cc", ["--version"]).error) console.log("skipped: cc");
else test.run();
