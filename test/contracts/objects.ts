/**
 * What every object store promises: whole objects, ranges, pages in byte order, and nothing of a put that failed.
 */
import * as assert from "uvu/assert";
import type { Objects } from "../../core/ports/objects.ts";
import { bytesOf, failing, patterned, streamed } from "../support/byte_streams.ts";
import { type Keeps, promises } from "../support/promises.ts";

export interface ObjectsHarness {
  readonly objects: Objects;
  /** What every key of this test begins with; it ends with `/`. Other keys MAY hold anything. */
  readonly prefix: string;
  close(): Promise<void>;
}

/** Runs the contract over the store that `open` opens. */
export function objectsContract(name: string, open: () => Promise<ObjectsHarness>): void {
  promises(`objects, ${name}`, open, (keeps) => {
    keepsBytes(keeps);
    keepsStreams(keeps);
    keepsKeys(keeps);
  });
}

function keepsBytes(keeps: Keeps<ObjectsHarness>): void {
  keeps("get() returns the bytes that were put, and head() their size and age", async ({ objects, prefix }) => {
    const bytes = patterned(0, 300_001);
    const put = await objects.put(`${prefix}a`, bytes);
    assert.equal([put.key, put.size], [`${prefix}a`, 300_001]);
    assert.not.ok(Number.isNaN(put.modifiedAt.getTime()));
    assert.ok(same(await bytesOf(await objects.get(`${prefix}a`)), bytes));
    const head = await objects.head(`${prefix}a`);
    assert.equal([head?.key, head?.size], [`${prefix}a`, 300_001]);
    assert.ok(head?.modifiedAt instanceof Date);
  });

  keeps("an object may be empty", async ({ objects, prefix }) => {
    await objects.put(`${prefix}bytes`, new Uint8Array());
    await objects.put(`${prefix}stream`, streamed(0));
    for (const key of [`${prefix}bytes`, `${prefix}stream`]) {
      assert.is((await bytesOf(await objects.get(key)))?.length, 0);
      assert.is((await objects.head(key))?.size, 0);
    }
  });

  keeps("get() returns one range of the bytes, both ends included", async ({ objects, prefix }) => {
    await objects.put(`${prefix}a`, patterned(0, 200_000));
    for (const [start, end] of [
      [0, 0],
      [0, 9],
      [99, 131_072],
      [199_999, 199_999],
      [0, 199_999],
    ] as const) {
      const read = await bytesOf(await objects.get(`${prefix}a`, { start, end }));
      assert.ok(same(read, patterned(start, end - start + 1)), `${start} to ${end}`);
    }
    const beyond = await bytesOf(await objects.get(`${prefix}a`, { start: 199_990, end: 900_000 }));
    assert.ok(same(beyond, patterned(199_990, 10)), "a range ends with the object");
  });

  keeps("put() replaces the object that is there", async ({ objects, prefix }) => {
    await objects.put(`${prefix}a`, patterned(0, 100));
    await objects.put(`${prefix}a`, patterned(7, 10));
    assert.ok(same(await bytesOf(await objects.get(`${prefix}a`)), patterned(7, 10)));
    assert.is((await objects.head(`${prefix}a`))?.size, 10);
    assert.is((await objects.list(prefix, "", 10)).length, 1);
  });

  keeps("what a caller does to its bytes after put() does not reach the store", async ({ objects, prefix }) => {
    const bytes = patterned(0, 100);
    await objects.put(`${prefix}a`, bytes);
    bytes.fill(0);
    (await bytesOf(await objects.get(`${prefix}a`)))?.fill(0);
    assert.ok(same(await bytesOf(await objects.get(`${prefix}a`)), patterned(0, 100)));
  });
}

function keepsStreams(keeps: Keeps<ObjectsHarness>): void {
  keeps("put() takes a stream of 20 MB and get() streams it back", async ({ objects, prefix }) => {
    const size = 20_000_003;
    const put = await objects.put(`${prefix}a`, streamed(size));
    assert.is(put.size, size);
    let at = 0;
    for await (const chunk of (await objects.get(`${prefix}a`)) ?? []) {
      assert.ok(same(chunk, patterned(at, chunk.length)), `the bytes from ${at} on have changed`);
      at += chunk.length;
    }
    assert.is(at, size);
    const range = { start: 12_345_678, end: 12_445_678 };
    assert.ok(same(await bytesOf(await objects.get(`${prefix}a`, range)), patterned(range.start, 100_001)));
  });

  keeps("put() of a stream that fails rejects and leaves nothing", async ({ objects, prefix }) => {
    for (const [key, after] of [
      ["early", 0],
      ["small", 1_000],
      ["large", 9_000_000],
    ] as const) {
      const failed = await objects.put(`${prefix}${key}`, failing(after)).then(
        () => null,
        (error: unknown) => error,
      );
      assert.is(String(failed), "Error: the sender went away", `the put of ${after} bytes`);
      assert.is(await objects.get(`${prefix}${key}`), null);
      assert.is(await objects.head(`${prefix}${key}`), null);
    }
    assert.equal(await objects.list(prefix, "", 10), []);
  });

  keeps("put() of a stream that fails leaves the object that was there", async ({ objects, prefix }) => {
    await objects.put(`${prefix}a`, patterned(0, 100));
    await objects.put(`${prefix}a`, failing(200_000)).catch(() => undefined);
    assert.ok(same(await bytesOf(await objects.get(`${prefix}a`)), patterned(0, 100)));
  });

  keeps("a reader may stop early", async ({ objects, prefix }) => {
    await objects.put(`${prefix}a`, streamed(3_000_000));
    const reader = (await objects.get(`${prefix}a`))!.getReader();
    await reader.read();
    await reader.cancel();
    assert.is((await objects.head(`${prefix}a`))?.size, 3_000_000);
  });
}

function keepsKeys(keeps: Keeps<ObjectsHarness>): void {
  keeps("get() and head() of a missing object are null", async ({ objects, prefix }) => {
    await objects.put(`${prefix}dir/a`, patterned(0, 1));
    for (const key of ["b", "dir", "dir/b", "dir/a/b"]) {
      assert.is(await objects.get(`${prefix}${key}`), null);
      assert.is(await objects.get(`${prefix}${key}`, { start: 0, end: 1 }), null);
      assert.is(await objects.head(`${prefix}${key}`), null);
    }
  });

  keeps("remove() is idempotent: a missing object is not an error", async ({ objects, prefix }) => {
    await objects.put(`${prefix}dir/a`, patterned(0, 1));
    await objects.put(`${prefix}dir/b`, patterned(0, 1));
    await objects.remove(`${prefix}dir/a`);
    await objects.remove(`${prefix}dir/a`);
    await objects.remove(`${prefix}never/there`);
    assert.is(await objects.get(`${prefix}dir/a`), null);
    assert.is((await objects.head(`${prefix}dir/b`))?.size, 1);
  });

  keeps("list() pages through the keys of a prefix in byte order", async ({ objects, prefix }) => {
    const names = ["b", "a/b", "a-b", "a.b", "a/a/c", "A", "Z", "_", "0", "10", "9", "ab"];
    for (const name of names) await objects.put(`${prefix}${name}`, patterned(0, name.length));
    const listed: string[] = [];
    for (let after = ""; ; after = listed.at(-1)!) {
      const page = await objects.list(prefix, after, 5);
      assert.ok(page.length <= 5);
      for (const { key, size } of page) assert.is(size, key.length - prefix.length);
      listed.push(...page.map(({ key }) => key));
      if (page.length < 5) break;
    }
    assert.equal(listed, names.map((name) => `${prefix}${name}`).sort());
  });

  keeps("list() takes any beginning of a key as prefix, and any key to start after", async ({ objects, prefix }) => {
    for (const name of ["ab/1", "ab/2", "abc", "b"]) await objects.put(`${prefix}${name}`, patterned(0, 1));
    const keys = async (start: string, after: string) =>
      (await objects.list(`${prefix}${start}`, after && `${prefix}${after}`, 10)).map(({ key }) =>
        key.slice(prefix.length),
      );
    assert.equal(await keys("ab", ""), ["ab/1", "ab/2", "abc"]);
    assert.equal(await keys("ab/", ""), ["ab/1", "ab/2"]);
    assert.equal(await keys("", "ab/11"), ["ab/2", "abc", "b"]);
    assert.equal(await keys("none", ""), []);
  });

  keeps("keys may have 512 characters of the whole alphabet", async ({ objects, prefix }) => {
    const key = `${prefix}${"Az09._-/".repeat(64)}`.slice(0, 511).replace(/\/$/, "-");
    await objects.put(`${key}x`, patterned(0, 3));
    assert.is((await objects.head(`${key}x`))?.size, 3);
    assert.equal(
      (await objects.list(prefix, "", 10)).map((info) => info.key),
      [`${key}x`],
    );
  });

  keeps("ready() resolves while the store can be written", async ({ objects }) => {
    await objects.ready();
  });
}

function same(left: Uint8Array | null, right: Uint8Array): boolean {
  return left !== null && left.length === right.length && left.every((byte, index) => byte === right[index]);
}
