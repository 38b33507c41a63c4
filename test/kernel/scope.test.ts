/** Scopes: how they are read, what one includes, and how a caller is told which one it lacks. */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Principal } from "../../core/kernel/credential.ts";
import {
  includes,
  modes,
  readScope,
  requireAnyScope,
  requireScope,
  type Scope,
  writeScope,
} from "../../core/kernel/scope.ts";
import { Fault } from "../../core/ports/fault.ts";

const test = suite("kernel/scope");

const scope = (text: string): Scope => readScope(text) ?? (assert.unreachable(`${text} is no scope`) as never);

function holder(...scopes: string[]): Principal {
  return { kind: "token", id: "t", holds: ["t"], subject: "", facts: { scopes } };
}

function refusal(work: () => void): Fault {
  try {
    work();
  } catch (error) {
    assert.instance(error, Fault);
    return error as Fault;
  }
  return assert.unreachable("it was allowed") as never;
}

test("a scope is a mode, an access and perhaps a name", () => {
  assert.equal(scope("documents:read"), { mode: "documents", access: "read", name: null });
  assert.equal(scope("queues:write:mail-*"), { mode: "queues", access: "write", name: "mail-*" });
  assert.equal(scope("tables:read:*"), { mode: "tables", access: "read", name: null });
  assert.equal(scope("documents:read:a:b"), { mode: "documents", access: "read", name: "a:b" });
  for (const text of [
    "",
    "*",
    "documents",
    "documents:",
    "documents:all",
    "Documents:read",
    "documents:read:",
    "channels:read",
  ])
    assert.is(readScope(text), null, text);
  for (const text of [
    "documents:read:a b",
    "documents:read:*a",
    "documents:read:a*b",
    "documents:read:a**",
    "documents:read\n",
  ])
    assert.is(readScope(text), null, text);
});

test("what is read is written as it was", () => {
  for (const text of ["documents:read", "queues:write:mail-*", "tables:read:a:b"])
    assert.is(writeScope(scope(text)), text);
});

test("a scope includes itself and what is narrower, never another mode, access or name", () => {
  const yes = [
    ["documents:read", "documents:read"],
    ["documents:read", "documents:read:orders"],
    ["documents:read:orders", "documents:read:orders"],
    ["documents:read:ord*", "documents:read:orders"],
    ["documents:read:ord*", "documents:read:ord*"],
    ["documents:read:ord*", "documents:read:orders*"],
  ] as const;
  const no = [
    ["documents:read", "documents:write"],
    ["documents:write", "documents:read"],
    ["documents:read", "queues:read"],
    ["documents:read:orders", "documents:read"],
    ["documents:read:orders", "documents:read:order"],
    ["documents:read:orders", "documents:read:orders2"],
    ["documents:read:orders", "documents:read:ord*"],
    ["documents:read:ord*", "documents:read"],
    ["documents:read:ord*", "documents:read:or*"],
  ] as const;
  for (const [held, wanted] of yes) assert.ok(includes(scope(held), scope(wanted)), `${held} includes ${wanted}`);
  for (const [held, wanted] of no)
    assert.not.ok(includes(scope(held), scope(wanted)), `${held} includes not ${wanted}`);
});

test("including is transitive: whoever hands on a part of what is held hands on nothing more", () => {
  const name = fc.constantFrom(null, "a", "ab", "abc", "b", "a*", "ab*", "b*");
  const any: fc.Arbitrary<Scope> = fc.record({
    mode: fc.constantFrom(...modes),
    access: fc.constantFrom("read" as const, "write" as const),
    name,
  });
  fc.assert(
    fc.property(any, any, any, (one, two, three) => {
      if (includes(one, two) && includes(two, three)) assert.ok(includes(one, three));
    }),
    { numRuns: 5_000 },
  );
});

test("a caller that lacks a scope is told which, and what it has", () => {
  const principal = holder("documents:read:orders", "queues:write");
  requireScope(principal, scope("documents:read:orders"));
  const fault = refusal(() => requireScope(principal, scope("documents:write:orders")));
  assert.is(fault.status, 403);
  assert.is(
    fault.message,
    "The token lacks the scope documents:write:orders; it has documents:read:orders, queues:write",
  );
  assert.equal(fault.details, { scope: "documents:write:orders" });
  assert.match(fault.headers["WWW-Authenticate"]!, 'error="insufficient_scope", scope="documents:write:orders"');
  assert.match(refusal(() => requireScope(holder(), scope("files:read"))).message, "it has none");
});

test("before the name is known any name of the mode will do", () => {
  requireAnyScope(holder("documents:read:orders"), scope("documents:read"));
  refusal(() => requireAnyScope(holder("documents:read:orders"), scope("documents:write")));
  refusal(() => requireAnyScope(holder(), scope("documents:read")));
});

test("the holder of the service token may do everything", () => {
  const service: Principal = { kind: "service", id: "service", holds: [], subject: "", facts: {} };
  for (const mode of modes)
    for (const access of ["read", "write"] as const) requireScope(service, { mode, access, name: null });
});

test("a name that no header may hold does not get into one", () => {
  const fault = refusal(() => requireScope(holder(), { mode: "documents", access: "read", name: 'ä"\r\nX: y' }));
  assert.match(fault.headers["WWW-Authenticate"]!, /^[\x20-\x7e]*$/);
});

test.run();
