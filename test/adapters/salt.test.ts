/** The salt in the data directory: made once, kept, and never replaced for a reason that may pass. */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { keptSalt } from "../../adapters/salt.ts";
import { promises } from "../support/promises.ts";
import { temporaryDirectory } from "../support/server_process.ts";

async function openHarness() {
  const { path, remove } = await temporaryDirectory();
  const dataDir = join(path, "data");
  return { dataDir, file: join(dataDir, "token_secret_salt"), close: remove };
}

/** The words with which a salt is refused. */
async function refusal(dataDir: string): Promise<string> {
  const outcome = await keptSalt(dataDir).catch((error: Error) => error.message);
  if (typeof outcome !== "string") throw new Error("a salt was given");
  return outcome;
}

promises("keptSalt()", openHarness, (keeps) => {
  keeps("makes 32 random bytes once, for the eyes of this account only", async ({ dataDir, file }) => {
    const made = await keptSalt(dataDir);
    assert.is(made.length, 32);
    assert.is(new Set(made).size > 8, true);
    assert.equal(await keptSalt(dataDir), made);
    assert.equal(new Uint8Array(await readFile(file)), made);
    assert.is((await stat(file)).mode & 0o777, 0o600);
    assert.equal(await readdir(dataDir), ["token_secret_salt"]);
  });

  keeps("what a crash left of a first start is no hindrance", async ({ dataDir, file }) => {
    await mkdir(dataDir);
    await writeFile(`${file}.new`, "half", { mode: 0o644 });
    const made = await keptSalt(dataDir);
    assert.is((await stat(file)).mode & 0o777, 0o600);
    assert.equal(await keptSalt(dataDir), made);
  });

  keeps("a salt that cannot be read is an error that names it, and no new one", async ({ dataDir, file }) => {
    // A directory: what can be refused to root, whom no mode keeps out.
    await mkdir(file, { recursive: true });
    const words = await refusal(dataDir);
    for (const part of [file, "EISDIR", "readable", "ends every token"]) assert.ok(words.includes(part), words);
    assert.equal(await readdir(dataDir), ["token_secret_salt"]);
  });

  keeps("a salt of another length is an error that names it, and stays as it is", async ({ dataDir, file }) => {
    await mkdir(dataDir);
    for (const content of ["", "x".repeat(31), "x".repeat(64)]) {
      await writeFile(file, content);
      const words = await refusal(dataDir);
      for (const part of [file, `has ${content.length} bytes instead of 32`, "backup"]) {
        assert.ok(words.includes(part), words);
      }
      assert.is(await readFile(file, "utf8"), content);
    }
  });
});
