/**
 * The database in memory: deterministic, and the reference model every other twin is measured by. What it holds ends with it.
 */
import type { Clock } from "../clock.ts";
import { type Command, type Committed, type Database, type Outcome, REFUSALS } from "../database.ts";
import { withVersion } from "../journal.ts";
import { memoryDocuments } from "./documents.ts";
import { memoryFiles } from "./files.ts";
import { memoryIds } from "./ids.ts";
import { memoryJournal } from "./journal.ts";
import { memoryLeases } from "./leases.ts";
import { memoryObjectDeletions } from "./object_deletions.ts";
import { memoryQueue } from "./queue.ts";
import { memoryTables } from "./tables.ts";

/** An empty database whose times are the clock's. Several imitated processes share one by sharing the value; two databases have two names. */
export function memoryDatabase(clock: Clock, name = "0".repeat(32)): Database {
  const objectDeletions = memoryObjectDeletions(clock);
  const { documents, apply: applyDocument } = memoryDocuments(clock);
  const { queue, apply: applyPush } = memoryQueue(clock);
  const { tables, apply: applyTable } = memoryTables(clock);
  const { journal, apply: applyJournal } = memoryJournal({
    clock,
    ids: memoryIds(),
    dropped: objectDeletions.add,
    waits: objectDeletions.has,
  });
  let closed = false;

  function apply(command: Command, undo: (() => void)[]): Outcome {
    switch (command.op) {
      case "document.put":
      case "document.remove":
      case "document.check":
      case "document.index":
        return applyDocument(command, undo);
      case "queue.push":
        return applyPush(command, undo);
      case "table.create":
      case "table.alter":
      case "table.drop":
      case "table.insert":
      case "table.update":
      case "table.delete":
        return applyTable(command, undo);
      default:
        return applyJournal(command, undo);
    }
  }

  function applyAll(unit: readonly Command[], undo: (() => void)[]): Committed {
    const outcomes = new Array<Outcome>(unit.length);
    for (const [index, command] of inOrder(unit)) {
      const outcome = apply(filled(command, unit, outcomes), undo);
      if (refused(command, outcome)) return { committed: false, failed: index, outcome };
      outcomes[index] = outcome;
    }
    return { committed: true, outcomes };
  }

  return {
    journal,
    documents,
    files: memoryFiles({ clock, dropped: objectDeletions.add, waits: objectDeletions.has }),
    queue,
    tables,
    objectDeletions,
    async commit(unit, further) {
      const undo: (() => void)[] = [];
      try {
        const first = applyAll(unit, undo);
        const rest = first.committed && further ? applyAll(further(first.outcomes), undo) : null;
        const result = together(first, rest);
        if (!result.committed) takeBack(undo);
        return result;
      } catch (error) {
        takeBack(undo);
        throw error;
      }
    },
    lease: memoryLeases(clock),
    installation: async () => name,
    async ready() {
      if (closed) return { ready: false, schema: null, reason: "The database has been closed." };
      return { ready: true, schema: "memory" };
    },
    async close() {
      closed = true;
    },
  };
}

/** The commands with their places in the unit, in the order in which they take effect. */
function inOrder(unit: readonly Command[]): [number, Command][] {
  return [...unit.entries()].sort(([, left], [, right]) => phase(left) - phase(right));
}

function phase({ op }: Command): number {
  if (op === "journal.append") return 4;
  return ["table.", "queue.", "document.", "journal."].findIndex((store) => op.startsWith(store));
}

/** An append with the versions in its data that its entries ask for. */
function filled(command: Command, unit: readonly Command[], outcomes: readonly Outcome[]): Command {
  if (command.op !== "journal.append" || !command.entries.some(({ versionOf }) => versionOf)) return command;
  const entries = command.entries.map(({ versionOf, ...entry }) => {
    const outcome = versionOf && outcomes[unit.indexOf(versionOf)];
    if (!outcome) return entry;
    return { ...entry, data: withVersion(entry.data, "version" in outcome ? outcome.version : 0) };
  });
  return { ...command, entries };
}

/** One result out of those of a unit and of what came after it. */
function together(first: Committed, rest: Committed | null): Committed {
  if (!first.committed || rest === null) return first;
  if (rest.committed) return { committed: true, outcomes: [...first.outcomes, ...rest.outcomes] };
  return { ...rest, failed: first.outcomes.length + rest.failed };
}

function takeBack(undo: (() => void)[]): void {
  for (const step of undo.reverse()) step();
}

function refused(command: Command, outcome: Outcome): boolean {
  return REFUSALS.has(outcome.status) || (outcome.status === "closed" && command.op === "journal.append");
}
