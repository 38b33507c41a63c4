import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { proveWebOnly } from "../../scripts/web_only.ts";

const HOUSE = resolve(import.meta.dirname, "../..");
const CLEAN = {
  "core/ports/clock.ts":
    "export interface Clock { now(): Date }\nexport const wait = (signal: AbortSignal) => fetch('/', { signal });\n",
};

/** The proofs that fail on a tree with the house's settings, packages and, when asked for, its core. */
async function brokenIn(
  files: Record<string, string>,
  options: { core: boolean } = { core: false },
): Promise<Map<string, string>> {
  const root = mkdtempSync(join(tmpdir(), "web-only-"));
  try {
    if (options.core) cpSync(join(HOUSE, "core"), join(root, "core"), { recursive: true });
    for (const config of ["tsconfig.json", "core/tsconfig.json"]) {
      mkdirSync(dirname(join(root, config)), { recursive: true });
      cpSync(join(HOUSE, config), join(root, config));
    }
    symlinkSync(join(HOUSE, "node_modules"), join(root, "node_modules"));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), text);
    }
    const proofs = await proveWebOnly(root);
    return new Map(proofs.flatMap(({ name, wrong }) => (wrong === null ? [] : [[name, wrong]])));
  } finally {
    rmSync(root, { recursive: true });
  }
}

const webOnly = suite("web-only");

webOnly("a core of Web APIs is green", async () => {
  assert.equal([...(await brokenIn(CLEAN))], []);
});

webOnly("a copy of core goes red on node:fs and on Buffer", async () => {
  const planted = {
    "core/ports/planted_import.ts": 'import { readFileSync } from "node:fs";\nexport const read = readFileSync;\n',
    "core/ports/planted_global.ts": "export const bytes = Buffer.from([1]);\n",
  };
  const broken = await brokenIn(planted, { core: true });
  assert.match(broken.get("compiles") ?? "", /planted_import\.ts.*'node:fs'/);
  assert.match(broken.get("compiles") ?? "", /planted_global\.ts.*'Buffer'/);
  assert.match(broken.get("bundles") ?? "", /planted_import\.ts:1 .*"node:fs"/);
});

webOnly("a package that brings Node's types in is seen, though it makes Buffer compile", async () => {
  const planted = 'import type { Pool } from "pg";\nexport const bytes = (_: Pool) => Buffer.from([1]);\n';
  const broken = await brokenIn({ ...CLEAN, "core/ports/planted.ts": planted });
  assert.equal([...broken.keys()], ["types"]);
});

webOnly("an import from the adapters does not compile", async () => {
  const planted = {
    "adapters/disk.ts": "export const disk = 1;\n",
    "core/ports/planted.ts": 'export { disk } from "../../adapters/disk.ts";\n',
  };
  assert.match((await brokenIn({ ...CLEAN, ...planted })).get("compiles") ?? "", /TS6059/);
});

webOnly.run();
