/**
 * Units that are more than one statement (see `unit.ts`), since other stores than documents and journal have a part in them, or since some of their
 * commands are made of the outcomes of others: one transaction, in which each of those stores carries out its own commands first, and `commit_unit`
 * the rest, so that subjects are locked for a short while only.
 */
import { type Command, type Committed, type Database, type Outcome, REFUSALS } from "../../core/ports/database.ts";
import { UNKNOWN } from "./journal.ts";
import type { Pool, Statement } from "./pool.ts";
import { commitUnit } from "./unit.ts";
import { gathering } from "./unit_lane.ts";

/** A name that a unit has to itself until it has ended, or shares with all who share it. */
export interface Lock {
  name: string;
  shared: boolean;
}

/** What a store outside `commit_unit` does with its commands of a unit. */
export interface UnitStore<C extends Command = Command> {
  /** The commands that are its own. */
  readonly ops: readonly C["op"][];
  /** What the command may wait for that others hold, for example a row; none: it never waits. */
  locks(command: C): readonly Lock[];
  /**
   * Carries the commands out in their order, inside the unit's transaction; one outcome each. It MAY stop at the first that it refuses, which is then the
   * last outcome: the unit is rolled back as a whole. It MUST NOT commit, roll back or use another connection.
   */
  apply(query: Pool["query"], commands: readonly C[]): Promise<Outcome[]>;
}

/**
 * Taken before anything else of the store by units that could otherwise take the rows of two commands in opposite orders. By hash, so that two
 * names with one hash are one lock; the schema is part of it since a database may have several of ours.
 */
const LOCK: Statement = {
  name: "unit_lock",
  text: `SELECT CASE
      WHEN l.shared THEN pg_advisory_xact_lock_shared(l.key)::text ELSE pg_advisory_xact_lock(l.key)::text
    END FROM (
      SELECT hashtextextended(current_schema() || '/' || n.name, 0) AS key, bool_and(n.shared) AS shared
      FROM unnest($1::text[], $2::bool[]) AS n (name, shared) GROUP BY key ORDER BY key
    ) l`,
};

/** Ends the transaction of a unit that was refused. */
class Refused extends Error {
  readonly result: Extract<Committed, { committed: false }>;

  constructor(failed: number, outcome: Outcome) {
    super("the unit was refused");
    this.result = { committed: false, failed, outcome };
  }
}

interface Placed {
  place: number;
  command: Command;
}

/** The `commit` of a database whose further stores are `stores`, in the order in which their commands take effect. */
export function unitsOver(pool: Pool, stores: readonly UnitStore[]): Database["commit"] {
  const commitPlain = gathering((unit) => commitUnit(pool, unit));
  const isElsewhere = new Set<string>(stores.flatMap(({ ops }) => ops));

  async function commitMixed(query: Pool["query"], unit: readonly Command[]): Promise<Outcome[]> {
    const placed = Array.from(unit, (command, place) => ({ place, command }));
    const outcomes = new Array<Outcome>(unit.length);
    for (const store of stores) {
      const own = placed.filter(({ command }) => (store.ops as readonly string[]).includes(command.op));
      if (own.length > 0) await applyTo(store, { query, own, outcomes });
    }
    const rest = placed.filter(({ command }) => !isElsewhere.has(command.op));
    const committed = await commitRest(
      query,
      rest.map(({ command }) => command),
      (failed) => rest[failed]!.place,
    );
    for (const [index, outcome] of committed.entries()) outcomes[rest[index]!.place] = outcome;
    return outcomes;
  }

  return async (unit, further) => {
    if (!further && !unit.some(({ op }) => isElsewhere.has(op))) return commitPlain(unit);
    try {
      const outcomes = await pool.transaction(async (query) => {
        const first = await commitMixed(query, unit);
        if (!further) return first;
        const rest = await commitRest(query, further(first), (failed) => unit.length + failed);
        return [...first, ...rest];
      }, UNKNOWN);
      return { committed: true, outcomes };
    } catch (error) {
      if (error instanceof Refused) return error.result;
      throw error;
    }
  };
}

/** Commands of documents and journal; `placeOf` tells where in the whole unit the refused one stands. */
async function commitRest(
  query: Pool["query"],
  commands: readonly Command[],
  placeOf: (failed: number) => number,
): Promise<Outcome[]> {
  if (commands.length === 0) return [];
  const result = await commitUnit({ query }, commands);
  if (!result.committed) throw new Refused(placeOf(result.failed), result.outcome);
  return result.outcomes;
}

async function applyTo(
  store: UnitStore,
  { query, own, outcomes }: { query: Pool["query"]; own: readonly Placed[]; outcomes: Outcome[] },
): Promise<void> {
  const commands = own.map(({ command }) => command);
  const waiting = commands.map((command) => store.locks(command)).filter((locks) => locks.length > 0);
  // One command alone takes its rows in whatever order suits it.
  if (waiting.length > 1) {
    const locks = waiting.flat();
    await query(LOCK, [locks.map(({ name }) => name), locks.map(({ shared }) => shared)]);
  }
  const applied = await store.apply(query, commands);
  for (const [index, outcome] of applied.entries()) {
    const { place } = own[index]!;
    if (REFUSALS.has(outcome.status)) throw new Refused(place, outcome);
    outcomes[place] = outcome;
  }
  const missing = commands.length - applied.length;
  if (missing > 0) throw new Error(`${missing} commands of ${store.ops.join(", ")} have no outcome`);
}
