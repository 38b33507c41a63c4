/**
 * When a schedule ticks: the one door to the reader of cron expressions.
 *
 * Where clocks change. Fixed times, whose minutes and hours name times (`30 2 * * *`, `0 2,14 * * *`), tick once for each: one that falls into the hour that
 * spring leaves out ticks at the first moment after it, and one that autumn has twice ticks at the first of the two. All others, with a `*` or a step in
 * minutes or hours (every quarter of an hour), go by real time: the hour that is left out has no ticks, and both of the hours that are alike have theirs.
 */
import { Cron } from "croner";
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";

/** Minute, hour, day of the month, month, day of the week: as in crontab. */
const FIVE_FIELDS = /^\S+( \S+){4}$/;

const ZONE = /^[A-Za-z][A-Za-z0-9_+-]*(\/[A-Za-z0-9_+-]+)*$/;

/** The first tick after a moment, on the clock of the zone; null: there is none. */
export function nextTick(cron: string, zone: string, after: Date): Date | null {
  return reader(cron, zone).nextRun(after);
}

/** The first ticks after a moment, `count` at most. */
export function nextTicks(cron: string, zone: string, { after, count }: { after: Date; count: number }): Date[] {
  const ticks: Date[] = [];
  for (let at: Date | null = after; ticks.length < count; ) {
    at = nextTick(cron, zone, at);
    if (at === null) break;
    ticks.push(at);
  }
  return ticks;
}

/** Without a function to call it only reads, and sets no timer. */
function reader(cron: string, zone: string): Cron {
  return new Cron(cron, { timezone: zone, mode: "5-part", fixedTimeRule: "no-wildcard" });
}

export const cronField = v.pipe(
  v.string(),
  v.check(
    isCron,
    (issue) =>
      `is ${quote(issue.input)}; send five fields: minute, hour, day of month, month, day of week, for example 30 2 * * 1-5`,
  ),
  v.description(
    "When: minute, hour, day of the month, month, day of the week, as in crontab, with one blank between; for example 30 2 * * 1-5",
  ),
);

export const zoneField = v.pipe(
  v.string(),
  v.check(
    isZone,
    (issue) => `is ${quote(issue.input)}; send a time zone of the IANA list, for example Europe/Berlin, or UTC`,
  ),
  v.description("On whose clock: a time zone of the IANA list, for example Europe/Berlin"),
);

function isCron(text: string): boolean {
  if (text.length > 200 || !FIVE_FIELDS.test(text)) return false;
  try {
    reader(text, "UTC");
    return true;
  } catch {
    return false;
  }
}

function isZone(text: string): boolean {
  if (text.length > 100 || !ZONE.test(text)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: text });
    return true;
  } catch {
    return false;
  }
}
