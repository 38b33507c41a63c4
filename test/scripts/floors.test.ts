import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkFloors, rules } from "../../scripts/floors.ts";

type Files = Record<string, string>;

const DOC = "/** A module of the planted tree. */\n";

/** A small tree that keeps every rule. */
const CLEAN: Files = {
  "package.json": JSON.stringify({
    scripts: { lint: "biome check" },
    dependencies: { hono: "1.0.0", valibot: "1.0.0", pg: "1.0.0", unified: "1.0.0" },
    devDependencies: { "@biomejs/biome": "1.0.0", "@types/pg": "1.0.0", "@types/node": "1.0.0", uvu: "1.0.0" },
  }),
  "ARCHITECTURE.md": "| package | why |\n| `unified` | Markdown |\n| `@biomejs/biome` | lint |\n",
  "core/mod.ts": `${DOC}export { createApp } from "./app.ts";\nexport type { Clock } from "./ports/clock.ts";\n`,
  "core/app.ts": `${DOC}import { capabilities } from "./capabilities/mod.ts";\nimport { rest } from "./faces/router.ts";\nexport const createApp = () => rest(capabilities);\n`,
  "core/ports/clock.ts": `${DOC}export const EARLIEST = "0";\nexport interface Clock { now(): Date }\nexport const wait = () => 1;\n`,
  "core/ports/fault.ts": `${DOC}export class Fault extends Error {}\n`,
  "core/ports/memory/clock.ts": `${DOC}import type { Clock } from "../clock.ts";\nexport const memoryClock = (): Clock => ({ now: () => new Date(0) });\n`,
  "core/kernel/html.ts": `${DOC}export { html } from "hono/html";\n`,
  "core/kernel/invoke.ts": `${DOC}import * as v from "valibot";\nimport { EARLIEST } from "../ports/clock.ts";\nexport const invoke = () => v.parse(v.string(), EARLIEST);\n`,
  "core/capabilities/mod.ts": `${DOC}import { channels } from "./channels/mod.ts";\nexport const capabilities = [channels] as const;\n`,
  "core/capabilities/channels/mod.ts": `${DOC}import { invoke } from "../../kernel/invoke.ts";\nimport { type Clock, EARLIEST } from "../../ports/clock.ts";\nimport { Fault } from "../../ports/fault.ts";\nexport const channels = (clock: Clock) => [invoke, EARLIEST, Fault, clock];\n`,
  "core/capabilities/queues/mod.ts": `${DOC}export const queues = 1;\n`,
  "core/faces/router.ts": `${DOC}import { Hono } from "hono";\nimport type { Clock } from "../ports/clock.ts";\nexport const rest = (_: unknown, clock?: Clock) => [new Hono(), clock];\n`,
  "adapters/node.ts": `import { createApp } from "../core/mod.ts";\nimport { open } from "./postgres/mod.ts";\nawait open(createApp());\n`,
  "adapters/postgres/mod.ts": `import { readFile } from "node:fs/promises";\nimport { Pool } from "pg";\nexport const open = (_: unknown) => [Pool, readFile];\n`,
  "migrations/0001_journal.sql": "SELECT 1;\n".repeat(300),
  "scripts/docs.ts": `import { unified } from "unified";\nconsole.log(unified);\n`,
  "test/kernel/invoke.test.ts": `import { suite } from "uvu";\nsuite("invoke").run();\n`,
};

/** For each rule at least one tree that breaks it, and nothing else. */
const PLANTED: readonly (readonly [rule: string, broken: Files])[] = [
  [
    "ports-floor",
    {
      "core/ports/bus.ts": `${DOC}import type { invoke } from "../kernel/invoke.ts";\nexport type I = typeof invoke;\n`,
    },
  ],
  ["ports-floor", { "core/ports/bus.ts": `${DOC}export type I = import("../kernel/invoke.ts").Invoke;\n` }],
  [
    "kernel-floor",
    {
      "core/kernel/page.ts": `${DOC}import { channels } from "../capabilities/channels/mod.ts";\nexport const page = channels;\n`,
    },
  ],
  ["kernel-floor", { "core/kernel/page.ts": `${DOC}export * from "../ports/memory/clock.ts";\n` }],
  ["kernel-floor", { "core/kernel/page.ts": `${DOC}export const page = () => import("../faces/router.ts");\n` }],
  [
    "capabilities-floor",
    {
      "core/capabilities/queues/mod.ts": `${DOC}import { channels } from "../channels/mod.ts";\nexport const queues = channels;\n`,
    },
  ],
  [
    "capabilities-floor",
    {
      "core/capabilities/mod.ts": `${DOC}import { publish } from "./channels/publish.ts";\nexport const capabilities = [publish];\n`,
    },
  ],
  [
    "faces-floor",
    {
      "core/faces/docs.ts": `${DOC}import { queues } from "../capabilities/queues/mod.ts";\nexport const docs = queues;\n`,
    },
  ],
  [
    "app-floor",
    {
      "core/app.ts": `${DOC}export { open as createApp } from "../adapters/postgres/mod.ts";\n`,
      "adapters/node.ts": "export {};\n",
    },
  ],
  [
    "adapters-floor",
    { "adapters/boot.ts": `import { invoke } from "../core/kernel/invoke.ts";\nexport const boot = invoke;\n` },
  ],
  [
    "adapters-floor",
    { "adapters/boot.ts": `import { unified } from "../scripts/docs.ts";\nexport const boot = unified;\n` },
  ],
  ["scripts-floor", { "scripts/bench.ts": `import "../test/kernel/invoke.test.ts";\n` }],
  ["no-floor", { "core/strays/page.ts": `${DOC}export const page = 1;\n` }],
  ["no-floor", { "core/capabilities/stray.ts": `${DOC}export const stray = 1;\n` }],
  [
    "ports-as-types",
    { "core/faces/docs.ts": `${DOC}import { wait } from "../ports/clock.ts";\nexport const docs = wait;\n` },
  ],
  [
    "ports-as-types",
    {
      "core/capabilities/queues/mod.ts": `${DOC}import * as clock from "../../ports/clock.ts";\nexport const queues = clock;\n`,
    },
  ],
  ["import-extension", { "scripts/bench.ts": `import { x } from "./docs";\nconsole.log(x);\n` }],
  ["import-extension", { "scripts/bench.ts": `export type { X } from "./docs.js";\n` }],
  [
    "import-cycle",
    {
      "core/ports/a.ts": `${DOC}import type { B } from "./b.ts";\nexport type A = B;\n`,
      "core/ports/b.ts": `${DOC}export interface B { a: import("./a.ts").A }\n`,
    },
  ],
  [
    "core-is-web-only",
    { "core/kernel/page.ts": `${DOC}import { readFile } from "node:fs/promises";\nexport const page = readFile;\n` },
  ],
  [
    "core-is-web-only",
    { "core/kernel/page.ts": `${DOC}import type { Socket } from "net";\nexport type Page = Socket;\n` },
  ],
  ["core-is-web-only", { "core/kernel/page.ts": `${DOC}/// <reference types="node" />\nexport const page = 1;\n` }],
  ["readable-import", { "core/kernel/page.ts": `${DOC}export const page = (name: string) => import(name);\n` }],
  ["package-door", { "core/kernel/page.ts": `${DOC}import { html } from "hono/html";\nexport const page = html;\n` }],
  ["package-door", { "core/faces/docs.ts": `${DOC}import { Hono } from "hono";\nexport const docs = Hono;\n` }],
  [
    "package-door",
    {
      "core/faces/docs.ts": `${DOC}import { RegExpRouter } from "hono/router/reg-exp-router";\nexport const docs = RegExpRouter;\n`,
    },
  ],
  ["package-door", { "core/faces/docs.ts": `${DOC}import * as v from "valibot";\nexport const docs = v;\n` }],
  [
    "package-door",
    { "core/kernel/page.ts": `${DOC}import { unified } from "unified";\nexport const page = unified;\n` },
  ],
  ["package-door", { "adapters/disk.ts": `import type { Pool } from "pg";\nexport type Disk = Pool;\n` }],
  ["package-declared", { "scripts/bench.ts": `import autocannon from "autocannon";\nconsole.log(autocannon);\n` }],
  ["package-used", { "scripts/docs.ts": "console.log(1);\n" }],
  ["package-used", { "package.json": manifestWith({ "@types/ws": "1.0.0" }) }],
  ["package-listed", { "ARCHITECTURE.md": "The `unified` package is fine.\n\n- `@biomejs/biome`: lint\n" }],
  ["file-length", { "scripts/bench.ts": "console.log(1);\n".repeat(301) }],
  ["file-length", { "migrations/0002_queue.sql": "SELECT 1;\n".repeat(301) }],
  ["file-length", { "migrations/0001_journal.down.sql": "SELECT 1;\n".repeat(301) }],
  ["file-length", { "test/kernel/long.test.ts": "console.log(1);\n".repeat(401) }],
  ["entry-length", { "adapters/bun.ts": "console.log(1);\n".repeat(121) }],
  ["vague-name", { "scripts/string_utils.ts": "console.log(1);\n" }],
  ["vague-name", { "test/helpers/clock.ts": "console.log(1);\n" }],
  ["vague-name", { "core/kernel/types.ts": `${DOC}export const kind = 1;\n` }],
  ["snake-case", { "scripts/loadTest.ts": "console.log(1);\n" }],
  ["snake-case", { "core/kernel/rate-limit.ts": `${DOC}export const rate = 1;\n` }],
  ["doc-comment", { "core/kernel/page.ts": "// A plain comment.\nexport const page = 1;\n" }],
  ["default-export", { "scripts/bench.ts": "export default function bench() {}\n" }],
  ["default-export", { "scripts/bench.ts": "const bench = 1;\nexport { bench as default };\n" }],
  ["default-export", { "scripts/bench.ts": "export default 1;\n" }],
  ["unportable-global", { "core/kernel/page.ts": `${DOC}export const page = () => new WebSocket("ws://x");\n` }],
  ["unportable-global", { "core/kernel/page.ts": `${DOC}export const page = () => globalThis.navigator;\n` }],
  ["unportable-global", { "core/kernel/page.ts": `${DOC}export const page = { caches };\n` }],
  [
    "module-state",
    { "core/kernel/page.ts": `${DOC}const seen = new Map<string, number>();\nexport const page = () => seen;\n` },
  ],
  ["module-state", { "core/kernel/page.ts": `${DOC}let count = 0;\nexport const page = () => ++count;\n` }],
  ["module-state", { "adapters/disk.ts": "export const open: string[] = [];\n" }],
];

/** What looks like a violation and is none. */
const ALLOWED: readonly Files[] = [
  {
    "core/kernel/page.ts": `${DOC}// new WebSocket("x"), let x = new Map()\nexport const page = { Worker: "postMessage", told: (x: { self: 1 }) => x.self };\n`,
  },
  {
    "core/kernel/page.ts": `${DOC}export const page: ReadonlySet<string> = new Set(["a"]);\nexport const rows: readonly string[] = [];\n`,
  },
  { "core/kernel/page.ts": `${DOC}export const page = \`import { x } from "../faces/router.ts"\`;\n` },
  {
    "core/kernel/page.ts": `${DOC}export const page = (x: number) => { let y = x; switch (y) { default: y = 2; } return y; };\n`,
  },
  {
    "ARCHITECTURE.md": CLEAN["ARCHITECTURE.md"] ?? "",
    "core/kernel/page.ts": `${DOC}export const page = /import("node:fs")/;\n`,
  },
];

function manifestWith(more: Record<string, string>): string {
  const manifest = JSON.parse(CLEAN["package.json"] ?? "{}");
  return JSON.stringify({ ...manifest, devDependencies: { ...manifest.devDependencies, ...more } });
}

function plant(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), "floors-"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

function brokenIn(files: Files) {
  const root = plant(files);
  try {
    return checkFloors(root).violations;
  } finally {
    rmSync(root, { recursive: true });
  }
}

const floors = suite("floors");

floors("a clean tree is green", () => {
  assert.equal(brokenIn(CLEAN), []);
});

for (const files of ALLOWED) {
  floors(`nothing is wrong with ${Object.keys(files).at(-1)} ${Object.values(files).at(-1)}`, () => {
    assert.equal(brokenIn({ ...CLEAN, ...files }), []);
  });
}

for (const [rule, files] of PLANTED) {
  floors(`${rule} goes red on ${Object.keys(files)[0]} ${Object.values(files)[0]?.slice(0, 200)}`, () => {
    const found = brokenIn({ ...CLEAN, ...files });
    assert.equal([...new Set(found.map((each) => each.rule))], [rule]);
    assert.ok(found.every(({ line, message }) => line > 0 && message.length > 20));
  });
}

floors("every rule has a planted violation", () => {
  const planted = new Set(PLANTED.map(([rule]) => rule));
  assert.equal(
    rules.map(({ name }) => name).filter((name) => !planted.has(name)),
    [],
  );
});

floors("a violation says the line, what was imported and what to do instead", () => {
  const found = brokenIn({
    ...CLEAN,
    "core/faces/docs.ts": `${DOC}\nimport { queues } from "../capabilities/queues/mod.ts";\nexport const docs = queues;\n`,
  });
  assert.equal(found, [
    {
      file: "core/faces/docs.ts",
      line: 3,
      rule: "faces-floor",
      message:
        "imports core/capabilities/queues/mod.ts; a face imports the kernel, ports and faces: capabilities arrive as values",
    },
  ]);
});

floors("packages need no line while ARCHITECTURE.md is missing", () => {
  const { "ARCHITECTURE.md": _, ...files } = CLEAN;
  assert.equal(brokenIn(files), []);
});

floors("the command exits 1 with the list, and 0 with a summary", () => {
  const script = resolve(import.meta.dirname, "../../scripts/floors.ts");
  const loader = resolve(import.meta.dirname, "../../scripts/typescript.mjs");
  const run = (files: Files) => {
    const root = plant(files);
    const child = spawnSync(process.execPath, ["--import", loader, script, root], { encoding: "utf8" });
    rmSync(root, { recursive: true });
    return { code: child.status, out: child.stdout.trimEnd() };
  };
  assert.equal(run(CLEAN), {
    code: 0,
    out: `floors: ${Object.keys(CLEAN).length - 2} files, ${rules.length} rules, ok`,
  });
  const red = run({ ...CLEAN, "scripts/loadTest.ts": "console.log(1);\n" });
  assert.is(red.code, 1);
  assert.match(red.out, 'scripts/loadTest.ts:1 snake-case: "loadTest.ts" is not snake_case; rename it');
});

floors.run();
