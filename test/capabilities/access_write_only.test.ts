/** Writing does not include reading: with a token that may only write, no request tells what others have stored. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openApp } from "../support/memory_app.ts";

const test = suite("access: tokens that may only write");

const SERVICE = "the-service-token";
const SECRET = "7734001";

async function open() {
  const { client } = openApp({ settings: { datastoreToken: SERVICE } });
  const send = (token: string, method: string, path: string, body?: unknown) =>
    client.send(method, path, {
      ...(body === undefined ? {} : { body }),
      headers: { Authorization: `Bearer ${token}` },
    });
  const people = [
    { name: "email", type: "text", unique: true },
    { name: "salary", type: "integer" },
    { name: "note", type: "text" },
  ];
  await send(SERVICE, "POST", "/document", { namespace: "hr", key: "ada", payload: { salary: Number(SECRET) } });
  await send(SERVICE, "POST", "/sql/tables", { name: "people", columns: people });
  await send(SERVICE, "POST", "/sql/tables/people/rows", [{ email: "ada@example.org", salary: Number(SECRET) }]);
  return {
    send,
    async token(...scopes: string[]) {
      const { status, body } = await send(SERVICE, "POST", "/tokens", { label: "test", scopes });
      assert.is(status, 201);
      return body.token as string;
    },
  };
}

const writing = ["documents:write:hr", "tables:write:people", "tables:write:visits"];
const apart = ["tables:write:visits"];
const rows = "/sql/tables/people/rows";
const schema = { schema: { properties: { salary: { maximum: 1 } } } };
const visits = { columns: [{ name: "who", type: "bigint", references: { table: "people" } }] };

/** Requests that write, and would show or tell of what others have stored; the rights that do not suffice, and the one that is missing. */
const telling: [
  what: string,
  request: [method: string, path: string, body?: unknown],
  held: string[],
  needs: string,
][] = [
  ["a patch of nothing", ["PATCH", "/document/hr/ada", {}], writing, "documents:read:hr"],
  [
    "a dry run of a schema",
    ["PUT", "/document-namespaces/hr/schema?dry_run=true", schema],
    writing,
    "documents:read:hr",
  ],
  ["an upsert", ["POST", `${rows}?on_conflict=email`, { email: "ada@example.org" }], writing, "tables:read:people"],
  ["an update", ["PATCH", `${rows}?id=gt.0&return=representation`, { note: null }], writing, "tables:read:people"],
  ["a deletion", ["DELETE", `${rows}?id=gt.0&return=representation`], writing, "tables:read:people"],
  [
    "a table that refers to another",
    ["POST", "/sql/tables", { name: "visits", ...visits }],
    apart,
    "tables:write:people",
  ],
];

for (const [what, [method, path, body], held, needs] of telling) {
  test(`${what} is refused, and done for who holds ${needs} too`, async () => {
    const at = await open();
    const refused = await at.send(await at.token(...held), method, path, body);
    assert.equal([refused.status, refused.body.error.code], [403, "forbidden"], JSON.stringify(refused.body));
    assert.is(refused.body.error.details.scope, needs);
    assert.not(JSON.stringify(refused.body).includes(SECRET));
    const done = await at.send(await at.token(...held, needs), method, path, body);
    assert.ok(done.status < 300, JSON.stringify(done.body));
  });
}

test("what only writes needs no right to read", async () => {
  const at = await open();
  const token = await at.token(...writing);
  const requests: [method: string, path: string, body: unknown][] = [
    ["POST", "/document", { namespace: "hr", key: "bob", payload: 1 }],
    ["PUT", "/document/hr/ada", { salary: 2 }],
    ["POST", rows, { email: "bob@example.org" }],
    ["POST", `${rows}?on_conflict=email&return=minimal`, { email: "ada@example.org", note: "x" }],
    ["PATCH", `${rows}?email=eq.bob@example.org`, { note: "y" }],
    ["POST", "/sql/tables", { name: "visits", columns: [{ name: "who", type: "text" }] }],
    [
      "PUT",
      "/sql/tables/visits",
      {
        columns: [
          { name: "who", type: "text" },
          { name: "next", type: "bigint", references: { table: "visits" } },
        ],
      },
    ],
    ["DELETE", `${rows}?email=eq.bob@example.org`, undefined],
    ["DELETE", "/document/hr/ada", undefined],
  ];
  for (const [method, path, body] of requests) {
    const reply = await at.send(token, method, path, body);
    assert.ok(reply.status < 300, `${method} ${path}: ${JSON.stringify(reply.body)}`);
    assert.not(JSON.stringify(reply.body).includes(SECRET), path);
  }
});

test.run();
