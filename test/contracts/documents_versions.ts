/**
 * What every documents store promises of versioned collections, and of what documents do within a unit: histories, versions that never come twice,
 * checks that hold until the unit has ended, and versions told in a feed.
 */
import * as assert from "uvu/assert";
import { type DocumentOutcome, type PutDocument, REMEMBERED_MS } from "../../core/ports/documents.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import type { Keeps } from "../support/promises.ts";
import { committed, history, refusal, type StoreHarness, untilNone } from "../support/store_harness.ts";

type Put = Extract<DocumentOutcome, { status: "put" }>;

export function keepsHistory(keeps: Keeps<StoreHarness>): void {
  keeps("a versioned put keeps the versions before it, each with its body and time, newest first", async (h) => {
    const times: Date[] = [];
    for (const n of [1, 2, 3]) {
      times.unshift((await put(h, "a", { n })).updatedAt);
      await h.advance(1_000);
    }
    const page = await historyOf(h, "a", { bodyBytes: 1_000 });
    assert.equal(page.versions, [
      { version: 3, body: { n: 3 }, createdAt: times[0] },
      { version: 2, body: { n: 2 }, createdAt: times[1] },
      { version: 1, body: { n: 1 }, createdAt: times[2] },
    ]);
    assert.is(page.next, null);
    assert.is((await historyOf(h, "a")).versions[0]?.body, null);
  });

  keeps("history() goes on from page to page, and ends a page where its bodies exceed the bytes", async (h) => {
    for (let n = 1; n <= 7; n += 1) await put(h, "a", { n, text: "x".repeat(1_000) }, { versions: 10 });
    const seen: number[] = [];
    for (let before: number | null = null, pages = 0; ; pages += 1) {
      const page = await historyOf(h, "a", { limit: 3, before, bodyBytes: 1_500 });
      assert.ok(page.versions.length <= 2 && page.versions.every(({ body }) => body !== null));
      seen.push(...page.versions.map(({ version }) => version));
      if (page.next === null) break;
      before = page.next;
      assert.ok(pages < 10);
    }
    assert.equal(seen, [7, 6, 5, 4, 3, 2, 1]);
  });

  keeps("put() lets all but the newest `versions` older versions fall away", async (h) => {
    for (let n = 1; n <= 6; n += 1) await put(h, "a", { n }, { versions: 2 });
    assert.equal(versionsIn(await historyOf(h, "a")), [6, 5, 4]);
    await put(h, "a", { n: 7 }, { versions: 0 });
    assert.equal(versionsIn(await historyOf(h, "a")), [7]);
  });

  keeps("getVersion() gives the newest and the older ones as they were, and null for any other", async (h) => {
    await put(h, "a", { n: 1 });
    await h.advance(1_000);
    const second = await put(h, "a", { n: 2 });
    const get = (version: number) => h.database.documents.getVersion(h.realm, "v", "a", version);
    assert.equal((await get(1))?.body, { n: 1 });
    assert.is((await get(1))?.version, 1);
    assert.equal(await get(2), await h.database.documents.get(h.realm, "v", "a"));
    assert.equal((await get(1))?.createdAt, second.createdAt);
    assert.ok((await get(1))!.updatedAt < second.updatedAt);
    assert.is(await get(3), null);
    await remove(h, "a");
    assert.is(await get(1), null);
  });

  keeps("remove() drops all versions, and a put after it goes on counting", async (h) => {
    for (const n of [1, 2, 3]) await put(h, "a", { n });
    assert.equal(await remove(h, "a"), { status: "removed", version: 3 });
    assert.equal(await historyOf(h, "a"), { versions: [], next: null });
    const again = await put(h, "a", { n: 4 }, { ifVersion: 0 });
    assert.is(again.version, 4);
    assert.equal(again.createdAt, again.updatedAt);
    assert.equal(versionsIn(await historyOf(h, "a")), [4]);
    await remove(h, "a");
    await remove(h, "a");
    assert.is((await put(h, "a", {})).version, 5);
    assert.is((await put(h, "other", {})).version, 1);
  });

  keeps("after expiry a put goes on counting, dropped or not, and the versions before are gone", async (h) => {
    for (const id of ["a", "b"]) {
      await put(h, id, { n: 1 });
      await put(h, id, { n: 2 }, { expiresAt: await inMs(h, 60_000) });
    }
    await h.advance(120_000);
    for (const id of ["a", "b"]) {
      assert.equal(versionsIn(await historyOf(h, id)), []);
      assert.is(await h.database.documents.getVersion(h.realm, "v", id, 1), null);
    }
    assert.is((await put(h, "a", { n: 3 }, { ifVersion: 0 })).version, 3);
    await untilNone(() => h.database.documents.expire(1_000));
    assert.is((await put(h, "b", { n: 3 })).version, 3);
    for (const id of ["a", "b"]) assert.equal(versionsIn(await historyOf(h, id)), [3]);
  });

  keeps("the last version is remembered for 30 days after a removal", async (h) => {
    for (const id of ["a", "b"]) await put(h, id, {});
    for (const id of ["a", "b"]) await remove(h, id);
    await h.advance(REMEMBERED_MS - 3_600_000);
    await h.database.documents.expire(1_000);
    assert.is((await put(h, "a", {})).version, 2);
    await h.advance(7_200_000);
    await untilNone(() => h.database.documents.expire(1_000));
    await h.database.documents.expire(1_000);
    assert.is((await put(h, "b", {})).version, 1);
  });

  keeps("expire() takes a document with many versions in batches, and counts them", async (h) => {
    const expiresAt = await inMs(h, 60_000);
    for (let n = 0; n < 12; n += 1) await put(h, "a", { n }, { versions: 100, expiresAt });
    await h.advance(120_000);
    const went: number[] = [];
    for (let batch = 5; batch === 5; went.push(batch)) batch = await h.database.documents.expire(5);
    assert.ok(went.reduce((sum, batch) => sum + batch, 0) >= 12, String(went));
    assert.is((await put(h, "a", {})).version, 13);
    assert.equal(versionsIn(await historyOf(h, "a")), [13]);
  });

  keeps("puts and removals of one key at once never make a version twice", async (h) => {
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, async (_, index) => {
        const { database } = index % 2 ? { database: h.other } : h;
        const command = index % 3 === 0 ? removing(h, "a") : putting(h, "a", { index });
        const result = await database.commit([command]);
        return result.committed ? result.outcomes[0]! : assert.unreachable("refused");
      }),
    );
    const made = outcomes.flatMap((outcome) => (outcome?.status === "put" ? [outcome.version] : []));
    assert.is(made.length, 40);
    assert.is(new Set(made).size, 40, String(made.sort((left, right) => left - right)));
  });
}

export function keepsUnitParts(keeps: Keeps<StoreHarness>): void {
  keeps("remove with ifVersion removes that version and no other", async (h) => {
    await put(h, "a", {});
    await put(h, "a", {});
    const refused = await refusal(h, removing(h, "a", { ifVersion: 1 }));
    assert.equal(refused.outcome, { status: "stale", version: 2 });
    assert.is((await h.database.documents.get(h.realm, "v", "a"))?.version, 2);
    assert.equal(versionsIn(await historyOf(h, "a")), [2, 1]);
    assert.equal(await committed(h, removing(h, "a", { ifVersion: 2 })), [{ status: "removed", version: 2 }]);
  });

  keeps("remove with mustExist is refused where there is nothing", async (h) => {
    const refused = await refusal(h, removing(h, "a", { mustExist: true }));
    assert.equal(refused.outcome, { status: "stale", version: 0 });
    await put(h, "a", {}, { expiresAt: await inMs(h, 1_000) });
    await h.advance(2_000);
    assert.is((await refusal(h, removing(h, "a", { mustExist: true }))).outcome.status, "stale");
    assert.equal(await committed(h, removing(h, "a")), [{ status: "absent" }]);
  });

  keeps("check passes for the version that is there, and fails the unit for any other", async (h) => {
    const check = (ifVersion: number) =>
      ({ op: "document.check", realm: h.realm, collection: "v", id: "s", ifVersion }) as const;
    assert.equal(await committed(h, check(0)), [{ status: "checked" }]);
    await put(h, "s", {});
    assert.equal((await refusal(h, check(0), putting(h, "a", {}))).outcome, { status: "changed", version: 1 });
    assert.is(await h.database.documents.get(h.realm, "v", "a"), null);
    const outcomes = await committed(h, putting(h, "a", {}), check(1));
    assert.equal(
      outcomes.map(({ status }) => status),
      ["put", "checked"],
    );
  });

  keeps("what checked an exclusive document has all been stored once the next version of it is", async (h) => {
    await put(h, "s", {});
    let version = 1;
    for (let round = 0; round < 5; round += 1) {
      const settled: boolean[] = [];
      const writers = Array.from({ length: 12 }, async (_, index) => {
        const { database } = index % 2 ? { database: h.other } : h;
        const result = await database.commit([
          { op: "document.check", realm: h.realm, collection: "v", id: "s", ifVersion: version },
          putting(h, `${round}/${index}`, {}),
        ]);
        settled[index] = result.committed;
      });
      const next = committed(h, putting(h, "s", {}, { exclusive: true })).then(async () => {
        const { documents } = await h.database.documents.page(query(h, { prefix: `${round}/` }));
        return documents.map(({ id }) => id);
      });
      const [seen] = await Promise.all([next, ...writers]);
      const stored = settled.flatMap((isStored, index) => (isStored ? [`${round}/${index}`] : []));
      assert.equal(seen, stored.sort(), "a document came after the version that its unit had checked");
      version += 1;
    }
  });

  keeps("an entry's data begins with the version that its document command makes or removes", async (h) => {
    await put(h, "a", {});
    const [first, second] = [putting(h, "a", {}), putting(h, "b", {})];
    const gone = removing(h, "a");
    const entry = (data: string, versionOf: PutDocument | typeof gone) => ({ data, ttlMs: null, versionOf });
    const entries = [
      entry('{"k":"b"}', second),
      { data: '{"k":0}', ttlMs: null },
      entry('{"k":"a"}', first),
      entry('{"k":"-"}', gone),
    ];
    await committed(h, { op: "journal.append", realm: h.realm, subject: "s", entries }, first, second, gone);
    assert.equal(
      (await history(h, "s")).map(({ data }) => data),
      ['{"version":1,"k":"b"}', '{"k":0}', '{"version":2,"k":"a"}', '{"version":2,"k":"-"}'],
    );
  });
}

export function put(h: StoreHarness, id: string, body: JsonObject, how: Partial<PutDocument> = {}): Promise<Put> {
  return committed(h, putting(h, id, body, how)).then(([outcome]) => {
    assert.is(outcome?.status, "put");
    return outcome as Put;
  });
}

function putting(h: StoreHarness, id: string, body: JsonObject, how: Partial<PutDocument> = {}): PutDocument {
  return { op: "document.put", realm: h.realm, collection: "v", id, body, versions: 20, ...how };
}

function removing(h: StoreHarness, id: string, how: { ifVersion?: number; mustExist?: true } = {}) {
  return { op: "document.remove", realm: h.realm, collection: "v", id, ...how } as const;
}

async function remove(h: StoreHarness, id: string) {
  return (await committed(h, removing(h, id)))[0];
}

export function query(h: StoreHarness, how: object = {}) {
  return { realm: h.realm, collection: "v", limit: 1_000, ...how };
}

function historyOf({ database, realm }: StoreHarness, id: string, how: object = {}) {
  return database.documents.history({ realm, collection: "v", id, limit: 100, ...how });
}

function versionsIn({ versions }: { versions: { version: number }[] }): number[] {
  return versions.map(({ version }) => version);
}

/** An instant `ms` from now on the store's clock, which a put tells. */
export async function inMs(h: StoreHarness, ms: number): Promise<Date> {
  const [outcome] = await committed(h, {
    op: "document.put",
    realm: h.realm,
    collection: "clock",
    id: "clock",
    body: {},
  });
  return new Date((outcome as Put).updatedAt.getTime() + ms);
}
