/** Input fields that the operations on rows share. */
import * as v from "valibot";
import { quote } from "../../kernel/fields.ts";
import { isCondition } from "./operators.ts";

const FILTER_MOST = 100;

/** Conditions, in REST the pairs of the query that no other field takes. */
export const filter = v.optional(
  v.pipe(
    v.array(v.string()),
    v.maxLength(FILTER_MOST),
    v.description(
      "Conditions that all must hold, each as column=operator.value: age=gte.18, name=like.A*, id=in.(1,2), state=not.is.null, data->>city=eq.Bonn, or=(a.eq.1,and(b.gt.2,c.is.null)). Operators: eq, neq, gt, gte, lt, lte, like, ilike, in, is, isdistinct, for jsonb cs (contains) and cd (is contained in), and not. before any of them; like(any).{A*,B*} and gt(all).{1,2} take several values. In REST they are the other fields of the query, and a column that has the name of one of those is asked inside and=(limit.eq.1)",
    ),
  ),
);

export const select = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(4_000),
    v.description(
      "Columns in the order wanted, with other names before a colon: name,born:birthday,data->>city. With count(), column.sum(), min(), max() or avg() the other columns make the groups: kind,count(),total:amount.sum(); sums and averages are text, so that no digit is lost. Default: all columns",
    ),
  ),
);

export const order = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(1_000),
    v.description("Columns to order by: born.desc.nullslast,name. Default: id, the order in which rows were put in"),
  ),
);

/** The cursor of `pageFields`, which has no point in it. */
export const cursorBesideFilters = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(2_000),
    v.check(
      (text) => !isCondition(text),
      ({ input }) => columnWords("cursor", input),
    ),
    v.description("next_cursor of the page before"),
  ),
);

function columnWords(name: string, text: string): string {
  return `is ${quote(text)}, and ${name} is a field of the request; for the column ${name} send and=(${name}.${text.slice(0, 40)})`;
}

/** A field beside which filters stand: whoever means the column of that name is told how to ask for it. */
export function besideFilters<S extends v.GenericSchema>(name: string, schema: S): S {
  return v.config(schema, {
    message: ({ input, message }) =>
      typeof input === "string" && isCondition(input) ? columnWords(name, input) : message,
  });
}
