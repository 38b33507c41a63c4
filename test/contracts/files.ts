/**
 * What every files store promises: files as they were added, a quota and a number of downloads that hold under haste, and no object forgotten.
 */
import * as assert from "uvu/assert";
import { type Added, type NewFile, SPENT_MS } from "../../core/ports/files.ts";
import { uuid7 } from "../../core/ports/uuid7.ts";
import { type Keeps, promises } from "../support/promises.ts";
import { type OpenStore, type StoreHarness, untilNone } from "../support/store_harness.ts";

const HOUR = 3_600_000;
const NONE = "00000000-0000-7000-8000-000000000000";

/** Runs the files' contract over the database that `open` opens. */
export function filesContract(name: string, open: OpenStore): void {
  promises(`files, ${name}`, open, (keeps) => {
    keepsFiles(keeps);
    keepsQuotas(keeps);
    keepsDownloads(keeps);
    keepsExpiry(keeps);
    keepsObjects(keeps);
  });
}

function keepsFiles(keeps: Keeps<StoreHarness>): void {
  keeps("get() returns a file as it was added, with the store's times", async (h) => {
    const file = newFile(h, {
      name: "Zürich 漢字 😀 '; DROP TABLE files; -- \" \\ %00 $1 \u2028",
      size: 5_368_709_120,
      maxDownloads: 3,
    });
    const added = await add(h, file);
    assert.is(added.expiresAt.getTime() - added.createdAt.getTime(), file.ttlMs);
    const { ttlMs: _, ...kept } = file;
    const { createdAt, expiresAt } = added;
    assert.equal(await h.database.files.get(file.id), { ...kept, createdAt, expiresAt, downloads: 0 });
    assert.equal(await h.other.files.get(file.id), await h.database.files.get(file.id));
    assert.is(await h.database.files.get(NONE), null);
  });

  keeps("list() pages through an owner's files, the greatest id first", async (h) => {
    const ids = [];
    for (let made = 0; made < 7; made += 1) ids.push((await added(h)).id);
    await added(h, { owner: `${h.realm}_other` });
    const listed: string[] = [];
    for (let before: string | null = null; ; before = listed.at(-1)!) {
      const page = await h.database.files.list(h.realm, before, 3);
      assert.ok(page.length <= 3);
      listed.push(...page.map(({ id }) => id));
      if (page.length < 3) break;
    }
    assert.equal(listed, ids.sort().reverse());
    assert.equal(await h.database.files.list(h.realm, null, 1), [await h.database.files.get(listed[0]!)]);
  });

  keeps("list() of everybody has the files of all owners", async (h) => {
    const mine = await added(h);
    const theirs = await added(h, { owner: `${h.realm}_other` });
    const ids = (await h.database.files.list(null, null, 1_000)).map(({ id }) => id);
    assert.ok(ids.includes(mine.id) && ids.includes(theirs.id));
    const after = (await h.database.files.list(null, [mine.id, theirs.id].sort()[0]!, 1_000)).map(({ id }) => id);
    assert.not.ok(after.includes(mine.id) || after.includes(theirs.id));
  });
}

function keepsQuotas(keeps: Keeps<StoreHarness>): void {
  keeps("add() stores what just fits, and nothing of what does not", async (h) => {
    await add(h, newFile(h, { size: 60 }), 100);
    await add(h, newFile(h, { size: 40 }), 100);
    const more = newFile(h, { size: 1 });
    assert.equal(await h.database.files.add(more, 100), { status: "full", used: 100 });
    assert.is(await h.database.files.get(more.id), null);
    await add(h, newFile(h, { size: 0 }), 100);
    assert.is(await h.database.files.used(h.realm), 100);
  });

  keeps("add() refuses a first file that is larger than the quota", async (h) => {
    assert.equal(await h.database.files.add(newFile(h, { size: 101 }), 100), { status: "full", used: 0 });
    assert.is(await h.database.files.used(h.realm), 0);
  });

  keeps("each owner has a quota of its own", async (h) => {
    const other = `${h.realm}_other`;
    await add(h, newFile(h, { size: 100 }), 100);
    await add(h, newFile(h, { size: 70, owner: other }), 100);
    assert.equal([await h.database.files.used(h.realm), await h.database.files.used(other)], [100, 70]);
    assert.is(await h.database.files.used(`${h.realm}_nobody`), 0);
  });

  keeps("of adds at once no more are stored than there is room for", async (h) => {
    const tries = Array.from({ length: 24 }, (_, index) =>
      (index % 2 === 0 ? h.database : h.other).files.add(newFile(h, { size: 10 }), 55),
    );
    const stored = (await Promise.all(tries)).filter(({ status }) => status === "added");
    assert.is(stored.length, 5);
    assert.is(await h.database.files.used(h.realm), 50);
    assert.is((await h.database.files.list(h.realm, null, 100)).length, 5);
  });
}

function keepsDownloads(keeps: Keeps<StoreHarness>): void {
  keeps("take() counts, and succeeds as often as the file may be downloaded", async (h) => {
    const { id } = await added(h, { maxDownloads: 2 });
    const taken = [];
    for (let time = 0; time < 4; time += 1) taken.push(await h.database.files.take(id));
    assert.equal(taken, [true, true, false, false]);
    assert.is((await h.database.files.get(id))?.downloads, 2);
    assert.is(await h.database.files.take(NONE), false);
  });

  keeps("take() of a file without a limit always succeeds, and counts", async (h) => {
    const { id, expiresAt } = await added(h);
    for (let time = 0; time < 5; time += 1) assert.ok(await h.database.files.take(id));
    const file = await h.database.files.get(id);
    assert.equal([file?.downloads, file?.expiresAt], [5, expiresAt]);
  });

  keeps("of takes at once no more succeed than the file may be downloaded", async (h) => {
    const { id } = await added(h, { maxDownloads: 3 });
    const takes = Array.from({ length: 24 }, (_, index) => (index % 2 === 0 ? h.database : h.other).files.take(id));
    assert.is((await Promise.all(takes)).filter((taken) => taken).length, 3);
    assert.is((await h.database.files.get(id))?.downloads, 3);
  });

  keeps("the last take() makes the file expire within the hour, and no take() later than it would", async (h) => {
    const long = await added(h, { maxDownloads: 2, ttlMs: 10 * HOUR });
    const short = await added(h, { maxDownloads: 1, ttlMs: HOUR / 2 });
    await h.database.files.take(long.id);
    assert.equal((await h.database.files.get(long.id))?.expiresAt, long.expiresAt);
    await h.database.files.take(long.id);
    await h.database.files.take(short.id);
    const left = (await h.database.files.get(long.id))!.expiresAt.getTime() - long.createdAt.getTime();
    assert.ok(left >= SPENT_MS && left < SPENT_MS + 60_000, `${left} ms`);
    assert.equal((await h.database.files.get(short.id))?.expiresAt, short.expiresAt);
  });
}

function keepsExpiry(keeps: Keeps<StoreHarness>): void {
  keeps("a file whose time is over is not returned, taken or removed, though expire() has not run", async (h) => {
    const { id } = await added(h, { ttlMs: HOUR });
    const { id: later } = await added(h, { ttlMs: 3 * HOUR });
    await h.advance(2 * HOUR);
    const { files } = h.database;
    assert.is(await files.get(id), null);
    assert.is(await files.take(id), false);
    assert.is(await files.remove(id), false);
    assert.equal(
      (await files.list(h.realm, null, 10)).map((file) => file.id),
      [later],
    );
  });

  keeps("a file takes room until expire() has dropped it", async (h) => {
    await add(h, newFile(h, { size: 80, ttlMs: HOUR }), 100);
    await h.advance(2 * HOUR);
    assert.equal(await h.database.files.add(newFile(h, { size: 30 }), 100), { status: "full", used: 80 });
    await untilNone(() => h.database.files.expire(500));
    assert.is(await h.database.files.used(h.realm), 0);
    await add(h, newFile(h, { size: 30 }), 100);
  });

  keeps("expire() drops at most `limit` files whose time is over, says how many, and leaves the others", async (h) => {
    for (let made = 0; made < 5; made += 1) await added(h, { ttlMs: HOUR, size: 10 });
    const { id } = await added(h, { ttlMs: 5 * HOUR, size: 7 });
    await h.advance(2 * HOUR);
    const gone = await h.database.files.expire(2);
    assert.ok(gone > 0 && gone <= 2, `${gone} went`);
    await untilNone(() => h.database.files.expire(3));
    assert.is(await h.database.files.used(h.realm), 7);
    assert.ok(await h.database.files.get(id));
  });
}

function keepsObjects(keeps: Keeps<StoreHarness>): void {
  keeps("remove() drops the file, frees its room and queues its object, once", async (h) => {
    const file = await added(h, { size: 10 });
    const { files } = h.database;
    assert.not.ok((await due(h)).includes(file.objectKey));
    assert.is(await files.remove(file.id), true);
    assert.is(await files.remove(file.id), false);
    assert.is(await files.get(file.id), null);
    assert.is(await files.used(h.realm), 0);
    assert.is((await due(h)).filter((key) => key === file.objectKey).length, 1);
  });

  keeps("of removals and takes at once one removal succeeds, and room is freed once", async (h) => {
    const file = await added(h, { size: 10 });
    await added(h, { size: 1 });
    const work = Array.from({ length: 12 }, (_, index) => {
      const { files } = index % 2 === 0 ? h.database : h.other;
      return index % 3 === 0 ? files.take(file.id).then(() => false) : files.remove(file.id);
    });
    assert.is((await Promise.all(work)).filter((removed) => removed).length, 1);
    assert.is(await h.database.files.used(h.realm), 1);
  });

  keeps("expire() queues the objects of what it drops, and no others", async (h) => {
    const gone = await added(h, { ttlMs: HOUR });
    const kept = await added(h, { ttlMs: 5 * HOUR });
    await h.advance(2 * HOUR);
    await untilNone(() => h.database.files.expire(500));
    const keys = await due(h);
    assert.ok(keys.includes(gone.objectKey));
    assert.not.ok(keys.includes(kept.objectKey));
  });

  keeps("referenced() knows keys of files, expired ones too, and keys that wait for deletion", async (h) => {
    const live = await added(h);
    const expired = await added(h, { ttlMs: HOUR });
    const removed = await added(h);
    await h.database.files.remove(removed.id);
    await h.advance(2 * HOUR);
    const keys = [live, expired, removed].map(({ objectKey }) => objectKey);
    assert.equal((await h.database.files.referenced([...keys, "f/none", ...keys])).sort(), [...keys].sort());
    await h.database.objectDeletions.done([removed.objectKey]);
    assert.equal((await h.database.files.referenced(keys)).sort(), keys.slice(0, 2).sort());
    assert.equal(await h.database.files.referenced([]), []);
  });
}

/** A file of the harness's realm, which is its owner, under an id of its own. */
function newFile({ realm }: StoreHarness, more: Partial<NewFile> = {}): NewFile {
  return {
    id: uuid7(Date.now(), crypto.getRandomValues(new Uint8Array(10))),
    owner: realm,
    secretHash: "ab".repeat(32),
    name: "a",
    contentType: "text/plain",
    size: 3,
    sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    objectKey: `f/${crypto.randomUUID()}`,
    ttlMs: 24 * HOUR,
    maxDownloads: null,
    ...more,
  };
}

async function add(h: StoreHarness, file: NewFile, quota = Number.MAX_SAFE_INTEGER) {
  const outcome = await h.database.files.add(file, quota);
  assert.is(outcome.status, "added");
  return outcome as Extract<Added, { status: "added" }>;
}

async function added(h: StoreHarness, more: Partial<NewFile> = {}) {
  const file = newFile(h, more);
  return { ...file, ...(await add(h, file)) };
}

function due(h: StoreHarness): Promise<string[]> {
  return h.database.objectDeletions.due(0, 100_000);
}
