/** What one reader was given of a channel whose messages expire, held against all that was published there. */
import type { Given } from "./resumed.ts";

export interface Published {
  id: string;
  /** Seconds. */
  ttl: number;
  /** On the store's clock, which is this machine's. */
  expiresAt: number;
}

export interface Resumption {
  server: string;
  channel: string;
  /** The cursor; null: from the earliest message held. */
  after: string | null;
  /** A message that does not expire meanwhile, and up to which everything is owed. */
  goal: string;
  cameAt: number;
  given: Given;
}

export interface Tally {
  given: number;
  /** Messages between the cursor and the goal. */
  owed: number;
  /** The goal did not come. */
  unended: number;
  /** Given though they had expired for longer than a server may hold what it has read. */
  late: number;
  /** Not given though they had not expired, whatever was told. */
  missing: number;
  /** Expired, not given, and in no gap that was told. */
  silent: number;
  disorder: number;
  /** 1 when something after the cursor had expired before the reader came, and so a gap was due. */
  gaps: number;
  untold: number;
  /** Notices of what was not lost. */
  unfounded: number;
  /** 1 when the cursor itself had expired. */
  expired: number;
}

/** What a server has read it may write for another second; the rest is for processes that wait for their turn on a busy machine. */
const LATE_MS = 2_000;
/** A message that expires while the reader comes may be seen either way. */
const EDGE_MS = 50;

/** `published` is complete, in any order. */
export function weigh({ after, goal, cameAt, given }: Resumption, published: readonly Published[]): Tally {
  const { messages, notices } = given;
  const arrived = messages.find(({ id }) => id === goal);
  const byId = new Map(messages.map((message) => [message.id, message]));
  const due = published.filter(({ id }) => id > (after ?? "") && id <= goal);
  const tally: Tally = {
    given: messages.length,
    owed: due.length,
    unended: arrived === undefined ? 1 : 0,
    late: messages.filter(({ at, expiresAt }) => at > expiresAt + LATE_MS).length,
    missing: 0,
    silent: 0,
    disorder: messages.filter(({ id }, place) => place > 0 && id <= messages[place - 1]!.id).length,
    gaps: 0,
    untold: 0,
    unfounded: 0,
    expired: published.some(({ id, expiresAt }) => id === after && expiresAt < cameAt) ? 1 : 0,
  };
  if (arrived === undefined) return tally;
  const gaps = notices.filter(({ event }) => event === "gap");
  for (const { id, expiresAt } of due) {
    if (byId.has(id)) continue;
    if (expiresAt > arrived.at) tally.missing += 1;
    // Who asks for what there is has lost nothing of what is not.
    else if (after !== null && !gaps.some((gap) => gap.after < id && id <= (gap.lost_through ?? ""))) tally.silent += 1;
  }
  const lost = due.filter(({ id, expiresAt }) => expiresAt < cameAt - EDGE_MS && !byId.has(id));
  if (after !== null && lost.length > 0) {
    tally.gaps = 1;
    if (gaps.length === 0) tally.untold = 1;
  }
  tally.unfounded = notices.filter(({ event, after: from, lost_through = "" }) => {
    const through = published.filter(({ id }) => id > from && id <= lost_through);
    const gone = through.filter(({ expiresAt }) => expiresAt <= arrived.at + EDGE_MS);
    const isLoss = event === "gap" && gone.some(({ id }) => id === lost_through);
    // Who asks for what there is may lose what expires meanwhile, and nothing else.
    const sinceItCame = gone.some(({ expiresAt }) => expiresAt > cameAt - EDGE_MS);
    return !isLoss || (after === null && !sinceItCame);
  }).length;
  return tally;
}
