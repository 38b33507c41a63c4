/**
 * The database in memory: deterministic, and the reference model every other twin is measured by. What it holds ends with it.
 */
import type { Clock } from "../clock.ts";
import { type Command, type Database, type Outcome, REFUSALS } from "../database.ts";
import { memoryDocuments } from "./documents.ts";
import { memoryIds } from "./ids.ts";
import { memoryJournal } from "./journal.ts";
import { memoryLeases } from "./leases.ts";
import { memoryObjectDeletions } from "./object_deletions.ts";

/** An empty database whose times are the clock's. Several imitated processes share one by sharing the value; two databases have two names. */
export function memoryDatabase(clock: Clock, name = "0".repeat(32)): Database {
  const objectDeletions = memoryObjectDeletions(clock);
  const { documents, apply: applyDocument } = memoryDocuments(clock);
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
        return applyDocument(command, undo);
      default:
        return applyJournal(command, undo);
    }
  }

  return {
    journal,
    documents,
    objectDeletions,
    async commit(unit) {
      const outcomes = new Array<Outcome>(unit.length);
      const undo: (() => void)[] = [];
      for (const [index, command] of inOrder(unit)) {
        const outcome = apply(command, undo);
        if (refused(command, outcome)) {
          for (const step of undo.reverse()) step();
          return { committed: false, failed: index, outcome };
        }
        outcomes[index] = outcome;
      }
      return { committed: true, outcomes };
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

function phase(command: Command): number {
  if (command.op.startsWith("document.")) return 0;
  return command.op === "journal.append" ? 2 : 1;
}

function refused(command: Command, outcome: Outcome): boolean {
  return REFUSALS.has(outcome.status) || (outcome.status === "closed" && command.op === "journal.append");
}
