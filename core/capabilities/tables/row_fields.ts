/** Input fields that the operations on rows share. */
import * as v from "valibot";

const FILTER_MOST = 100;

/** Conditions, in REST the pairs of the query that no other field takes. */
export const filter = v.optional(
  v.pipe(
    v.array(v.string()),
    v.maxLength(FILTER_MOST),
    v.description(
      "Conditions that all must hold, each as column=operator.value: age=gte.18, name=like.A*, id=in.(1,2), state=not.is.null, data->>city=eq.Bonn, or=(a.eq.1,and(b.gt.2,c.is.null)). Operators: eq, neq, gt, gte, lt, lte, like, ilike, in, is, and not. before any of them. In REST they are the other fields of the query",
    ),
  ),
);

export const select = v.optional(
  v.pipe(
    v.string(),
    v.maxLength(4_000),
    v.description(
      "Columns in the order wanted, with other names before a colon: name,born:birthday,data->>city. With count(), column.sum(), min(), max() or avg() the other columns make the groups: kind,count(),total:amount.sum(). Default: all columns",
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
