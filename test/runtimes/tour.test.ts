/** The tours of the README, block by block in one shell, against a server of the runtime that runs this file; output compared as printed. */
import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { projectRoot, runtimeName } from "../support/runtime.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

interface Step {
  commands: string;
  expected: string;
}

/** The `sh` blocks of the tour with the `text` block that follows each. */
function stepsOf(readme: string): Step[] {
  const tour = readme.slice(readme.indexOf("\n## A tour"), readme.indexOf("\n## Configuration"));
  const blocks = [...tour.matchAll(/```(sh|text)\n([\s\S]*?)```/g)].map((match) => ({
    kind: match[1],
    text: match[2]!,
  }));
  return blocks.flatMap(({ kind, text }, at) => {
    if (kind !== "sh") return [];
    const next = blocks[at + 1];
    return [{ commands: text, expected: next?.kind === "text" ? next.text : "" }];
  });
}

/** `…` matches anything within a line. */
function patternOf(expected: string): RegExp {
  const literal = expected.trimEnd().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${literal.replaceAll("…", ".+?")}$`);
}

const MARK = "--- end of block ---";

/** What each block prints, run one after another in one bash that stops at the first failure. */
function runInShell(steps: Step[], cwd: string): Promise<{ code: number | null; outputs: string[]; errors: string }> {
  return new Promise((resolve) => {
    const child = spawn("bash", ["-eu", "-o", "pipefail"], {
      cwd,
      env: { PATH: process.env.PATH },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let output = "";
    let errors = "";
    child.stdout.on("data", (chunk: unknown) => {
      output += String(chunk);
    });
    child.stderr.on("data", (chunk: unknown) => {
      errors += String(chunk);
    });
    child.once("close", (code) => resolve({ code, outputs: output.split(MARK).slice(0, -1), errors }));
    child.stdin.end(steps.map((step) => `${step.commands}\nprintf '%s' '${MARK}'\n`).join(""));
  });
}

const test = suite(`tour of the README on ${runtimeName}`);

test("every block works as printed", async () => {
  const readme = await readFile(join(projectRoot, "README.md"), "utf8");
  const directory = await temporaryDirectory();
  const server = await startServerProcess({
    dataDir: join(directory.path, "data"),
    env: { RATE_LIMIT: "on", DATASTORE_TOKEN: "change-me" },
  });
  const steps = stepsOf(readme.replaceAll("http://localhost:8080", server.url));
  assert.ok(steps.length >= 9, `only ${steps.length} blocks were found`);
  const { code, outputs, errors } = await runInShell(steps, directory.path);
  await server.end("SIGTERM");
  await directory.remove();
  for (const [index, step] of steps.entries()) {
    const output = (outputs[index] ?? "(the shell did not come this far)").trim();
    assert.ok(
      patternOf(step.expected).test(output),
      `block ${index + 1}\n${step.commands}\nprinted\n${output}\ninstead of\n${step.expected}\n${errors}`,
    );
  }
  assert.is(code, 0, errors);
});

test.run();
