/**
 * Which regular expressions of users are taken. JavaScript's engine tries ways one after the other, so `(a+)+$` takes years on 40 characters. Taken is
 * what has few ways: a row of characters and classes, without groups, alternatives, look-around or back-references, in which at most one may repeat
 * without end, and then the pattern begins with ^.
 */

/** The most ways in which repetitions with an end can share a text among them. */
const WAYS_MOST = 64;
const LENGTH_MOST = 500;
/** The most that all repetitions with an end may come to. */
const COUNT_MOST = 1_000;

const ATOM =
  /\\(?:[dDwWsStnrfv0]|p\{[A-Za-z_=]{1,40}\}|P\{[A-Za-z_=]{1,40}\}|u[0-9A-Fa-f]{4}|[^A-Za-z0-9])|\[(?:\\.|[^\]\\])*\]|\.|[^\\[\](){}|*+?.^$]/uy;
const REPEAT = /(?:[*+?]|\{(\d{1,4})(?:(,)(\d{0,4}))?\})/y;

/** Null: the pattern is taken; else what to send instead, in words. */
export function slowPattern(pattern: string): string | null {
  if (pattern.length > LENGTH_MOST) return `a pattern of at most ${LENGTH_MOST} characters`;
  if (!compiles(pattern)) return "a regular expression of ECMA-262";
  const anchored = pattern.startsWith("^");
  const end = pattern.endsWith("$") && !/\\\$$/.test(pattern) ? pattern.length - 1 : pattern.length;
  let at = anchored ? 1 : 0;
  let endless = 0;
  let ways = 1;
  let count = 0;
  while (at < end) {
    ATOM.lastIndex = at;
    const atom = ATOM.exec(pattern);
    if (atom === null)
      return "a pattern of characters and classes only: no groups, alternatives, look-around or back-references";
    at = ATOM.lastIndex;
    REPEAT.lastIndex = at;
    const repeat = REPEAT.exec(pattern);
    if (repeat === null) continue;
    at = REPEAT.lastIndex;
    // A lazy repetition tries the same ways in another order.
    if (pattern[at] === "?") at += 1;
    const { least, most } = timesOf(repeat);
    if (most === null) endless += 1;
    else ways *= most - least + 1;
    count += most ?? least;
  }
  if (endless > 1) return "a pattern in which at most one part repeats without end (*, + or {n,})";
  if (endless === 1 && !anchored) return "a pattern that begins with ^, since a part of it repeats without end";
  if (ways > WAYS_MOST || count > COUNT_MOST) return "a pattern with fewer or shorter repetitions";
  return null;
}

function timesOf([text, least, comma, most]: RegExpExecArray): { least: number; most: number | null } {
  if (text === "*") return { least: 0, most: null };
  if (text === "+") return { least: 1, most: null };
  if (text === "?") return { least: 0, most: 1 };
  const from = Number(least);
  if (comma === undefined) return { least: from, most: from };
  return { least: from, most: most === "" || most === undefined ? null : Number(most) };
}

function compiles(pattern: string): boolean {
  try {
    new RegExp(pattern, "u");
    return true;
  } catch {
    return false;
  }
}
