/**
 * Reading one subject of the journal the three ways a caller may: as a stream's part, as a page, and as a long-poll. Channels, documents and tables
 * declare their own feeds over it, so that cursors, gaps, resets and resuming are the same everywhere. Who may read is not decided here.
 */
import * as v from "valibot";
import type { Fault } from "../ports/fault.ts";
import { EARLIEST, type Entry } from "../ports/journal.ts";
import type { Context } from "./context.ts";
import { gapBefore, isForeign, type Notice } from "./cursor.ts";
import type { Part } from "./feed.ts";
import { uuid, whole } from "./fields.ts";
import { groupsOf } from "./frames.ts";

/** Pages end early at this many characters, so that one answer stays readable; the cursor goes on from there. */
const PAGE_CHARACTERS = 4_194_304;
/** Proxies commonly give up after 60 s. */
const WAIT_MOST_SECONDS = 30;
/** How many entries a page has when nobody says. */
export const LIMIT = 100;

/** How a tool reads on, in words. */
export const READ_ON =
  "Answers at once when there is something to tell, else as soon as something changes, and after wait seconds with timed_out. Send next_cursor as after next time, and nothing in between is missed; without after it begins with what changes from now on, or with from=earliest with all that is held.";

/** The fields of a feed of one kind of things, which its words name: `one` as in "the id of the last message seen". */
export function feedFields(one: string) {
  return {
    cursor: uuid(`the id of the last ${one} seen`),
    limit: whole(1, 1_000, `The most ${one}s to return, 1 to 1000; default 100`),
    from: v.pipe(v.picklist(["earliest"]), v.description(`Begin with the oldest ${one} held`)),
    latest: v.pipe(
      v.picklist(["1"]),
      v.description(`Begin with the newest ${one} held, or the next one where there is none`),
    ),
    wait: whole(
      0,
      WAIT_MOST_SECONDS,
      `Answer once, as JSON, and wait this many seconds at most for something to tell, 0 to ${WAIT_MOST_SECONDS}; 0: answer at once`,
    ),
    nextCursor: v.pipe(v.string(), v.description("Send it as after to go on from here; it is given at a time-out too")),
    timedOut: v.pipe(v.boolean(), v.description("true: there was nothing to tell for as long as it waited")),
  };
}

/** The answer to a look at a feed of changes; `change` is the schema of one, `where` what changes. */
export function changesOutput<S extends v.GenericSchema>(change: S, where: string) {
  const { nextCursor, timedOut } = feedFields("change");
  return v.object({
    changes: v.array(change),
    next_cursor: nextCursor,
    timed_out: timedOut,
    notice: v.optional(noticeField({ one: "change", where })),
  });
}

/** That answer, of what `pollSubject` found. */
export function changesAnswer<E>({ page, timedOut }: { page: Page<E>; timedOut: boolean }) {
  const { events: changes, notice, through } = page;
  return { changes, next_cursor: through, timed_out: timedOut, ...(notice === null ? {} : { notice }) };
}

/** What a reader is told of what is missing, in the words of its kind of things. */
export function noticeField({ one, where }: { one: string; where: string }) {
  return v.pipe(
    v.object({
      event: v.picklist(["gap", "reset"]),
      after: v.pipe(v.string(), v.description("The cursor that was sent")),
      lost_through: v.optional(v.pipe(v.string(), v.description("The highest id that has expired"))),
      earliest: v.optional(v.pipe(v.nullable(v.string()), v.description(`The id of the oldest ${one} that follows`))),
    }),
    v.description(
      `gap: ${one}s after your cursor have expired, the oldest held is earliest. reset: your cursor is not of this ${where}, so everything held follows`,
    ),
  );
}

/** Where a caller wants to begin: after an id, with everything held, with the newest one held; else with what comes from now on. */
export interface Begin {
  after?: string | undefined;
  from?: "earliest" | undefined;
  latest?: unknown;
}

/** How the entries of a realm read. */
export interface Reading {
  realm: string;
  /** JSON text of an entry. */
  json(entry: Entry): string | Promise<string>;
  /** What a caller is told when there is no such subject (any more). */
  missing(subject: string): Fault;
}

/** The part of a stream that begins there. */
export async function partOf(
  { database }: Pick<Context, "database">,
  { realm, subject }: { realm: string; subject: string },
  begin: Begin,
): Promise<Part> {
  if (begin.after !== undefined) return { subject, after: begin.after, start: "cursor" };
  if (begin.from === "earliest") return { subject, after: EARLIEST, start: "earliest" };
  if (begin.latest !== undefined) {
    const first = await database.journal.newest(realm, subject);
    if (first !== null) return { subject, after: first.id, start: "live", first };
  }
  const [bounds] = await database.journal.bounds(realm, [subject]);
  return { subject, after: bounds?.lastId ?? EARLIEST, start: "live" };
}

export interface Page<E> {
  /** As JSON values, oldest first. */
  events: E[];
  notice: Notice | null;
  /** Where a reader stands who has been given these: with all that was held, at the subject's last id, whether or not that entry is still held. */
  through: string;
}

export interface Asked {
  subject: string;
  /** Null: everything held, of which nothing that went before is missing. */
  after: string | null;
  limit: number;
}

/** What the subject holds after the cursor. */
export async function readPage<E extends { id: string }>(
  { database: { journal } }: Pick<Context, "database">,
  { realm, json, missing }: Reading,
  { subject, after, limit }: Asked,
): Promise<Page<E>> {
  const asked = after ?? EARLIEST;
  let page = await journal.read(realm, subject, asked, limit);
  if (page.bounds.state !== "open") throw missing(subject);
  let notice = after === null ? null : gapBefore(page, asked);
  if (await isForeign(journal, { realm, subject, after: asked }, page.bounds)) {
    notice = { event: "reset", after: asked };
    page = await journal.read(realm, subject, EARLIEST, limit);
  }
  const events = await eventsOf<E>(page.entries, json);
  const whole = events.length === page.entries.length && page.entries.length < limit;
  const last = events.at(-1)?.id;
  return { events, notice, through: whole || last === undefined ? page.bounds.lastId : last };
}

/** The events of as many entries as a page may have characters. */
async function eventsOf<E>(entries: readonly Entry[], json: Reading["json"]): Promise<E[]> {
  const events: E[] = [];
  let characters = 0;
  for (const group of groupsOf(entries)) {
    for (const text of await Promise.all(group.map(json))) {
      characters += text.length;
      if (events.length > 0 && characters > PAGE_CHARACTERS) return events;
      events.push(JSON.parse(text));
    }
  }
  return events;
}

/** What there is to tell, or nothing once `wait` seconds are over; null: there was nothing. `ready` is awaited first, within the wait. */
export async function pollSubject<E extends { id: string }>(
  context: Context,
  reading: Reading,
  {
    subject,
    wait,
    limit,
    begin,
    ready,
  }: { subject: string; wait: number; limit: number; begin: Begin; ready(): Promise<unknown> },
): Promise<{ page: Page<E>; timedOut: boolean }> {
  const { clock, principal, waiters } = context;
  const { realm } = reading;
  const until = clock.elapsed() + wait * 1_000;
  await ready();
  // Before the first look, so that what comes between a look and the wait wakes at once.
  const waiter = waiters.enter({ realm, subject, holds: principal?.holds ?? [] });
  try {
    let page = await firstPage<E>(context, reading, { subject, limit, begin });
    while (page.events.length === 0 && page.notice === null) {
      const after = page.through;
      const ms = until - clock.elapsed();
      const turn = ms <= 0 ? null : await waiter.next({ after, ms, signal: context.signal });
      if (turn === null) return { page, timedOut: true };
      // All who were woken by the same knock stand at the same place, as a rule: they are one look.
      page = await context.once(`${realm}/poll/${subject}/${after}/${limit}/${turn}`, () =>
        readPage<E>(context, reading, { subject, after, limit }),
      );
    }
    return { page, timedOut: false };
  } finally {
    waiter.leave();
  }
}

/** What there is to tell at once, and where the caller stands then. */
async function firstPage<E extends { id: string }>(
  context: Context,
  reading: Reading,
  { subject, limit, begin }: { subject: string; limit: number; begin: Begin },
): Promise<Page<E>> {
  const { journal } = context.database;
  const after = begin.after ?? null;
  if (after !== null || begin.from !== undefined) return readPage(context, reading, { subject, after, limit });
  const [bounds] = await journal.bounds(reading.realm, [subject]);
  if (bounds?.state !== "open") throw reading.missing(subject);
  const newest = begin.latest === undefined ? null : await journal.newest(reading.realm, subject);
  let through = bounds.lastId;
  if (newest === null) return { events: [], notice: null, through };
  // Whatever stands between the newest that is held and the last id has expired.
  if (newest.id > through) through = newest.id;
  return { events: [JSON.parse(await reading.json(newest))], notice: null, through };
}
