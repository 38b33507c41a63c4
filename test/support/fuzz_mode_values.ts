/** Values for requests at the data modes: names that exist, filters and bodies sound and otherwise, headers and cells that programs stumble over. */
import fc from "fast-check";
import { writeCursor } from "../../core/kernel/page.ts";
import type { Json, JsonObject } from "../../core/ports/json.ts";
import { anyJson, nested, oddTexts } from "./schema_values.ts";

const names = ["orders", "customers", "mail", "a", "b-c", "x_1"];
export const known: { readonly [field: string]: readonly Json[] } = {
  // Places of lists in the form of ours, that no list has given.
  cursor: [1e300, -1, 2 ** 53, "2", [0], { value: "", id: "" }, { o: "id+l", k: [1e300] }].map((place) =>
    writeCursor(place),
  ),
  namespace: names,
  queue: names,
  table: ["orders", "customers", "kinds"],
  name: ["orders", "customers", "kinds", "nightly", "report.csv"],
  key: ["a", "b", "k/1", "ä", "x y"],
  select: ["*", "title,age", "id,data->a,price", "kind:title", "age.sum(),title", "count()"],
  order: ["age", "age.desc.nullslast,title", "id.desc", "data->>a"],
  on_conflict: ["email"],
  count: ["exact", "estimated"],
  prefix: ["", "a", "k/"],
  wait: [0],
  wait_seconds: [0],
  limit: [1, 2, 10],
  delay_seconds: [0, 1],
  visibility_timeout_seconds: [1, 30],
  max_attempts: [1, 5],
  cron: ["* * * * *", "0 9 * * 1-5"],
  time_zone: ["Europe/Berlin", "UTC"],
  columns: [
    [
      { name: "title", type: "text", nullable: true },
      { name: "age", type: "integer", default: 1, nullable: true },
      { name: "price", type: "numeric(10,2)", nullable: true },
      { name: "data", type: "jsonb", nullable: true },
      { name: "at", type: "timestamptz", nullable: true },
      { name: "email", type: "text", unique: true, nullable: true },
    ],
  ],
  rows: [
    [{ title: "a", age: 3, price: "1.50", data: { a: [1, 2] }, email: null }],
    [{ title: "ä" }, { age: 2 ** 31 - 1 }],
    [{}],
  ],
};

/** Filters of rows that are there. */
const soundFilters: readonly string[] = [
  ...[
    "title=eq.a",
    "age=gte.18",
    "age=in.(1,2,3)",
    "title=like.*a*",
    "data->a->>0=eq.1",
    "or=(age.eq.1,title.is.null)",
  ],
  ...["not.and=(age.gt.1,age.lt.9)", "age=not.is.null", "id=gt.0", "at=lt.2030-01-01T00:00:00Z", "price=gte.1.5"],
  ...["age=isdistinct.3", 'data=cs.{"a":[1]}', "data=cd.[]", "age=eq(any).{1,2}", "title=like(all).{*a*,a*}"],
];

/** What stands in queries, sound and otherwise. */
export const filters: readonly string[] = [
  ...[
    "title=eq.a",
    "age=gte.18",
    "age=in.(1,2,3)",
    "title=like.*a*",
    "data->a->>0=eq.1",
    "or=(age.eq.1,title.is.null)",
  ],
  ...["not.and=(age.gt.1,age.lt.9)", "age=not.is.null", "title=ilike.%25", "id=gt.0", "at=lt.2030-01-01T00:00:00Z"],
  ...[
    "select=title,age",
    "select=age.sum(),title",
    "select=count()",
    "order=age.desc.nullslast,title",
    "on_conflict=email",
  ],
  ...[
    "select=*",
    "count=exact",
    "count=estimated",
    "limit=1",
    "limit=0",
    "limit=-1",
    "limit=1e9",
    "cursor=abc",
    "offset=1",
  ],
  ...[
    "age=eq.",
    "age=eq",
    "age=",
    "=",
    "age=gte.99999999999999999999",
    "age=eq.1;DROP TABLE x",
    "title=eq.%00",
    "id=in.()",
  ],
  ...[
    "or=(",
    "or=()",
    "or=((((((((((age.eq.1))))))))))",
    "and=(or(age.eq.1),age.eq.2",
    "or=(age.eq.1,or(title.eq.a,age.eq.2))",
  ],
  ...[
    "data->->a=eq.1",
    "data->>a->b=eq.1",
    "data->99999999999=eq.1",
    "title->a=eq.1",
    "select=title::int",
    "select=a:title,a:age",
  ],
  ...[
    "select=pg_sleep(10)",
    "select=(select 1)",
    "order=title;--",
    "order=random()",
    "title=fts.a",
    "title=cs.{a}",
    "data=cs.{a,b}",
    "data=cd.null",
    "data=gt(any).{1,x}",
    "age=eq(any).{1,NULL}",
    "age=in(any).{1}",
    "age=neq(all).{}",
    'title=ilike(any).{"a,\\"b",c d}',
    "or=(age.gt(any).{1,2},data.cs.{})",
    "price=isdistinct.1e400",
    "data=eq.0.12345678901234567891",
    "limit=eq.1",
    "title=match.^a",
    "age=eq.NaN",
  ],
  ...[
    "price=eq.1e400",
    "price=eq.Infinity",
    "at=eq.infinity",
    "at=eq.294277-01-01",
    "at=eq.2030-02-30",
    "select=%22title%22",
  ],
  ...[
    "where=age=gte.1",
    "where=a",
    "after=x",
    "after=00000000-0000-0000-0000-000000000000",
    "from=earliest",
    "latest=1",
    "wait=0",
  ],
];

export const types = [
  "application/json",
  "application/json; charset=utf-16",
  "APPLICATION/JSON",
  "text/plain",
  "text/csv",
  "application/x-ndjson",
  "application/merge-patch+json",
  "multipart/form-data; boundary=a",
  "application/octet-stream",
  ";",
  "",
];

export const oddHeaders: readonly (readonly [name: string, values: readonly string[]])[] = [
  ["If-Match", ['"1"', "*", 'W/"1"', "1", '""', '"99999999999999999999"', '"a", "b"']],
  ["If-None-Match", ["*", '"1"', "x"]],
  ["X-Lease-Token", ["a", "0".repeat(32), "ffffffffffffffffffffffffffffffff", "'--"]],
  ["Range", ["bytes=0-0", "bytes=-1", "bytes=5-1", "bytes=99999999999999999999-", "items=0-1", "bytes=0-0,2-3"]],
  ["Last-Event-ID", ["x", "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-7fff-bfff-ffffffffffff"]],
  ["Prefer", ["return=minimal", "count=exact", "resolution=merge-duplicates"]],
  ["Content-Encoding", ["gzip", "identity"]],
  ["Idempotency-Key", ["k", "k".repeat(255), "k".repeat(256)]],
  ["Accept", ["text/csv", "text/event-stream", "application/x-ndjson", "a/b", ""]],
];

export const wholes: fc.Arbitrary<string> = fc.oneof(
  anyJson.map((value) => JSON.stringify(value)),
  fc.constantFrom(
    ...[
      "",
      " ",
      "null",
      "[]",
      "{}",
      "[{}]",
      "[[]]",
      '"text"',
      "7",
      "{",
      "[1,",
      '{"a":1}{"b":2}',
      "\ufeff{}",
      "nul\u0000l",
    ],
    ...['{"a":1,"a":2}', '{"__proto__":{"x":1}}', "1e999", "-0", "12345678901234567890", '{"payload":1e400}', "\n\n\n"],
    ...[
      "a,b\n1,2\n",
      'a,"b\n1',
      "title,age\nx,1\ny,z\n",
      "title\n\u0000\n",
      '{"title":"a"}\n{"title":\n',
      "title;age\n1;2",
    ],
    ...[
      JSON.stringify(nested(65)),
      `${"[".repeat(20_000)}${"]".repeat(20_000)}`,
      JSON.stringify({ payload: nested(70) }),
    ],
    ...[
      '{"payload":"\\u0000"}',
      '{"payload":"\\ud800"}',
      '[{"op":"document.put"}]',
      '[{"op":"table.insert","table":"orders","rows":[{}]}]',
    ],
  ),
);

const columns = ["title", "age", "price", "data", "at", "email", "id"];

const oddCells: fc.Arbitrary<Json> = fc.oneof(
  anyJson,
  fc.constantFrom<Json>(
    ...[
      1,
      -1,
      2 ** 31,
      -(2 ** 31) - 1,
      2 ** 53 - 1,
      1.5,
      1e15,
      -0,
      "1.50",
      "12.345",
      "1e400",
      "1e5",
      "NaN",
      "Infinity",
      "-Infinity",
      "0x10",
      "１２",
    ],
    ...[
      "99999999.99",
      "999999999.99",
      "-0",
      "+1",
      " 1",
      "1_000",
      "",
      "infinity",
      "-infinity",
      "now",
      "2030-02-30",
      "2030-01-01",
      "0000-01-01",
    ],
    ...[
      "2030-01-01T00:00:00Z",
      "0001-01-01T00:00:00Z",
      "9999-12-31T23:59:59.9999999Z",
      "2030-01-01T00:00:60Z",
      "2030-01-01T00:00:00+15:59",
    ],
    ...[
      "2030-01-01T24:00:00Z",
      "10000-01-01T00:00:00Z",
      "2030-01-01 00:00:00 BC",
      "x".repeat(3_000),
      "{}",
      "true",
      "\\x00",
      "\ud83d\ude00",
    ],
  ),
);

/** Rows whose columns are there, for the most part, and whose cells may be anything. */
export const oddRows: fc.Arbitrary<JsonObject[]> = fc.array(
  fc.dictionary(
    fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...columns) }, fc.constantFrom(...oddTexts)),
    oddCells,
    {
      maxKeys: 3,
    },
  ),
  { minLength: 1, maxLength: 3 },
);

const places = fc.constantFrom(
  ...columns,
  "data->a",
  "data->>a",
  "data->a->0",
  "data->>-1",
  "nope",
  '"title"',
  "title;--",
  "xmin",
  "ctid",
  "",
);

const comparison = fc
  .tuple(
    fc.constantFrom("", "", "not.", "not.not."),
    fc.constantFrom("eq", "neq", "gt", "gte", "lt", "lte", "like", "ilike", "in", "is", "fts", "cs", "ov", "match", ""),
    fc.oneof(
      oddCells.map((cell) => (typeof cell === "string" ? cell : JSON.stringify(cell))),
      fc.constantFrom("null", "true", "unknown", "(1,2)", '(a,"b,c")', "()", "(", "*a*", "%", "a\\", "%\\", "{1,2}"),
    ),
  )
  .map(([not, op, value]) => `${not}${op}.${value}`);

/** Pairs as they stand in a query, made of parts of the grammar. */
export const oddFilters: fc.Arbitrary<string[]> = fc.array(
  fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom(...soundFilters) },
    { weight: 3, arbitrary: fc.tuple(places, comparison).map(([place, rest]) => `${place}=${rest}`) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom("or", "and", "not.or", "not.and"),
          fc.array(fc.tuple(places, comparison), { maxLength: 3 }),
        )
        .map(([logic, parts]) => `${logic}=(${parts.map((part) => part.join(".")).join(",")})`),
    },
    { weight: 1, arbitrary: fc.constantFrom(...filters) },
  ),
  { maxLength: 2 },
);
