/**
 * What every journal promises: the order of ids, and what a read returns. Races, idempotency keys, bounds, expiry and the life of subjects have
 * their own files and run in the same suite.
 */
import * as assert from "uvu/assert";
import { EARLIEST } from "../../core/ports/journal.ts";
import { pattern } from "../../core/ports/uuid7.ts";
import { type Keeps, promises } from "../support/promises.ts";
import {
  appended,
  blob,
  boundsIn,
  entry,
  history,
  type OpenStore,
  type StoreHarness,
} from "../support/store_harness.ts";
import { keepsBounds } from "./journal_bounds.ts";
import { keepsExpiry } from "./journal_expiry.ts";
import { keepsKeys } from "./journal_keys.ts";
import { keepsRaces } from "./journal_races.ts";
import { keepsSubjects } from "./journal_subjects.ts";

/** Runs the journal's contract over the database that `open` opens. */
export function journalContract(name: string, open: OpenStore): void {
  promises(`journal, ${name}`, open, (keeps) => {
    keepsOrder(keeps);
    keepsRaces(keeps);
    keepsPages(keeps);
    keepsBounds(keeps);
    keepsKeys(keeps);
    keepsSubjects(keeps);
    keepsExpiry(keeps);
  });
}

function keepsOrder(keeps: Keeps<StoreHarness>): void {
  keeps("append() assigns UUIDv7 ids that strictly increase, within one append and from one to the next", async (h) => {
    const ids: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      for (const { id } of await appended(h, "s", { entries: [entry(), entry(), entry()] })) ids.push(id);
    }
    for (const id of ids) assert.match(id, pattern);
    assertAscending(ids);
    assert.equal((await boundsIn(h, "s")).lastId, ids.at(-1));
  });

  keeps("append() assigns increasing ids when the clock goes back", async (h) => {
    const [before] = await appended(h, "s");
    await h.advance(-3_600_000);
    const after = await appended(h, "s", { entries: [entry(), entry()] });
    assertAscending([before!.id, ...after.map(({ id }) => id)]);
    await h.advance(7_200_000);
    const [last] = await appended(h, "s");
    assert.ok(last!.id > after[1]!.id);
  });

  keeps("append() reports the entries in their order, each with its times", async (h) => {
    const receipts = await appended(h, "s", { entries: [entry("1", { ttlMs: 60_000 }), entry("2"), entry("3")] });
    const stored = await history(h, "s");
    assert.equal(
      stored.map(({ data }) => data),
      ["1", "2", "3"],
    );
    assert.equal(
      stored.map(({ id, createdAt, expiresAt }) => ({ id, createdAt, expiresAt })),
      receipts,
    );
    const life = receipts[0]!.expiresAt!.getTime() - receipts[0]!.createdAt.getTime();
    assert.ok(Math.abs(life - 60_000) <= 1, `the entry lives for ${life} ms`);
    assert.is(receipts[1]!.expiresAt, null);
  });
}

function keepsPages(keeps: Keeps<StoreHarness>): void {
  keeps("read() returns up to `limit` entries after the cursor, ascending, with the bounds", async (h) => {
    const entries = Array.from({ length: 7 }, (_, index) => entry(`${index}`));
    const ids = (await appended(h, "s", { entries })).map(({ id }) => id);
    const first = await h.database.journal.read(h.realm, "s", EARLIEST, 3);
    assert.equal(
      first.entries.map(({ id }) => id),
      ids.slice(0, 3),
    );
    const { now, ...bounds } = first.bounds;
    assert.equal(bounds, { state: "open", lastId: ids[6], lostThrough: EARLIEST });
    const middle = await h.database.journal.read(h.realm, "s", ids[4]!, 3);
    assert.equal(
      middle.entries.map(({ id }) => id),
      ids.slice(5),
    );
    const end = await h.database.journal.read(h.realm, "s", ids[6]!, 3);
    assert.equal(end.entries, []);
    assert.is(end.bounds.lastId, ids[6]);
  });

  keeps("read() starts anywhere: the cursor need not be the id of an entry", async (h) => {
    const [receipt] = await appended(h, "s");
    const beyond = `f${receipt!.id.slice(1)}`;
    assert.equal((await h.database.journal.read(h.realm, "s", beyond, 3)).entries, []);
    assert.is((await h.database.journal.read(h.realm, "s", `00${receipt!.id.slice(2)}`, 3)).entries.length, 1);
  });

  keeps("read() keeps realms and subjects apart, whatever their names", async (h) => {
    const names = ["a", "a/b", 'a","b', "ä 😀", "A", "a\\"];
    for (const name of names) await appended(h, name, { entries: [entry(JSON.stringify(name))] });
    await appended({ ...h, database: h.database, realm: `${h.realm}_2` }, "a", { entries: [entry("2")] });
    for (const name of names) {
      assert.equal(
        (await history(h, name)).map(({ data }) => data),
        [JSON.stringify(name)],
      );
    }
  });

  keeps("data is returned byte for byte", async (h) => {
    const texts = [
      '{ "b":1,   "a":1.0, "a":2 }',
      '"\\u0000 \\ud800 \\u00e9 \\/ \\\\ \\n"',
      JSON.stringify("é ä 漢字 😀 \u2028 \u007f ' \" \\ $1 \\x00 {}"),
      "12345678901234567890.10",
      `"${"0123456789 ü 😀 ".repeat(65_536)}"`,
    ];
    await appended(h, "s", { entries: texts.map((text) => entry(text)) });
    const stored = await history(h, "s");
    for (const [index, text] of texts.entries()) assert.ok(stored[index]!.data === text, `text ${index} has changed`);
  });

  keeps("a blob is returned with its entry", async (h) => {
    const given = { ...blob(`${h.realm}/one`), size: 5_000_000_000 };
    await appended(h, "s", { entries: [entry("1", { blob: given }), entry("2", { blob: null }), entry("3")] });
    assert.equal(
      (await history(h, "s")).map((stored) => stored.blob),
      [given, null, null],
    );
  });
}

function assertAscending(ids: readonly string[]): void {
  for (const [index, id] of ids.entries()) if (index) assert.ok(ids[index - 1]! < id, `${ids[index - 1]} before ${id}`);
}
