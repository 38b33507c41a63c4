/** The operators of filters that take JSON, null or several values, and those that are not offered. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { filter, place, words } from "../support/parsed_table.ts";

const filters = suite("operators of filters");

filters("isdistinct takes any column, cs and cd take JSON", () => {
  assert.equal(filter("age=isdistinct.18"), { is: "distinct", at: place("age"), value: 18 });
  assert.equal(filter("id=not.isdistinct.7"), { is: "not", of: { is: "distinct", at: place("id"), value: 7 } });
  assert.equal(filter("data->a=isdistinct.null"), { is: "distinct", at: place("data", "a"), value: null });
  assert.equal(filter("data=cs.{}"), { is: "contains", at: place("data"), value: {} });
  assert.equal(filter('data->tags=cs.["x"]'), { is: "contains", at: place("data", "tags"), value: ["x"] });
  assert.equal(filter('or=(data.cd.{"a":1,"b":"(,"},data->a.cs."[1,2]")'), {
    is: "or",
    of: [
      { is: "within", at: place("data"), value: { a: 1, b: "(," } },
      { is: "contains", at: place("data", "a"), value: [1, 2] },
    ],
  });
});

filters("any and all take several values, written as an array of PostgreSQL", () => {
  assert.equal(filter("age=eq(any).{1, 2}"), { is: "in", at: place("age"), values: [1, 2] });
  assert.equal(filter("age=neq(all).{1}"), { is: "all", by: "neq", at: place("age"), values: [1] });
  assert.equal(filter("name=like(any).{O*,P*}"), { is: "any", by: "like", at: place("name"), values: ["O%", "P%"] });
  assert.equal(filter("name=not.ilike(all).{}"), {
    is: "not",
    of: { is: "all", by: "ilike", at: place("name"), values: [] },
  });
  assert.equal(filter('name=eq(all).{ a b , "c,\\"}" ,d\\,e,"", "null"}'), {
    is: "all",
    by: "eq",
    at: place("name"),
    values: ["a b", 'c,"}', "d,e", "", "null"],
  });
  assert.equal(filter('data=eq(any).{1,"[2]","\\"x\\""}'), { is: "in", at: place("data"), values: [1, [2], "x"] });
  assert.equal(filter("data->n=gt(all).{1,2}"), { is: "all", by: "gt", at: place("data", "n"), values: [1, 2] });
  assert.equal(filter("or=(age.gt(any).{1,2},and(name.like(any).{a*,b*},age.lt.3))"), {
    is: "or",
    of: [
      { is: "any", by: "gt", at: place("age"), values: [1, 2] },
      {
        is: "and",
        of: [
          { is: "any", by: "like", at: place("name"), values: ["a%", "b%"] },
          { is: "lt", at: place("age"), value: 3 },
        ],
      },
    ],
  });
});

filters("numbers inside JSON are compared exactly, or refused", () => {
  const long = "0.12345678901234567891";
  assert.equal(filter("data=eq.0.1"), { is: "eq", at: place("data"), value: 0.1 });
  for (const pair of [
    `data=eq.${long}`,
    `data->a=gt.${long}`,
    `data=in.(1,${long})`,
    `data=eq(any).{1,${long}}`,
    `data=isdistinct.${long}`,
    `data=cs.{"a":[${long}]}`,
    `or=(data.neq.${long})`,
    "data=eq.1e-400",
    "data=eq.9007199254740993",
  ])
    assert.match(
      words(() => filter(pair)),
      /would be rounded/,
      pair,
    );
  assert.equal(filter(`data->>a=eq.${long}`), {
    is: "eq",
    at: { column: "data", path: ["a"], asText: true },
    value: long,
  });
});

filters("operators of PostgREST that are not offered are named, with what to use instead", () => {
  for (const [operator, instead] of [
    ["match", /no regular expressions; use like/],
    ["imatch", /no regular expressions; use ilike/],
    ["fts", /no full-text search; use ilike/],
    ["fts(english)", /no full-text search; use ilike/],
    ["wfts", /no full-text search; use ilike/],
    ["ov", /use or=/],
    ["sl", /use gt, gte, lt and lte/],
    ["adj", /use gt, gte, lt and lte/],
  ] as const) {
    const told = words(() => filter(`name=${operator}.x`));
    assert.match(told, instead);
    assert.match(told, /which is not offered/);
    assert.not.match(told, /did you mean/);
  }
});

filters.run();
