import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { childEnvironment } from "../../scripts/testing/child.ts";
import { tallyFile } from "../../scripts/testing/tally.ts";

const HOUSE = resolve(import.meta.dirname, "../..");

/** A test file with this body in its only test. */
const fileOf = (body: string) =>
  `import { test } from "uvu";\nimport * as assert from "uvu/assert";\ntest("one", async () => { ${body} });\ntest.run();\n`;
const PASSES = fileOf("assert.ok(true)");

interface Options {
  args?: string[];
  env?: Record<string, string>;
}

/** Runs the runner over a planted tree and gives what it said. */
function runner(files: Record<string, string>, { args = [], env = {} }: Options = {}) {
  const root = mkdtempSync(join(tmpdir(), "runner-"));
  try {
    symlinkSync(join(HOUSE, "node_modules"), join(root, "node_modules"));
    for (const [path, text] of Object.entries({
      "package.json": '{"type": "module", "devDependencies": {"uvu": "0.5.6"}}',
      ...files,
    })) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const command = [
      "--import",
      join(HOUSE, "scripts/typescript.mjs"),
      join(HOUSE, "scripts/test.ts"),
      "--root",
      root,
      ...args,
    ];
    const child = spawnSync(process.execPath, command, {
      encoding: "utf8",
      env: { ...process.env, ...env },
      timeout: 60_000,
    });
    const notes = join(root, "notes");
    const lines = child.stdout.trimEnd().split("\n");
    return {
      code: child.status,
      out: child.stdout,
      last: lines.at(-1),
      notes: existsSync(notes) ? readFileSync(notes, "utf8") : "",
    };
  } finally {
    rmSync(root, { recursive: true });
  }
}

const run = suite("npm test");

run("sums what passed over all files, and exits with 0", () => {
  const { code, last } = runner({ "test/a.test.ts": PASSES, "test/deep/b.test.ts": PASSES }, { args: ["test/"] });
  assert.equal([code, last], [0, "2 passed, 0 failed"]);
});

run("counts and prints in full the tests that fail, beside those that pass", () => {
  const failing = PASSES.replace("test.run()", 'test("two", () => assert.is(1, 2, "one is not two")); test.run()');
  const { code, last, out } = runner({ "test/a.test.ts": failing, "test/b.test.ts": PASSES }, { args: ["test/"] });
  assert.equal([code, last], [1, "2 passed, 1 failed"]);
  assert.match(out, /FAIL test\/a\.test\.ts {2}1 of 2/);
  assert.match(out, "one is not two");
});

run("fails a file that runs nothing", () => {
  for (const idle of [
    "export {};\n",
    'import { test } from "uvu";\ntest("never run", () => {});\n',
    'import { test } from "uvu";\ntest.run();\n',
  ]) {
    const { code, last } = runner({ "test/a.test.ts": idle }, { args: ["test/"] });
    assert.equal([code, last], [1, "0 passed, 1 failed"]);
  }
});

run("fails a file that does not load", () => {
  const { code, last, out } = runner({ "test/a.test.ts": 'import "./missing.ts";\n' }, { args: ["test/"] });
  assert.equal([code, last], [1, "0 passed, 1 failed"]);
  assert.match(out, "ERR_MODULE_NOT_FOUND");
});

run("ends a file that hangs, with everything it started", () => {
  const hangs = fileOf(`
    const { spawn } = await import("node:child_process");
    const child = spawn("sleep", ["300"]);
    (await import("node:fs")).writeFileSync("notes", String(child.pid));
    await new Promise(() => setInterval(() => {}, 1000));`);
  const { code, last, out, notes } = runner(
    { "test/a.test.ts": hangs, "test/b.test.ts": PASSES },
    { args: ["test/", "--seconds", "4"] },
  );
  assert.equal([code, last], [1, "1 passed, 1 failed"]);
  assert.match(out, "longer than its bound");
  assert.match(notes, /^\d+$/);
  assert.not(isRunning(Number(notes)), "the process that the file started is gone");
});

/** Killed processes that nobody has waited for yet are gone too. */
function isRunning(pid: number): boolean {
  const status = `/proc/${pid}/stat`;
  return existsSync(status) && !readFileSync(status, "utf8").includes(") Z ");
}

run("fails a file that passed and then hangs, and counts what passed", () => {
  const hangs = `${PASSES}setInterval(() => {}, 1000);\n`;
  const { code, last } = runner({ "test/a.test.ts": hangs }, { args: ["test/", "--seconds", "4"] });
  assert.equal([code, last], [1, "1 passed, 1 failed"]);
});

run("fails a file that exits early, with 0 or without", () => {
  const never = fileOf("await new Promise(() => {})");
  for (const early of [
    fileOf("process.exit(0)"),
    never,
    `${PASSES}setTimeout(() => { throw new Error("late") }, 100);\n`,
  ]) {
    const { code, last } = runner({ "test/a.test.ts": early }, { args: ["test/"] });
    assert.is(code, 1);
    assert.match(last ?? "", /^\d passed, 1 failed$/);
  }
});

run("counts a file that says why it runs nothing as a skip", () => {
  const skips = 'import { test } from "uvu";\nconsole.log("skipped: s3");\ntest.run();\n';
  const { code, last, out } = runner({ "test/a.test.ts": skips, "test/b.test.ts": PASSES }, { args: ["test/"] });
  assert.equal([code, last], [0, "1 passed, 0 failed, 1 skipped"]);
  assert.match(out, /skip test\/a\.test\.ts.*skipped: s3/);
});

run("keeps production out of the tests, and lets TEST_ variables in", () => {
  const file = fileOf(`
    assert.is(process.env.DATABASE_URL ?? process.env.PGHOST ?? process.env.S3_SECRET_KEY, undefined);
    assert.is(process.env.TEST_DATABASE_URL, "postgres://test");`);
  const env = {
    DATABASE_URL: "postgres://production",
    PGHOST: "db",
    S3_SECRET_KEY: "x",
    TEST_DATABASE_URL: "postgres://test",
  };
  assert.is(runner({ "test/a.test.ts": file }, { args: ["test/"], env }).last, "1 passed, 0 failed");
});

run("runs the runtime suite on Node, Bun and Deno, and bun.test.ts on Bun only", () => {
  const tell = (when: string) =>
    fileOf(
      `(await import("node:fs")).appendFileSync("notes", "${when}:" + (process.versions.bun ? "bun" : process.versions.deno ? "deno" : "node") + " ")`,
    );
  const files = { "test/runtimes/suite.test.ts": tell("suite"), "test/runtimes/bun.test.ts": tell("own") };
  const { last, notes } = runner(files, { args: ["runtimes"] });
  assert.is(last, "4 passed, 0 failed");
  assert.equal(notes.trim().split(" ").sort(), ["own:bun", "suite:bun", "suite:deno", "suite:node"]);
});

run("runs two files at a time, and those named alone after all others", () => {
  // b and c wait for each other, so that no slow machine makes them look as if they ran one after the other.
  const tell = fileOf(`
    const { appendFileSync, readFileSync } = await import("node:fs");
    const name = process.argv[1].split("/").at(-1)[0];
    appendFileSync("notes", "+" + name);
    const alone = "ad".includes(name);
    const until = Date.now() + (alone ? 200 : 20_000);
    while (Date.now() < until && (alone || !/b.*c|c.*b/.test(readFileSync("notes", "utf8")))) {
      await new Promise((done) => setTimeout(done, 20));
    }
    appendFileSync("notes", "-" + name);`);
  const names = ["test/a.alone.test.ts", "test/b.test.ts", "test/c.test.ts", "test/d.alone.test.ts"];
  const { last, notes } = runner(Object.fromEntries(names.map((name) => [name, tell])), { args: ["test/"] });
  assert.is(last, "4 passed, 0 failed");
  assert.match(notes, /^\+[bc]\+[bc]-[bc]-[bc]\+a-a\+d-d$/);
});

run("selects checks by name and files by a part of their name", () => {
  const files = {
    "test/journal.test.ts": PASSES,
    "test/queue.test.ts": PASSES,
    "scripts/bench.ts": "console.log(1);\n",
  };
  assert.is(runner(files, { args: ["journal", "floors"] }).last, "2 passed, 0 failed");
  const red = runner({ ...files, "scripts/loadTest.ts": "console.log(1);\n" }, { args: ["floors"] });
  assert.equal([red.code, red.last], [1, "0 passed, 1 failed"]);
  assert.match(red.out, "snake-case");
});

run("fails when nothing matches", () => {
  const { code, last } = runner({ "test/a.test.ts": PASSES }, { args: ["jurnal"] });
  assert.equal([code, last], [1, "0 passed, 1 failed"]);
});

run("reads the last total only, in colours or not", () => {
  const words =
    "  Total:     9\n  Passed:    0\n\n  Total:     3\n\u001b[32m  Passed:    3\u001b[39m\n  Skipped:   \u001b[33m1\u001b[39m\n";
  const ended = { code: 0, timedOut: false, output: words, ms: 1 };
  assert.equal(tallyFile(ended), { passed: 3, failed: 0, skipped: 1, why: "" });
  assert.is(tallyFile({ ...ended, code: 1 }).failed, 1);
});

run("knows no variable of a deployment", () => {
  const production = [
    "DATABASE_URL",
    "PGPASSWORD",
    "S3_ENDPOINT",
    "MILLRACE_DATA",
    "PORT",
    "PORT_MCP",
    "TOKEN_SECRET_SALT",
    "JWT_SECRET",
    "NODE_OPTIONS",
  ];
  const kept = Object.keys(
    childEnvironment(Object.fromEntries([...production, "PATH", "TEST_S3_ENDPOINT"].map((name) => [name, "x"]))),
  );
  assert.equal(kept.sort(), ["DENO_NO_UPDATE_CHECK", "NO_COLOR", "PATH", "TEST_S3_ENDPOINT"]);
});

run.run();
