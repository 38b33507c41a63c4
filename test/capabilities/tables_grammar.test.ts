/** What callers write in filters, selections, orders and cursors: PostgREST's grammar, read strictly, with words for whoever mistypes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cellOf, cellOfText } from "../../core/capabilities/tables/cell.ts";
import { cursorOf, keyedPlace, placeAfter } from "../../core/capabilities/tables/keyset.ts";
import { parseGroupOrder, parseOrder } from "../../core/capabilities/tables/order.ts";
import { parseSelect } from "../../core/capabilities/tables/select.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Json } from "../../core/ports/json.ts";
import { filter, place, table, types, words } from "../support/parsed_table.ts";

const filters = suite("filters");

filters("a pair is a condition, several must all hold", () => {
  assert.equal(filter("age=gte.18"), { is: "gte", at: place("age"), value: 18 });
  assert.equal(filter("age=gte.18", "name=eq.a,b)"), {
    is: "and",
    of: [
      { is: "gte", at: place("age"), value: 18 },
      { is: "eq", at: place("name"), value: "a,b)" },
    ],
  });
  assert.equal(filter("id=eq.7"), { is: "eq", at: place("id"), value: 7 });
  assert.equal(filter("name=eq."), { is: "eq", at: place("name"), value: "" });
});

filters("not, or, and, in and is nest as in PostgREST", () => {
  assert.equal(filter("age=not.eq.1"), { is: "not", of: { is: "eq", at: place("age"), value: 1 } });
  assert.equal(filter('or=(age.lt.18,and(name.like.A*,not.or(open.is.true,day.is.null)),name.in.("a,\\"b",c))'), {
    is: "or",
    of: [
      { is: "lt", at: place("age"), value: 18 },
      {
        is: "and",
        of: [
          { is: "like", at: place("name"), pattern: "A%" },
          {
            is: "not",
            of: {
              is: "or",
              of: [
                { is: "true", at: place("open") },
                { is: "null", at: place("day") },
              ],
            },
          },
        ],
      },
      { is: "in", at: place("name"), values: ['a,"b', "c"] },
    ],
  });
  assert.equal(filter("not.and=(age.eq.1)"), {
    is: "not",
    of: { is: "and", of: [{ is: "eq", at: place("age"), value: 1 }] },
  });
  assert.equal(filter("age=in.()"), { is: "in", at: place("age"), values: [] });
  assert.equal(filter("age=is.not_null"), { is: "not", of: { is: "null", at: place("age") } });
});

filters("values take the one form of their column's type", () => {
  const value = (pair: string) => (filter(pair) as { value: Json }).value;
  assert.is(value("big=eq.9223372036854775807"), "9223372036854775807");
  assert.is(value("price=eq.12.345"), "12.345");
  assert.is(value("price=eq.1e2"), "100");
  assert.is(value("born=gt.2026-01-31T12:00:00+02:00"), "2026-01-31T10:00:00Z");
  assert.is(value("born=gt.2026-01-31T12:00:00 02:00"), "2026-01-31T10:00:00Z", "a + that became a space");
  assert.is(value("born=gt.2026-01-31"), "2026-01-31T00:00:00Z");
  assert.is(value("key=eq.ABCDEF00-0000-4000-8000-000000000000"), "abcdef00-0000-4000-8000-000000000000");
  assert.is(value("open=eq.true"), true);
});

filters("places go into jsonb, as JSON or as text", () => {
  assert.equal(filter("data->a->>0=eq.x"), {
    is: "eq",
    at: { column: "data", path: ["a", "0"], asText: true },
    value: "x",
  });
  assert.equal(filter('data->"a.b"->c=eq.[1]'), { is: "eq", at: place("data", "a.b", "c"), value: [1] });
  assert.equal(filter("data->n=gt.2"), { is: "gt", at: place("data", "n"), value: 2 });
});

filters("whatever cannot be read is told, with what to send instead", () => {
  const wrong: [string, RegExp][] = [
    ["nmae=eq.x", /no column of people; did you mean name\?/],
    ["age=18", /without an operator; send one of eq/],
    ["age=gre.18", /operator "gre", which is unknown; did you mean gte\?/],
    ["age=eq.x", /age is "x"; send a whole number from -2147483648 to 2147483647/],
    ["age=eq.2147483648", /send a whole number/],
    ["age=like.1*", /is not text/],
    ["name=is.true", /is no boolean/],
    ["age=is.1", /send is.null, is.not_null, is.true or is.false/],
    ["born=eq.31.01.2026", /RFC 3339/],
    ["born=eq.2026-02-30T00:00:00Z", /RFC 3339/],
    ["key=eq.1", /send a UUID/],
    ["or=(age.eq.1", /ends where "\)" should come/],
    ["or=age.eq.1", /where "\(" should come/],
    ["or=()", /nothing in it/],
    ["age=in.1,2", /where "\(" should come/],
    ['age=in.("1,2)', /quoted value has no end/],
    ["name=like.a\\", /may not end with one backslash/],
    ["age->a=eq.1", /only jsonb has places inside/],
    ["data->>a->b=eq.1", /goes on after ->>/],
    ["data->a=gt.x", /send JSON/],
    ['data->a=gt."x"', /send a number, or use ->>/],
    ["data->a=eq.12345678901234567890", /beyond 2\^53/],
    ["name=cs.x", /asks cs, which is for jsonb/],
    ["data=cs.{a,b}", /send JSON/],
    ["data=cd.null", /is\.null for what has no value/],
    ["age=in(any).{1}", /\(any\) and \(all\) stand after eq/],
    ["age=eq(some).{1}", /after eq may stand \(any\) or \(all\)/],
    ["age=eq(any).1", /where "\{" should come/],
    ["age=eq(any).{1", /ends where "\}" should come/],
    ["age=eq(any).{1}2", /after its end/],
    ["age=eq(any).{1,}", /has no value at character/],
    ["age=eq(any).{1,NULL}", /lists NULL; ask for no value by is\.null/],
    ["age=eq(any).{{1},{2}}", /has no value at character/],
    ["age=like(any).{1*}", /is not text/],
    ["data=gt(any).{1,x}", /send JSON/],
    [`age=gt(any).{${Array.from({ length: 1_001 }, () => "1").join(",")}}`, /lists 1001 values/],
    ["name=eq.\u0000", /U\+0000/],
    [`or=${"(and".repeat(12)}(age.eq.1)${")".repeat(12)}`, /where a column should come|nested deeper/],
    [`and=${"(and".repeat(1)}${"(or(and".repeat(10)}`, /./],
    [`or=(${Array.from({ length: 101 }, () => "age.eq.1").join(",")})`, /more than 100 conditions/],
    [`age=in.(${Array.from({ length: 1_001 }, () => "1").join(",")})`, /lists 1001 values/],
  ];
  for (const [pair, expected] of wrong)
    assert.match(
      words(() => filter(pair)),
      expected,
      pair,
    );
});

filters("no text makes the parser throw anything but a Fault, nor take long", () => {
  const parts = [
    "age",
    ".",
    ",",
    "(",
    ")",
    '"',
    "\\",
    "not.",
    "or",
    "and",
    "->",
    "->>",
    "eq",
    "in.",
    "cs.",
    "(any)",
    "(all).",
    "{",
    "}",
    " ",
    "1",
    "\u{1F600}",
    "=",
    "*",
  ];
  let seed = 1;
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed;
  };
  for (let round = 0; round < 5_000; round += 1) {
    const text = Array.from({ length: next() % 24 }, () => parts[next() % parts.length]).join("");
    for (const pair of [`or=(${text}`, `age=${text}`, `${text}=eq.1`, `and=(${text})`]) {
      try {
        filter(pair);
        parseSelect(table, text);
        parseOrder(table, text);
      } catch (error) {
        assert.instance(error, Fault, `${pair}: ${error}`);
      }
    }
  }
  const began = performance.now();
  words(() => filter(`or=(${"(".repeat(100_000)}`));
  words(() => filter(`${"a".repeat(100_000)}=eq.1`));
  words(() => parseSelect(table, "data->".repeat(50_000)));
  words(() => filter(`name=eq(all).{a${" ".repeat(100_000)}`));
  words(() => filter(`name=eq(all).{${"a ".repeat(50_000)}`));
  words(() => filter(`or=(name.eq.${"{".repeat(100_000)}`));
  assert.ok(performance.now() - began < 1_000);
});

filters.run();

const selections = suite("selections and orders");

selections("select keeps its order, renames, reads inside jsonb and takes aggregates", () => {
  const { by, of, names } = parseSelect(table, "open,n:name,data->a->>city,first:data->l->0");
  assert.equal(names, ["open", "n", "city", "first"]);
  assert.is(of, null);
  assert.equal(by[3], { as: "first", at: place("data", "l", "0") });
  const groups = parseSelect(table, "open,count(),total:price.sum(),age.avg()");
  assert.equal(groups.names, ["open", "count", "total", "avg"]);
  assert.equal(groups.of, [
    { as: "count", fn: "count", at: null },
    { as: "total", fn: "sum", at: place("price") },
    { as: "avg", fn: "avg", at: place("age") },
  ]);
  assert.equal(parseSelect(table, undefined).names, ["id", ...Object.keys(types)]);
  assert.equal(parseSelect(table, "*").names, ["id", ...Object.keys(types)]);
});

selections("what select cannot give is told", () => {
  const wrong: [string, RegExp][] = [
    ["", /where a column should come/],
    ["name,", /where a column should come/],
    ["name,name", /has "name" twice/],
    ["name::integer", /has a cast/],
    ["nam", /did you mean name\?/],
    ["sun(age)", /no aggregate; did you mean sum\?/],
    ["age.sum(1)", /between the parentheses/],
    ["name.sum()", /sum takes integer/],
    ["data.max()", /max takes/],
    ["sum()", /without a column/],
    ["orders(id)", /no aggregate/],
    ["__proto__:name", /not allowed/],
    ["data->__proto__", /not allowed/],
    ['name"', /after its end/],
  ];
  for (const [text, expected] of wrong)
    assert.match(
      words(() => parseSelect(table, text)),
      expected,
      text,
    );
});

selections("order ends with id, and puts nulls last going up and first going down", () => {
  const order = (text?: string) =>
    parseOrder(table, text).map(({ at, descending, nullsFirst }) => [at.column, descending, nullsFirst]);
  assert.equal(order(), [["id", false, false]]);
  assert.equal(order("age.desc.nullslast,name"), [
    ["age", true, false],
    ["name", false, false],
    ["id", false, false],
  ]);
  assert.equal(order("id.desc"), [["id", true, true]]);
  assert.equal(order("name.desc"), [
    ["name", true, true],
    ["id", true, true],
  ]);
  assert.match(
    words(() => parseOrder(table, "age.down")),
    /\.asc or \.desc/,
  );
  assert.match(
    words(() => parseOrder(table, "data")),
    /end the path with ->>/,
  );
  assert.match(
    words(() => parseOrder(table, "age;DROP TABLE x")),
    /after its end/,
  );
  const groups = parseSelect(table, "open,total:price.sum()");
  assert.equal(parseGroupOrder(groups, "total.desc"), [
    { as: "total", descending: true, nullsFirst: true },
    { as: "open", descending: false, nullsFirst: false },
  ]);
  assert.match(
    words(() => parseGroupOrder(groups, "price")),
    /not in select/,
  );
});

selections("a cursor goes with its order only, and is read as strictly as a filter", () => {
  const terms = (text: string) => parseOrder(table, text).map((term) => ({ ...term, ...keyedPlace(term.found) }));
  const cursor = cursorOf(terms("price"), ["12.50", 3])!;
  assert.equal(placeAfter(terms("price"), cursor), ["12.50", 3]);
  assert.is(placeAfter(terms("price"), undefined), null);
  assert.is(cursorOf(terms("price"), null), null);
  assert.match(
    words(() => placeAfter(terms("price.desc"), cursor)),
    /belongs to another order/,
  );
  const forged = (value: Json) => btoa(JSON.stringify({ o: "price+l,id+l", k: [value, 3] }));
  assert.match(
    words(() => placeAfter(terms("price"), forged("1; DROP TABLE x"))),
    /not written by this server/,
  );
  assert.match(
    words(() => placeAfter(terms("price"), "%%%")),
    /send next_cursor/,
  );
});

selections.run();

const cells = suite("cells");

cells("every type has one form, and what would be rounded or cut is refused", () => {
  const taken = (name: string, value: Json) => cellOf(table.columns.find((column) => column.name === name)!, value);
  const right: [string, Json, Json][] = [
    ["age", "12", 12],
    ["age", 1e3, 1000],
    ["big", 12, "12"],
    ["big", "-0", "0"],
    ["big", "+007", "7"],
    ["price", 12.5, "12.50"],
    ["price", "-.5", "-0.50"],
    ["price", "-0.00", "0.00"],
    ["price", "99999999.99", "99999999.99"],
    ["born", "2026-01-31T12:00:00.120000Z", "2026-01-31T12:00:00.12Z"],
    ["born", "0099-01-31t12:00:00-01:30", "0099-01-31T13:30:00Z"],
    ["day", "2024-02-29", "2024-02-29"],
    ["data", { a: null }, { a: null }],
    ["name", "", ""],
  ];
  for (const [name, value, cell] of right)
    assert.equal(taken(name, value), { cell }, `${name} ${JSON.stringify(value)}`);
  const wrong: [string, Json][] = [
    ["age", 1.5],
    ["age", true],
    ["age", 2_147_483_648],
    ["age", ""],
    ["big", "9223372036854775808"],
    ["big", 2 ** 53],
    ["big", "1e400"],
    ["price", 0.125],
    ["price", "100000000"],
    ["price", Number("1234567.1234567891")],
    ["price", "NaN"],
    ["price", "Infinity"],
    ["open", "yes"],
    ["open", 1],
    ["born", "2026-01-31T12:00:00.1234567Z"],
    ["born", "2026-01-31T24:00:00Z"],
    ["born", "0001-01-01T00:00:00+01:00"],
    ["born", "infinity"],
    ["day", "2023-02-29"],
    ["day", "0000-01-01"],
    ["key", "{00000000-0000-4000-8000-000000000000}"],
    ["name", 1],
    ["name", { a: 1 }],
  ];
  for (const [name, value] of wrong) assert.ok("wrong" in taken(name, value), `${name} ${JSON.stringify(value)}`);
  assert.ok("wrong" in cellOfText({ type: "jsonb" }, `${"[".repeat(100)}${"]".repeat(100)}`));
  for (const text of ["0.1234567890123456789", '{"a":[1e-400]}', "9007199254740991.4"])
    assert.match((cellOfText({ type: "jsonb" }, text) as { wrong: string }).wrong, /would be rounded/, text);
  assert.equal(cellOfText({ type: "jsonb" }, '"0.1234567890123456789"'), { cell: "0.1234567890123456789" });
});

cells.run();
