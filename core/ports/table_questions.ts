/**
 * What a change of structure has to ask the rows that are there before it may happen: what would be lost, and what stands against it. Pure; each
 * twin of the store counts in its own way.
 */
import type { Change } from "./table_change.ts";
import type { Loss, Obstacle, Plan } from "./tables.ts";

/** How many rows is this true of? `is` of the column as it shall be, or for what goes, as it is. */
export interface Question {
  kind: Loss["kind"] | Obstacle["kind"];
  column: string;
  change: Change;
}

/** The questions that the changes raise, in the order in which a plan tells the answers. */
export function questionsOf(changes: readonly Change[]): Question[] {
  return changes.flatMap((change) => kindsOf(change).map((kind) => ({ kind, column: columnOf(change), change })));
}

/** The plan, when the rows have answered each question with a count. */
export function planOf(
  statements: string[],
  { questions, counts }: { questions: readonly Question[]; counts: readonly number[] },
): Plan {
  const plan: Plan = { statements, losses: [], obstacles: [] };
  for (const [index, { kind, column }] of questions.entries()) {
    const rows = counts[index] ?? 0;
    if (rows === 0) continue;
    if (kind === "dropped" || kind === "narrowed") plan.losses.push({ column, kind, rows });
    else plan.obstacles.push({ column, kind, rows });
  }
  return plan;
}

function kindsOf(change: Change): Question["kind"][] {
  if (change.kind === "drop") return ["dropped"];
  const kinds: Question["kind"][] = [];
  const { is } = change;
  if (change.kind === "add") {
    // Every row gets the default, so the default is what is asked about.
    if (!is.nullable && is.default === null) kinds.push("null");
    if (is.unique && is.default !== null) kinds.push("duplicate");
    if (is.references && is.default !== null) kinds.push("reference");
    return kinds;
  }
  const { was, differs } = change;
  if (differs.type) kinds.push("range", "narrowed");
  if (was.nullable && !is.nullable) kinds.push("null");
  if (is.enum && (differs.enum || differs.type)) kinds.push("enum");
  if (is.unique && (differs.unique || differs.type)) kinds.push("duplicate");
  if (is.references && differs.reference) kinds.push("reference");
  const wasIndexed = was.type === "text" && (was.unique || was.references !== null);
  if (is.type === "text" && (is.unique || is.references) && !wasIndexed) kinds.push("length");
  return kinds;
}

function columnOf(change: Change): string {
  return change.kind === "drop" ? change.was.name : change.is.name;
}
