/**
 * Objects on disk keep the contract, and a few promises of their own about crashes, neighbours and paths.
 */
import { spawn } from "node:child_process";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import * as assert from "uvu/assert";
import { openDisk } from "../../adapters/disk.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Objects } from "../../core/ports/objects.ts";
import { bytesOf, failing, patterned, streamed } from "../support/byte_streams.ts";
import { eventually } from "../support/eventually.ts";
import { promises } from "../support/promises.ts";
import { objectsContract } from "./objects.ts";

interface DiskHarness {
  objects: Objects;
  directory: string;
  prefix: string;
  close(): Promise<void>;
}

async function openHarness(): Promise<DiskHarness> {
  const parent = await mkdtemp(join(tmpdir(), "millrace-disk-"));
  const directory = join(parent, "objects");
  return {
    objects: await openDisk({ directory }),
    directory,
    prefix: "test/",
    close: () => rm(parent, { recursive: true, force: true }),
  };
}

const keysOf = async (objects: Objects) => (await objects.list("", "", 1_000)).map(({ key }) => key);
const temporaryFiles = (directory: string) => readdir(join(directory, "~tmp"));

objectsContract("disk", openHarness);

promises("objects on disk: crashes", openHarness, (keeps) => {
  keeps("a put that fails leaves no file behind", async ({ objects, directory }) => {
    await objects.put("a", failing(200_000)).catch(() => undefined);
    assert.equal(await temporaryFiles(directory), []);
    assert.equal(await readdir(directory), ["~tmp"]);
  });

  keeps("a process killed in the middle of a put leaves no object", async ({ objects, directory }) => {
    const writer = spawn(process.execPath, writerArguments(directory), { stdio: "ignore" });
    try {
      await eventually("the writer has begun", async () => (await temporaryFiles(directory)).length > 0, 20_000);
    } finally {
      writer.kill("SIGKILL");
    }
    await new Promise((resolve) => writer.once("exit", resolve));
    assert.equal(await keysOf(objects), []);
    assert.is(await objects.get("never/ends"), null);
    assert.is((await temporaryFiles(directory)).length, 1);
  });

  keeps("what a crash left is removed once it is an hour old, and not before", async ({ directory }) => {
    const [old, young] = [join(directory, "~tmp", "old"), join(directory, "~tmp", "young")];
    for (const path of [old, young]) await writeFile(path, "half");
    const hourAgo = new Date(Date.now() - 3_700_000);
    await utimes(old, hourAgo, hourAgo);
    const reopened = await openDisk({ directory });
    assert.equal(await temporaryFiles(directory), ["young"]);
    assert.equal(await keysOf(reopened), []);
  });

  keeps("objects are there when the directory is opened again", async ({ objects, directory }) => {
    await objects.put("m/2026112102/a", patterned(0, 10));
    const reopened = await openDisk({ directory });
    assert.equal(await keysOf(reopened), ["m/2026112102/a"]);
    assert.equal(await bytesOf(await reopened.get("m/2026112102/a")), patterned(0, 10));
  });
});

promises("objects on disk: neighbours", openHarness, (keeps) => {
  keeps("several processes may put, read and remove below the same directories", async ({ objects, directory }) => {
    const other = await openDisk({ directory });
    const churn = async (mine: Objects, name: string) => {
      for (let round = 0; round < 40; round += 1) {
        const key = `deep/er/${name}`;
        await mine.put(key, patterned(round, 10));
        assert.equal(await bytesOf(await mine.get(key)), patterned(round, 10));
        await mine.remove(key);
      }
      await mine.put(`deep/er/${name}`, patterned(0, 1));
    };
    await Promise.all([churn(objects, "a"), churn(other, "b"), churn(objects, "c"), churn(other, "d")]);
    assert.equal(await keysOf(objects), ["deep/er/a", "deep/er/b", "deep/er/c", "deep/er/d"]);
  });

  keeps("hundreds of puts at once all arrive", async ({ objects }) => {
    const keys = Array.from({ length: 600 }, (_, index) => `many/${String(index).padStart(3, "0")}`);
    await Promise.all(keys.map((key) => objects.put(key, patterned(0, 100))));
    assert.equal(await keysOf(objects), keys);
  });

  keeps("a reader keeps the object it began with", async ({ objects }) => {
    await objects.put("a", streamed(1_000_000));
    const reading = await objects.get("a");
    await objects.put("a", patterned(0, 1));
    await objects.remove("a");
    assert.is((await bytesOf(reading))?.length, 1_000_000);
  });

  keeps("removing the last object of a directory removes the directory", async ({ objects, directory }) => {
    await objects.put("m/2026112102/a", patterned(0, 1));
    await objects.put("m/2026112103/a", patterned(0, 1));
    await objects.remove("m/2026112102/a");
    assert.equal(await readdir(join(directory, "m")), ["2026112103"]);
    await objects.remove("m/2026112103/a");
    assert.equal(await readdir(directory), ["~tmp"]);
  });

  keeps("files that are no objects are not listed", async ({ objects, directory }) => {
    await mkdir(join(directory, "lost+found"));
    await writeFile(join(directory, "README"), "not ours");
    await writeFile(join(directory, "lost+found", "a~"), "not ours");
    await objects.put("a", patterned(0, 1));
    assert.equal(await keysOf(objects), ["a"]);
  });
});

promises("objects on disk: keys", openHarness, (keeps) => {
  keeps("a key that is no key is refused by every call", async ({ objects, directory }) => {
    await writeFile(join(directory, "..", "outside~"), "secret");
    const wrong = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "../outside",
      "a/../../outside",
      "a/./b",
      "a b",
      "ä",
      "a~",
      "a\0",
    ];
    for (const key of [...wrong, "a".repeat(513)]) {
      for (const refused of [
        () => objects.put(key, patterned(0, 1)),
        () => objects.get(key),
        () => objects.head(key),
        () => objects.remove(key),
      ]) {
        const error = await refused().then(
          () => null,
          (thrown: unknown) => thrown,
        );
        assert.ok(error instanceof Fault && error.code === "invalid_input", JSON.stringify(key));
      }
    }
    assert.equal(await readdir(join(directory, "..")), ["objects", "outside~"]);
    assert.equal(await readdir(directory), ["~tmp"]);
  });

  keeps("segments longer than a file name keep their place in the order", async ({ objects }) => {
    const long = "x".repeat(200);
    const keys = [
      long,
      `${long}-z`,
      `${long}/q`,
      `${long}z`,
      "x".repeat(199),
      `${"x".repeat(199)}/q`,
      "x".repeat(400),
      "x",
    ];
    for (const key of [...keys, "x".repeat(512)]) await objects.put(key, patterned(0, key.length));
    assert.equal(await keysOf(objects), [...keys, "x".repeat(512)].sort());
    for (const key of keys) assert.is((await objects.head(key))?.size, key.length);
  });

  keeps("a store without its directory is unavailable, in words without the path", async ({ objects, directory }) => {
    await rm(directory, { recursive: true });
    for (const failed of [() => objects.ready(), () => objects.put("a", patterned(0, 1))]) {
      const error = await failed().then(
        () => null,
        (thrown: unknown) => thrown,
      );
      assert.ok(error instanceof Fault && error.code === "unavailable");
      assert.not.match(error.message, directory);
    }
  });
});

/** Runs test/support/disk_writer.ts on the runtime of this process. */
function writerArguments(directory: string): string[] {
  const script = fileURLToPath(new URL("../support/disk_writer.ts", import.meta.url));
  const loader = new URL("../../scripts/typescript.mjs", import.meta.url).href;
  if (process.versions.deno) return ["run", "-A", script, directory];
  if (process.versions.bun) return [script, directory];
  return ["--import", loader, script, directory];
}
