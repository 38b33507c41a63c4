/**
 * The group commit of small units: while some are being stored, those that come meanwhile wait, and go together as one unit. One flush to disk serves many,
 * and units that append to one subject do not wait for each other's flush under its lock. A lone caller never waits. Joined, units take effect as
 * one after the other would; where that comes to a refusal, each is carried out by itself.
 */
import type { Command, Committed } from "../../core/ports/database.ts";
import { Fault } from "../../core/ports/fault.ts";

/** Larger units go their own way. */
const SMALL = 8;
/** The most units that go together. */
const TOGETHER = 64;
/** How many batches may be under way at once; which units go with which is decided by what they begin with. */
const LANES = 4;

type Commit = (unit: readonly Command[]) => Promise<Committed>;

interface Waiting {
  unit: readonly Command[];
  resolve(result: Committed): void;
  reject(error: unknown): void;
}

/** The commit that gathers. */
export function gathering(commit: Commit): Commit {
  const lanes = Array.from({ length: LANES }, () => openLane(commit));
  return (unit) => (canJoin(unit) ? lanes[laneOf(unit)]!(unit) : commit(unit));
}

/**
 * Opens and closes take effect before the appends of other units that they would come after; and what is exclusive would wait for all that is checked
 * by others while its own company has checked it, too.
 */
function canJoin(unit: readonly Command[]): boolean {
  if (unit.length === 0 || unit.length > SMALL) return false;
  return unit.every((command) => {
    const { op } = command;
    return op === "journal.append" || (op.startsWith("document.") && !("exclusive" in command));
  });
}

function openLane(commit: Commit): Commit {
  let waiting: Waiting[] = [];
  let isRunning = false;

  async function run(): Promise<void> {
    isRunning = true;
    // Whatever else this turn of the event loop commits joins the first batch.
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting.slice(0, TOGETHER);
      waiting = waiting.slice(TOGETHER);
      await settle(batch, commit);
    }
    isRunning = false;
  }

  return (unit) =>
    new Promise((resolve, reject) => {
      waiting.push({ unit, resolve, reject });
      if (!isRunning) void run();
    });
}

async function settle(batch: readonly Waiting[], commit: Commit): Promise<void> {
  const [first, ...others] = batch;
  if (first === undefined) return;
  if (others.length === 0) return alone(first, commit);
  try {
    const result = await commit(batch.flatMap(({ unit }) => unit));
    if (!result.committed) return await apart(batch, commit);
    let at = 0;
    for (const { unit, resolve } of batch) {
      resolve({ committed: true, outcomes: result.outcomes.slice(at, at + unit.length) });
      at += unit.length;
    }
  } catch (error) {
    // What is about the database's health is about all of them; anything else about one.
    if (!(error instanceof Fault && error.code === "unavailable")) return await apart(batch, commit);
    for (const { reject } of batch) reject(error);
  }
}

/** One after the other, as they came. */
async function apart(batch: readonly Waiting[], commit: Commit): Promise<void> {
  for (const one of batch) await alone(one, commit);
}

function alone({ unit, resolve, reject }: Waiting, commit: Commit): Promise<void> {
  return commit(unit).then(resolve, reject);
}

/** Units that begin with the same collection or subject go together. (FNV-1a) */
function laneOf([first]: readonly Command[]): number {
  if (first === undefined) return 0;
  let hash = 0x811c9dc5;
  const name =
    "collection" in first
      ? `${first.realm}/${first.collection}/${first.op === "document.check" ? first.id : ""}`
      : first.op;
  for (const unit of name) hash = Math.imul(hash ^ unit.charCodeAt(0), 0x01000193);
  return (hash >>> 0) % LANES;
}
