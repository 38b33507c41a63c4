/**
 * What every documents store promises of pages: byte order, prefixes, conditions on index entries, and that what is not written to meanwhile is on
 * exactly one page.
 */
import * as assert from "uvu/assert";
import type { Condition, DocumentQuery, IndexEntry, Position } from "../../core/ports/documents.ts";
import { prefixEnd, SCAN_MOST } from "../../core/ports/documents.ts";
import type { Keeps } from "../support/promises.ts";
import { committed, type StoreHarness } from "../support/store_harness.ts";
import { inMs, put, query } from "./documents_versions.ts";

const IDS = [
  "b",
  "a",
  "A",
  "Z",
  "z",
  "_",
  "0",
  "10",
  "9",
  "a b",
  "a/b",
  "a-b",
  "ab",
  "ä",
  "é",
  "\uffff",
  "😀",
  "漢",
  "\u{10ffff}",
];

export function keepsPages(keeps: Keeps<StoreHarness>): void {
  keeps("page() gives all documents once, in byte order of the id", async (h) => {
    for (const id of IDS) await put(h, id, {});
    assert.equal(await walk(h, { limit: 4 }), inByteOrder(IDS));
    const { documents, next } = await h.database.documents.page(query(h, { limit: IDS.length }));
    assert.is(documents.length, IDS.length);
    assert.is(next, null);
  });

  keeps("page() with a prefix gives those that begin so, whatever stands around them", async (h) => {
    for (const id of IDS) await put(h, id, {});
    for (const prefix of ["a", "a b", "z", "\uffff", "\u{10ffff}", "x", "😀"]) {
      const expected = inByteOrder(IDS.filter((id) => id.startsWith(prefix)));
      assert.equal(await walk(h, { prefix, limit: 2 }), expected, prefix);
    }
  });

  keeps("page() gives versions and times, and bodies only to who asks, as long as there is room", async (h) => {
    const expiresAt = await inMs(h, 60_000);
    await put(h, "a", { n: 1 });
    const { createdAt, updatedAt, version } = await put(h, "a", { n: 2 }, { expiresAt });
    await put(h, "b", { text: "x".repeat(100) });
    await put(h, "c", {});
    const [first] = (await h.database.documents.page(query(h))).documents;
    assert.equal(first, { id: "a", version, body: null, createdAt, updatedAt, expiresAt });
    const page = await h.database.documents.page(query(h, { bodyBytes: 50 }));
    assert.equal(
      page.documents.map(({ body }) => body),
      [{ n: 2 }, { text: "x".repeat(100) }],
    );
    assert.equal(page.next, { value: "", id: "b" });
    assert.equal(await walk(h, { bodyBytes: 1 }), ["a", "b", "c"]);
  });

  keeps("what has expired is on no page", async (h) => {
    const expiresAt = await inMs(h, 60_000);
    for (const id of ["a", "b", "c", "d"])
      await put(h, id, {}, { keys: keys({ s: "x" }), ...(id < "c" ? { expiresAt } : {}) });
    await h.advance(120_000);
    assert.equal(await walk(h, { limit: 1 }), ["c", "d"]);
    assert.equal(await walk(h, { limit: 1, where: [equal("s", "x")] }), ["c", "d"]);
  });

  keeps("page() with conditions gives the documents for which all of them hold, by entry and id", async (h) => {
    for (const id of ["a", "b", "c", "d", "e", "f"])
      await put(h, id, {}, { keys: keys({ s: id < "d" ? "x" : "y", n: id }) });
    await put(h, "g", {}, { keys: keys({ n: "a" }) });
    await put(h, "h", {});
    assert.equal(await walk(h, { where: [equal("s", "x")], limit: 2 }), ["a", "b", "c"]);
    const from = (low: string, high: string) => ({ field: "n", ranges: [{ from: low, to: high }] });
    assert.equal(await walk(h, { where: [from("b", "e")], limit: 2 }), ["b", "c", "d"]);
    assert.equal(await walk(h, { where: [from("a", "b")] }), ["a", "g"]);
    assert.equal(await walk(h, { where: [equal("s", "y"), from("b", "f")], limit: 1 }), ["d", "e"]);
    assert.equal(await walk(h, { where: [from("b", "f"), equal("s", "y")], limit: 1 }), ["d", "e"]);
    const either = { field: "n", ranges: [equal("n", "a").ranges[0]!, equal("n", "e").ranges[0]!] };
    assert.equal(await walk(h, { where: [either], limit: 1 }), ["a", "g", "e"]);
    assert.equal(await walk(h, { where: [either], prefix: "g" }), ["g"]);
    assert.equal(await walk(h, { where: [{ field: "n", ranges: [] }] }), []);
    assert.equal(await walk(h, { where: [equal("unknown", "x")] }), []);
  });

  keeps("index entries are those of the newest version, and go with the document", async (h) => {
    await put(h, "a", {}, { keys: keys({ s: "old", t: "x" }) });
    await put(h, "a", {}, { keys: keys({ s: "new" }) });
    assert.equal(await walk(h, { where: [equal("s", "old")] }), []);
    assert.equal(await walk(h, { where: [equal("t", "x")] }), []);
    assert.equal(await walk(h, { where: [equal("s", "new")] }), ["a"]);
    await put(h, "a", {});
    assert.equal(await walk(h, { where: [equal("s", "new")] }), []);
    await put(h, "a", {}, { keys: keys({ s: "new" }) });
    await committed(h, { op: "document.remove", realm: h.realm, collection: "v", id: "a" });
    await put(h, "a", {});
    assert.equal(await walk(h, { where: [equal("s", "new")] }), []);
  });

  keeps("index replaces the entries of the version it names, and of no other", async (h) => {
    await put(h, "a", { n: 1 });
    const index = (ifVersion: number) =>
      ({ op: "document.index", realm: h.realm, collection: "v", id: "a", ifVersion, keys: keys({ s: "x" }) }) as const;
    assert.equal(await committed(h, index(1)), [{ status: "indexed" }]);
    assert.equal(await walk(h, { where: [equal("s", "x")] }), ["a"]);
    const { version } = await put(h, "a", { n: 2 });
    assert.equal(await committed(h, index(1)), [{ status: "absent" }]);
    assert.equal(await walk(h, { where: [equal("s", "x")] }), []);
    assert.is(version, 2);
    assert.equal(await committed(h, index(2)), [{ status: "indexed" }]);
    assert.equal((await h.database.documents.get(h.realm, "v", "a"))?.version, 2);
  });

  keeps(
    "what is not written to meanwhile is on exactly one of the pages, whatever comes and goes around it",
    async (h) => {
      const stays = Array.from({ length: 40 }, (_, n) => `k${String(n * 2).padStart(3, "0")}`);
      for (const id of stays) await put(h, id, {}, { keys: keys({ s: `v${id.slice(-1)}` }) });
      for (const where of [[], [{ field: "s", ranges: [{ from: "v", to: "w" }] }]]) {
        const seen: string[] = [];
        let round = 0;
        for (let after: Position | null = null; ; round += 1) {
          const page = await h.database.documents.page(query(h, { where, after, limit: 7 }));
          seen.push(...page.documents.map(({ id }) => id));
          if (page.next === null) break;
          after = page.next;
          const odd = `k${String(round * 6 + 1).padStart(3, "0")}`;
          await put(h, odd, {}, { keys: keys({ s: `v${round % 9}` }) });
          await put(h, `${odd}x`, {}, { keys: keys({ s: "v0" }) });
          if (round % 2) await committed(h, { op: "document.remove", realm: h.realm, collection: "v", id: odd });
        }
        const kept = seen.filter((id) => stays.includes(id));
        assert.equal([...kept].sort(), stays);
        assert.is(new Set(seen).size, seen.length, "a document came twice");
        for (const id of seen)
          if (!stays.includes(id)) await committed(h, { op: "document.remove", realm: h.realm, collection: "v", id });
      }
    },
  );

  keeps("a page looks at a bounded number of entries, and says where to go on", async (h) => {
    const most = SCAN_MOST + 20;
    for (let n = 0; n < most; n += 1_000) {
      const ids = Array.from({ length: Math.min(1_000, most - n) }, (_, index) => String(n + index).padStart(5, "0"));
      await committed(
        h,
        ...ids.map(
          (id) =>
            ({
              op: "document.put",
              realm: h.realm,
              collection: "v",
              id,
              body: {},
              versions: 1,
              keys: keys({ s: "x", t: id > "05015" ? "y" : "n" }),
            }) as const,
        ),
      );
    }
    const where = [equal("s", "x"), equal("t", "y")];
    const page = await h.database.documents.page(query(h, { where }));
    assert.equal(page.documents, []);
    assert.equal(page.next, { value: "x", id: String(SCAN_MOST - 1).padStart(5, "0") });
    assert.equal(await walk(h, { where, limit: 3 }), ["05016", "05017", "05018", "05019"]);
  });

  keeps("prefixEnd() is the next string that does not begin so", async () => {
    assert.is(prefixEnd("a"), "b");
    assert.is(prefixEnd("a\u{10ffff}"), "b");
    assert.is(prefixEnd("\ud7ff"), "\ue000");
    assert.is(prefixEnd("\uffff"), "\u{10000}");
    assert.ok(prefixEnd("").startsWith("\u{10ffff}\u{10ffff}"));
  });
}

function keys(values: { [field: string]: string }): IndexEntry[] {
  return Object.entries(values).map(([field, value]) => ({ field, value }));
}

function equal(field: string, value: string): Condition {
  return { field, ranges: [{ from: value, to: `${value}\u0001` }] };
}

/** The ids of all pages, one after the other. */
async function walk(h: StoreHarness, how: Partial<DocumentQuery>): Promise<string[]> {
  const ids: string[] = [];
  for (let after: Position | null = null, pages = 0; ; pages += 1) {
    const page = await h.database.documents.page(query(h, { ...how, after }));
    assert.ok(page.documents.length <= (how.limit ?? 1_000));
    ids.push(...page.documents.map(({ id }) => id));
    if (page.next === null) return ids;
    after = page.next;
    assert.ok(pages < 100, "there is always another page");
  }
}

function inByteOrder(ids: readonly string[]): string[] {
  const hex = (id: string) =>
    Array.from(new TextEncoder().encode(id), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [...ids].sort((left, right) => (hex(left) < hex(right) ? -1 : 1));
}
