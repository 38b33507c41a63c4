/** The corridor before the data modes: closed without a service token, then open to whoever holds the scope, and to nobody else. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Needs } from "../../core/kernel/operation.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { type Handle, MINE, OTHER, open, operation, refusal } from "../support/corridor_scene.ts";
import { memoryHouse } from "../support/memory_house.ts";

const test = suite("kernel/invoke_scopes");

const SERVICE = "the service token";
const inMode: Needs = { scope: "documents", access: "write", of: "note" };

async function scoped(scopes: string[], how: { expiresAt?: Date; settings?: Partial<Settings> } = {}) {
  const opened = open({ datastoreToken: SERVICE, ...how.settings });
  const minted = await opened.house.credentials.mint("token", "", {
    facts: { scopes },
    expiresAt: how.expiresAt ?? null,
  });
  await opened.house.database.commit([minted.command]);
  return { ...opened, bearer: minted.token, id: minted.id };
}

test("a mode without a service token is closed before anything is looked at, whatever is sent", async () => {
  const { corridor, reads, request, bearer } = await scoped(["documents:write"], {
    settings: { datastoreToken: null },
  });
  for (const given of [{}, { bearer: "" }, { bearer }, { bearer: SERVICE }]) {
    const fault = await refusal(corridor(operation(inMode), request(given)), "not_configured");
    assert.is(fault.message, "DATASTORE_TOKEN is not configured on this server, so the data modes are closed");
  }
  assert.is(reads.count, 0);
});

test("a mode takes the service token and tokens with the scope, no other kind, before the body is read", async () => {
  const { corridor, reads, request, token, bearer } = await scoped(["documents:read", "queues:write"]);
  for (const wrong of [
    undefined,
    "",
    "guess",
    `${SERVICE} `,
    SERVICE.slice(1),
    await token("publish"),
    await token("read"),
  ])
    await refusal(
      corridor(operation(inMode), request({ ...(wrong !== undefined && { bearer: wrong }) })),
      "unauthorized",
    );
  const lacking = await refusal(corridor(operation(inMode), request({ bearer })), "forbidden");
  assert.is(lacking.message, "The token lacks the scope documents:write; it has documents:read, queues:write");
  assert.is(reads.count, 0);
  const answer = await corridor(operation(inMode), request({ bearer: SERVICE }));
  assert.equal([answer.status, answer.principals[0]?.kind], [200, "service"]);
});

test("a name in the body is held against the scope once it is known", async () => {
  const { corridor, reads, request, bearer, id } = await scoped(["documents:write:ord*"]);
  let handled = 0;
  const handle: Handle = async () => {
    handled += 1;
    return { done: true };
  };
  const write = (note: string) => corridor(operation(inMode, handle), request({ bearer, body: { note } }));
  assert.is((await write("orders")).principals[0]?.id, id);
  const fault = await refusal(write("other"), "forbidden");
  assert.match(fault.message, "The token lacks the scope documents:write:other; it has documents:write:ord*");
  assert.equal([handled, reads.count], [1, 2]);
});

test("a name in the path is held against the scope before the body is read", async () => {
  const named: Needs = { scope: "documents", access: "write", of: "thing_id" };
  const { corridor, reads, request, bearer } = await scoped([`documents:write:${MINE}`]);
  await corridor(operation(named), request({ bearer }));
  await refusal(corridor(operation(named), request({ bearer, thing: OTHER })), "forbidden");
  assert.is(reads.count, 1);
});

test("an operation without a name takes no scope that is limited to names", async () => {
  const all: Needs = { scope: "documents", access: "read" };
  const limited = await scoped(["documents:read:orders"]);
  await refusal(limited.corridor(operation(all), limited.request({ bearer: limited.bearer })), "forbidden");
  const free = await scoped(["documents:read"]);
  await free.corridor(operation(all), free.request({ bearer: free.bearer }));
});

test("a token that has expired or was revoked is refused", async () => {
  const soon = new Date(memoryHouse().clock.now().getTime() + 1_000);
  const { house, corridor, request, bearer } = await scoped(["documents:write"], { expiresAt: soon });
  await corridor(operation(inMode), request({ bearer }));
  await house.clock.advance(2_001);
  await refusal(corridor(operation(inMode), request({ bearer })), "unauthorized");
  const other = await scoped(["documents:write"]);
  await other.corridor(operation(inMode), other.request({ bearer: other.bearer }));
  await other.house.database.commit([other.house.credentials.revocation(other.id)]);
  other.house.bus.knock([`credential/${other.id}`]);
  await refusal(other.corridor(operation(inMode), other.request({ bearer: other.bearer })), "unauthorized");
});

test.run();
