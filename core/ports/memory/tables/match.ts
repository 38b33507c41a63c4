/** Filters in memory, with three values of truth as SQL has them. */
import type { Json } from "../../json.ts";
import type { Cell, Row, Table } from "../../table.ts";
import type { Comparison, Filter } from "../../table_rows.ts";
import { cellAt, cellOrder, type Sort, sortAt } from "./cells.ts";
import { containsJson } from "./contains.ts";

/** Null: neither true nor false. */
type Truth = boolean | null;

/** Whether the row passes the filter. */
export function matches(table: Table, row: Row, filter: Filter): boolean {
  return truthOf(table, row, filter) === true;
}

function truthOf(table: Table, row: Row, filter: Filter): Truth {
  switch (filter.is) {
    case "and":
      return every(filter.of.map((one) => truthOf(table, row, one)));
    case "or":
      return some(filter.of.map((one) => truthOf(table, row, one)));
    case "not":
      return negated(truthOf(table, row, filter.of));
    default:
      return conditionOf(cellAt(row, filter.at), sortAt(table, filter.at), filter);
  }
}

function every(truths: readonly Truth[]): Truth {
  if (truths.includes(false)) return false;
  return truths.includes(null) ? null : true;
}

function negated(truth: Truth): Truth {
  return truth === null ? null : !truth;
}

function some(truths: readonly Truth[]): Truth {
  return negated(every(truths.map(negated)));
}

function conditionOf(cell: Cell, sort: Sort, filter: Exclude<Filter, { is: "and" | "or" | "not" }>): Truth {
  switch (filter.is) {
    case "null":
      return cell === null;
    case "true":
    case "false":
      return cell === (filter.is === "true");
    case "in":
      return some(filter.values.map((value) => comparedOrNull(cell, sort, { is: "eq", value })));
    case "any":
    case "all": {
      const truths = filter.values.map((value) => quantified(cell, sort, { by: filter.by, value }));
      return filter.is === "any" ? some(truths) : every(truths);
    }
    case "like":
    case "ilike":
      return likeOrNull(cell, filter);
    case "contains":
    case "within":
      if (cell === null || filter.value === null) return null;
      return filter.is === "contains" ? containsJson(cell, filter.value) : containsJson(filter.value, cell);
    case "distinct":
      if (cell === null || filter.value === null) return cell !== filter.value;
      return cellOrder(cell, filter.value, sort) !== 0;
    default:
      return comparedOrNull(cell, sort, filter);
  }
}

function quantified(cell: Cell, sort: Sort, { by, value }: { by: Comparison | "like" | "ilike"; value: Cell }): Truth {
  if (by === "like" || by === "ilike") return likeOrNull(cell, { is: by, pattern: value as string });
  return comparedOrNull(cell, sort, { is: by, value });
}

function likeOrNull(cell: Cell, { is, pattern }: { is: "like" | "ilike"; pattern: string }): Truth {
  if (cell === null) return null;
  const text = cell as string;
  return is === "like" ? isLike(text, pattern) : isLike(folded(text), folded(pattern));
}

function comparedOrNull(cell: Cell, sort: Sort, { is, value }: { is: Comparison; value: Json }): Truth {
  if (cell === null || value === null) return null;
  const ordered = is !== "eq" && is !== "neq";
  if (sort !== "jsonb" || !ordered) return holds(is, cellOrder(cell, value, sort));
  return typeof cell === "number" ? holds(is, cellOrder(cell, value, "double")) : null;
}

function holds(is: Comparison, order: number): boolean {
  switch (is) {
    case "eq":
      return order === 0;
    case "neq":
      return order !== 0;
    case "gt":
      return order > 0;
    case "gte":
      return order >= 0;
    case "lt":
      return order < 0;
    case "lte":
      return order <= 0;
  }
}

function folded(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** One step of a pattern: any text, any character, or this one. */
type Step = { any: "text" | "character" } | { one: string };

/** Goes back to the last `%` only, so that it takes no more than text times pattern. */
function isLike(text: string, pattern: string): boolean {
  const steps = stepsOf(pattern);
  const characters = [...text];
  let at = 0;
  let step = 0;
  let back: { at: number; step: number } | null = null;
  while (at < characters.length) {
    const wanted = steps[step];
    if (wanted !== undefined && "any" in wanted && wanted.any === "text") {
      step += 1;
      back = { at, step };
    } else if (wanted !== undefined && ("any" in wanted || wanted.one === characters[at])) {
      at += 1;
      step += 1;
    } else if (back !== null) {
      back.at += 1;
      at = back.at;
      step = back.step;
    } else return false;
  }
  return steps.slice(step).every((rest) => "any" in rest && rest.any === "text");
}

function stepsOf(pattern: string): Step[] {
  const steps: Step[] = [];
  const characters = [...pattern];
  for (let index = 0; index < characters.length; index += 1) {
    const character = characters[index]!;
    if (character === "\\") {
      index += 1;
      steps.push({ one: characters[index] ?? "" });
    } else if (character === "%") steps.push({ any: "text" });
    else if (character === "_") steps.push({ any: "character" });
    else steps.push({ one: character });
  }
  return steps;
}
