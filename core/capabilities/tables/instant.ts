/** Dates and instants as text in their one form, to the microsecond: `2026-01-31` and `2026-01-31T12:00:00.5Z`. */

const DATE = /^\d{4}-\d\d-\d\d$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?([Zz]|[+\- ]\d\d(?::?\d\d)?))?$/;
const MINUTE_MS = 60_000;

/** The date, or null when it is no day of the years 1 to 9999. */
export function canonicalDate(text: string): string | null {
  return DATE.test(text) && isDay(text) ? text : null;
}

/**
 * The instant in UTC, or null when it is none. It takes RFC 3339, an offset without minutes, a time without seconds, and a date alone, which is its
 * midnight in UTC. In a query a `+` may have become a space. What is finer than a microsecond is none: it would be rounded.
 */
export function canonicalInstant(text: string): string | null {
  const match = INSTANT.exec(text);
  if (match === null) return null;
  const [, date, hours = "00", minutes = "00", seconds = "00", decimals = "", zone = "Z"] = match;
  const offset = offsetMs(zone);
  if (!isDay(date!) || offset === null) return null;
  if (hours > "23" || minutes > "59" || seconds > "59") return null;
  const fraction = decimals === "" ? "" : decimals.replace(/0+$/, "");
  if (fraction.length > 6) return null;
  const local = `${date}T${hours}:${minutes}:${seconds}`;
  const instant = offset === 0 ? local : shifted(local, offset);
  if (instant === null) return null;
  return fraction === "" ? `${instant}Z` : `${instant}.${fraction}Z`;
}

/** The time so many milliseconds before, or null when it is not of the years 1 to 9999. */
function shifted(local: string, offset: number): string | null {
  const moment = new Date(Date.parse(`${local}Z`) - offset);
  const year = moment.getUTCFullYear();
  return year < 1 || year > 9999 ? null : moment.toISOString().slice(0, 19);
}

const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Whether the date is in the calendar. */
function isDay(date: string): boolean {
  const year = Number(date.slice(0, 4));
  const month = Number(date.slice(5, 7));
  const day = Number(date.slice(8, 10));
  if (year < 1 || month < 1 || month > 12 || day < 1) return false;
  const isLeap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return day <= DAYS[month - 1]! + (isLeap ? 1 : 0);
}

function offsetMs(zone: string): number | null {
  if (zone === "Z" || zone === "z") return 0;
  const digits = zone.slice(1).replace(":", "").padEnd(4, "0");
  const hours = Number(digits.slice(0, 2));
  const minutes = Number(digits.slice(2));
  if (hours > 15 || minutes > 59) return null;
  return (zone[0] === "-" ? -1 : 1) * (hours * 60 + minutes) * MINUTE_MS;
}
