/**
 * Holds what clients remember against the table, after jepsen-io/nats: nothing acknowledged may be lost, nothing stored twice, and every reader must have been given
 * exactly the run of its channel's ids from its start to the end. Ids are the order, so one walk over each list is enough.
 */
import type { Verdict } from "../scenario.ts";
import { grouped, noneOf } from "./figures.ts";
import type { History, Publish, Reading, Row } from "./history.ts";

/** What was counted; the lists hold examples in words. */
export interface Findings {
  attempted: number;
  acknowledged: number;
  stored: number;
  delivered: number;
  /** Acknowledged messages that are not in the table. */
  lost: string[];
  /** Keys with more than one row. */
  double: string[];
  /** Acknowledged under another id than the stored one. */
  wrongId: string[];
  /** Rows that nobody published to their channel. */
  unexpected: string[];
  /** Batches of which some messages are stored and others not, or not in order. */
  torn: string[];
  /** Pairs on one channel where the later publish was invoked after the earlier was acknowledged, and yet has the lower id. */
  disorder: string[];
  /** Publishes without an acknowledgement; those that are stored nevertheless. */
  indeterminate: number;
  recovered: number;
  /** Deliveries that are missing, by where: before the first, between two, after the last. */
  missed: { prefix: string[]; middle: string[]; suffix: string[] };
  duplicated: string[];
  outOfOrder: string[];
  /** Delivered, but not in the table. */
  unstored: string[];
  /** Other bytes than were published. */
  wrongContent: string[];
  notices: string[];
  refusals: string[];
  badReplays: number;
}

/** `rows` in the order of ids within each channel. */
export function check({ publishes, readings, oddities }: History, rows: readonly Row[]): Findings {
  const table = tableOf(rows);
  const found: Findings = {
    attempted: count(publishes),
    acknowledged: count(publishes.filter(({ ackedAt }) => ackedAt !== null)),
    stored: rows.length,
    delivered: readings.reduce((sum, { ids }) => sum + ids.length, 0),
    lost: [],
    double: [...table.byKey].filter(([, ids]) => ids.length > 1).map(([key, ids]) => `${key} as ${ids.join(" and ")}`),
    wrongId: [],
    unexpected: unexpectedIn(rows, publishes),
    torn: [],
    disorder: disorderIn(publishes),
    indeterminate: 0,
    recovered: 0,
    missed: { prefix: [], middle: [], suffix: [] },
    duplicated: [],
    outOfOrder: [],
    unstored: [],
    wrongContent: readings.flatMap(({ name, wrong }) => wrong.map((id) => `${name} at ${id}`)),
    notices: readings.flatMap(({ name, notices }) => notices.map((words) => `${name}: ${words}`)),
    refusals: [
      ...oddities.refusals,
      ...readings.flatMap(({ name, refusals }) => refusals.map((words) => `${name}: ${words}`)),
    ],
    badReplays: oddities.badReplays,
  };
  for (const publish of publishes) checkPublish(publish, table.byKey, found);
  for (const reading of readings)
    checkReading(reading, { order: table.order.get(reading.channel) ?? [], publishes, found });
  return found;
}

function count(publishes: readonly Publish[]): number {
  return publishes.reduce((sum, { parts }) => sum + parts, 0);
}

function tableOf(rows: readonly Row[]): { byKey: Map<string, string[]>; order: Map<string, string[]> } {
  const byKey = new Map<string, string[]>();
  const order = new Map<string, string[]>();
  for (const { channel, id, key } of rows) {
    byKey.set(key, [...(byKey.get(key) ?? []), id]);
    const ids = order.get(channel);
    if (ids === undefined) order.set(channel, [id]);
    else ids.push(id);
  }
  return { byKey, order };
}

function unexpectedIn(rows: readonly Row[], publishes: readonly Publish[]): string[] {
  const channelOf = new Map(publishes.map(({ key, channel }) => [key, channel]));
  return rows
    .filter(({ key, channel }) => channelOf.get(key.split("/")[0]!) !== channel)
    .map(({ id, key }) => `${key} as ${id}`);
}

function checkPublish(publish: Publish, byKey: Map<string, string[]>, found: Findings): void {
  const stored = Array.from({ length: publish.parts }, (_, place) => byKey.get(`${publish.key}/${place}`) ?? []);
  const some = stored.filter((ids) => ids.length > 0).map((ids) => ids[0]!);
  if (some.length > 0 && (some.length < publish.parts || some.some((id, place) => place > 0 && id <= some[place - 1]!)))
    found.torn.push(`${publish.key}: ${some.length} of ${publish.parts} stored, as ${some.join(", ")}`);
  if (publish.ackedAt === null) {
    found.indeterminate += 1;
    if (some.length > 0) found.recovered += 1;
    return;
  }
  for (const [place, ids] of stored.entries()) {
    const told = publish.ids[place];
    if (ids.length === 0) found.lost.push(`${publish.key}/${place}, acknowledged as ${told}`);
    else if (told === undefined || !ids.includes(told))
      found.wrongId.push(`${publish.key}/${place}: ${ids[0]}, acknowledged as ${told}`);
  }
}

/** Acknowledged before another was invoked means a lower id: one walk through time with the highest id acknowledged so far. */
function disorderIn(publishes: readonly Publish[]): string[] {
  const found: string[] = [];
  const acked = publishes.filter(({ ackedAt }) => ackedAt !== null);
  for (const channel of new Set(acked.map((publish) => publish.channel))) {
    const own = acked.filter((publish) => publish.channel === channel);
    const ends = own.toSorted((one, other) => one.ackedAt! - other.ackedAt!);
    let highest = "";
    let next = 0;
    for (const publish of own.toSorted((one, other) => one.invokedAt - other.invokedAt)) {
      for (; ends[next]!.ackedAt! < publish.invokedAt; next += 1) {
        const last = ends[next]!.ids.at(-1) ?? "";
        if (last > highest) highest = last;
      }
      const first = publish.ids[0] ?? "";
      if (first <= highest) found.push(`${first} was invoked after ${highest} was acknowledged`);
    }
  }
  return found;
}

function checkReading(
  { name, ids, live, channel }: Reading,
  { order, publishes, found }: { order: readonly string[]; publishes: readonly Publish[]; found: Findings },
): void {
  const at = (id: string) => `${name} at ${id}`;
  const stored = new Set(order);
  const seen = new Set<string>();
  let previous = "";
  for (const id of ids) {
    if (!stored.has(id)) found.unstored.push(at(id));
    if (seen.has(id)) found.duplicated.push(at(id));
    else if (id < previous) found.outOfOrder.push(at(id));
    seen.add(id);
    if (id > previous) previous = id;
  }
  const first = ids[0] ?? "";
  // Published once the stream was open, a message is owed whatever the stream said of where it begins.
  const late = live === null ? null : publishedSince(live.since, channel, publishes);
  const owed = (id: string) => live === null || id > live.after || late?.has(id);
  for (const id of order) {
    if (seen.has(id) || !owed(id)) continue;
    found.missed[id > previous ? "suffix" : id < first ? "prefix" : "middle"].push(at(id));
  }
}

function publishedSince(since: number, channel: string, publishes: readonly Publish[]): Set<string> {
  const later = publishes.filter((publish) => publish.channel === channel && publish.invokedAt > since);
  return new Set(later.flatMap(({ ids }) => ids));
}

/** The findings as lines: each a promise with its figure. */
export function verdictsOf(found: Findings): Verdict[] {
  const { prefix, middle, suffix } = found.missed;
  const missed = noneOf("deliveries missed", [...middle, ...prefix, ...suffix], found.delivered);
  return [
    noneOf("acknowledged lost", found.lost, found.acknowledged),
    noneOf("stored twice", found.double, found.stored),
    noneOf("acknowledged with another id than stored", found.wrongId, found.acknowledged),
    noneOf("stored without having been published", found.unexpected, found.stored),
    noneOf("batches torn or out of order", found.torn, found.attempted),
    noneOf("ids against the order of real time", found.disorder, found.acknowledged),
    {
      ...missed,
      figure: `${missed.figure}${missed.ok ? "" : ` (at the start ${prefix.length}, between ${middle.length}, at the end ${suffix.length})`}`,
    },
    noneOf("deliveries duplicated", found.duplicated, found.delivered),
    noneOf("deliveries out of order", found.outOfOrder, found.delivered),
    noneOf("delivered but not stored", found.unstored, found.delivered),
    noneOf("delivered with other content", found.wrongContent, found.delivered),
    noneOf("told of a gap or a reset that is none", found.notices, found.delivered),
    noneOf("well-formed requests refused", found.refusals, found.attempted),
    {
      name: "replays with another answer",
      figure: `${found.badReplays} of ${grouped(found.acknowledged)}`,
      ok: found.badReplays === 0,
    },
  ];
}
