/**
 * What every documents store promises: versions, expiry, pages in byte order, bodies as they were put.
 */
import * as assert from "uvu/assert";
import type { DocumentOutcome, PutDocument } from "../../core/ports/documents.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { type Keeps, promises } from "../support/promises.ts";
import { committed, type OpenStore, refusal, type StoreHarness, untilNone } from "../support/store_harness.ts";
import { keepsPages } from "./documents_pages.ts";
import { keepsHistory, keepsUnitParts } from "./documents_versions.ts";

type Put = Extract<DocumentOutcome, { status: "put" }>;

/** Runs the documents' contract over the database that `open` opens. */
export function documentsContract(name: string, open: OpenStore): void {
  promises(`documents, ${name}`, open, (keeps) => {
    keepsVersions(keeps);
    keepsBodies(keeps);
    keepsReads(keeps);
    keepsExpiry(keeps);
    keepsHistory(keeps);
    keepsUnitParts(keeps);
    keepsPages(keeps);
  });
}

function keepsVersions(keeps: Keeps<StoreHarness>): void {
  keeps("put makes version 1, then one more each time; createdAt stays and updatedAt moves", async (h) => {
    const first = await put(h, "a", { n: 1 });
    await h.advance(60_000);
    const second = await put(h, "a", { n: 2 });
    assert.is(first.version, 1);
    assert.is(second.version, 2);
    assert.equal(first.createdAt, first.updatedAt);
    assert.equal(second.createdAt, first.createdAt);
    assert.ok(second.updatedAt.getTime() - first.updatedAt.getTime() >= 60_000);
    assert.equal(await get(h, "a"), {
      id: "a",
      version: 2,
      body: { n: 2 },
      createdAt: second.createdAt,
      updatedAt: second.updatedAt,
      expiresAt: null,
    });
  });

  keeps("put with ifVersion 0 makes a document only where there is none", async (h) => {
    assert.is((await put(h, "a", { n: 1 }, { ifVersion: 0 })).version, 1);
    assert.equal(await stale(h, "a", 0), { status: "stale", version: 1 });
    assert.equal((await get(h, "a"))?.body, { n: 1 });
  });

  keeps("put with ifVersion n replaces version n and no other", async (h) => {
    await put(h, "a", { n: 1 });
    assert.is((await put(h, "a", { n: 2 }, { ifVersion: 1 })).version, 2);
    assert.equal(await stale(h, "a", 1), { status: "stale", version: 2 });
    assert.equal(await stale(h, "a", 3), { status: "stale", version: 2 });
    assert.equal(await stale(h, "missing", 1), { status: "stale", version: 0 });
    assert.equal((await get(h, "a"))?.body, { n: 2 });
    assert.is(await get(h, "missing"), null);
  });

  keeps("remove takes the document away and says whether there was one; a later put makes version 1", async (h) => {
    const remove = { op: "document.remove", realm: h.realm, collection: "c", id: "a" } as const;
    assert.equal(await committed(h, remove), [{ status: "absent" }]);
    await put(h, "a", { n: 1 });
    await put(h, "a", { n: 2 });
    assert.equal(await committed(h, remove), [{ status: "removed", version: 2 }]);
    assert.is(await get(h, "a"), null);
    assert.equal(await h.database.documents.list(h.realm, "c", "", 10), []);
    assert.is((await put(h, "a", { n: 3 })).version, 1);
  });

  keeps("puts of one document at once all take effect, each with a version of its own", async (h) => {
    const puts = await Promise.all(Array.from({ length: 20 }, (_, n) => put(h, "a", { n })));
    const versions = puts.map(({ version }) => version).sort((left, right) => left - right);
    assert.equal(
      versions,
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    const last = puts.findIndex(({ version }) => version === 20);
    assert.equal((await get(h, "a"))?.body, { n: last });
  });
}

function keepsBodies(keeps: Keeps<StoreHarness>): void {
  keeps("a body is returned as it was put", async (h) => {
    const body: JsonObject = {
      empty: {},
      list: [null, true, false, [], [[1]], ""],
      numbers: [0, -1.5e-7, 0.1, 1e21, 9_007_199_254_740_991, 1.7976931348623157e308],
      words: "é ä 漢字 😀 \u2028 \u007f ' \" \\ $1 \\x00 \n\t",
      "": "an empty key",
      "ключ 😀": { "a.b": { c: [{ d: "e" }] } },
      big: "0123456789 ü 😀 ".repeat(20_000),
    };
    await put(h, "a", body);
    assert.equal((await get(h, "a"))?.body, body);
  });

  keeps("a body holds every string that JSON can, U+0000 and lone surrogates too", async (h) => {
    const body: JsonObject = { nul: "a\u0000b", high: "\ud83d", low: "\ude00", "key\u0000": 1 };
    await put(h, "a", body);
    assert.equal((await get(h, "a"))?.body, body);
  });

  keeps("what a caller does to its body does not reach the store", async (h) => {
    const body = { list: [1] };
    await put(h, "a", body);
    body.list.push(2);
    const read = await get(h, "a");
    (read!.body.list as number[]).push(3);
    assert.equal((await get(h, "a"))?.body, { list: [1] });
  });
}

function keepsReads(keeps: Keeps<StoreHarness>): void {
  keeps("get() keeps realms, collections and ids apart, whatever their names", async (h) => {
    const elsewhere = { ...h, database: h.database, realm: `${h.realm}_2` };
    await put(h, "a", { at: 1 });
    await put(elsewhere, "a", { at: 2 });
    await put(h, "a", { at: 3 }, { collection: "C" });
    await put(h, "A", { at: 4 });
    assert.equal((await get(h, "a"))?.body, { at: 1 });
    assert.equal((await get(elsewhere, "a"))?.body, { at: 2 });
    assert.equal((await h.database.documents.get(h.realm, "C", "a"))?.body, { at: 3 });
    assert.equal((await get(h, "A"))?.body, { at: 4 });
    assert.is(await get(h, "b"), null);
  });

  keeps("getMany() returns those of the documents that exist", async (h) => {
    for (const id of ["a", "b", "c"]) await put(h, id, { id });
    const found = await h.database.documents.getMany(h.realm, "c", ["c", "missing", "a", "a"]);
    assert.equal(found.map(({ id, body }) => `${id}${body.id}`).sort(), ["aa", "cc"]);
    assert.equal(await h.database.documents.getMany(h.realm, "c", []), []);
  });

  keeps("list() pages through all documents in byte order of the id", async (h) => {
    const ids = ["b", "a", "A", "Z", "z", "_", "0", "10", "9", "a b", "a/b", "a-b", "ab", "ä", "é", "～", "😀", "漢"];
    for (const id of ids) await put(h, id, {});
    await put(h, "elsewhere", {}, { collection: "d" });
    const listed: string[] = [];
    for (let after = ""; ; after = listed.at(-1)!) {
      const page = await h.database.documents.list(h.realm, "c", after, 4);
      assert.ok(page.length <= 4);
      listed.push(...page.map(({ id }) => id));
      if (page.length < 4) break;
    }
    assert.equal(listed, inByteOrder(ids));
  });

  keeps("list() starts after an id that need not exist, and returns whole documents", async (h) => {
    await put(h, "a", { n: 1 });
    await put(h, "c", { n: 2 });
    const page = await h.database.documents.list(h.realm, "c", "b", 10);
    assert.equal(page, [await get(h, "c")]);
  });
}

function keepsExpiry(keeps: Keeps<StoreHarness>): void {
  keeps("expired documents are not returned by any read, though expire() has not run", async (h) => {
    await put(h, "a", {}, { expiresAt: await inMs(h, 60_000) });
    await put(h, "b", {}, { expiresAt: await inMs(h, 3_600_000) });
    await put(h, "c", {}, { expiresAt: null });
    assert.is((await h.database.documents.list(h.realm, "c", "", 3)).length, 3);
    await h.advance(120_000);
    assert.is(await get(h, "a"), null);
    assert.equal((await h.database.documents.getMany(h.realm, "c", ["a", "b"])).map(idOf), ["b"]);
    assert.equal((await h.database.documents.list(h.realm, "c", "", 2)).map(idOf), ["b", "c"]);
  });

  keeps("a put gives the document the expiry it names, or none", async (h) => {
    const expiresAt = await inMs(h, 60_000);
    await put(h, "a", {}, { expiresAt });
    assert.equal((await get(h, "a"))?.expiresAt, expiresAt);
    await put(h, "a", {});
    assert.is((await get(h, "a"))?.expiresAt, null);
    await h.advance(120_000);
    assert.ok(await get(h, "a"));
  });

  keeps("to a command an expired document is not there", async (h) => {
    const passed = await inMs(h, 60_000);
    for (const id of ["a", "b", "c"]) await put(h, id, {}, { expiresAt: passed });
    await put(h, "a", {}, { expiresAt: passed });
    await h.advance(120_000);
    assert.equal(await stale(h, "a", 2), { status: "stale", version: 0 });
    const made = await put(h, "a", { n: 1 }, { ifVersion: 0 });
    assert.is(made.version, 1);
    assert.equal(made.createdAt, made.updatedAt);
    assert.is((await put(h, "b", { n: 1 })).version, 1);
    const remove = { op: "document.remove", realm: h.realm, collection: "c", id: "c" } as const;
    assert.equal(await committed(h, remove), [{ status: "absent" }]);
  });

  keeps("expire() removes at most `limit` expired documents, says how many, and leaves the others", async (h) => {
    const passed = await inMs(h, 60_000);
    for (const id of ["a", "b", "c", "d"]) await put(h, id, {}, { expiresAt: passed });
    await put(h, "later", {}, { expiresAt: await inMs(h, 3_600_000) });
    await put(h, "never", {});
    await h.advance(120_000);
    const gone = await h.database.documents.expire(2);
    assert.ok(gone > 0 && gone <= 2, `${gone} went`);
    await untilNone(() => h.database.documents.expire(1_000));
    assert.equal((await h.database.documents.list(h.realm, "c", "", 10)).map(idOf), ["later", "never"]);
  });
}

async function put(h: StoreHarness, id: string, body: JsonObject, how: Partial<PutDocument> = {}): Promise<Put> {
  const [outcome] = await committed(h, { op: "document.put", realm: h.realm, collection: "c", id, body, ...how });
  assert.is(outcome?.status, "put");
  return outcome as Put;
}

async function stale(h: StoreHarness, id: string, ifVersion: number) {
  return (await refusal(h, { op: "document.put", realm: h.realm, collection: "c", id, body: {}, ifVersion })).outcome;
}

function get({ database, realm }: StoreHarness, id: string) {
  return database.documents.get(realm, "c", id);
}

/** An instant `ms` from now on the store's clock, which a put tells. */
async function inMs(h: StoreHarness, ms: number): Promise<Date> {
  const { updatedAt } = await put(h, "clock", {}, { collection: "clock" });
  return new Date(updatedAt.getTime() + ms);
}

function idOf({ id }: { id: string }): string {
  return id;
}

function inByteOrder(ids: readonly string[]): string[] {
  const hex = (id: string) =>
    Array.from(new TextEncoder().encode(id), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [...ids].sort((left, right) => (hex(left) < hex(right) ? -1 : 1));
}
