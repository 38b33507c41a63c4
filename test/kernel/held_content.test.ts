import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { Principal } from "../../core/kernel/credential.ts";
import { heldContent } from "../../core/kernel/held_content.ts";
import { createCorridor } from "../../core/kernel/invoke.ts";
import { type Content, content } from "../../core/kernel/operation.ts";
import { memoryHouse } from "../support/memory_house.ts";

const test = suite("kernel/held_content");

/** A house with a token, and a stream without end that says whether it was left. */
async function open() {
  const house = memoryHouse();
  const { credentials, database } = house;
  const minted = await credentials.mint("token", "t", { expiresAt: new Date(house.clock.now().getTime() + 5_000) });
  await database.commit([minted.command]);
  const principal = await credentials.identify("token", minted.token);
  let left = false;
  const body = new ReadableStream<Uint8Array>(
    {
      pull: (controller) => controller.enqueue(Uint8Array.of(1)),
      cancel() {
        left = true;
      },
    },
    { highWaterMark: 0 },
  );
  const revoke = () => database.commit([credentials.revocation(minted.id)]);
  return { house, body, revoke, left: () => left, principals: [principal] as readonly Principal[] };
}

const headers = { "Content-Type": "text/plain" };

test("a body that is still being sent breaks off within a second after its token was revoked", async () => {
  const { house, body, principals, revoke, left } = await open();
  const held = heldContent(house, { headers, body }, principals).body as ReadableStream<Uint8Array>;
  const reader = held.getReader();
  await reader.read();
  await house.clock.advance(1_000);
  assert.equal((await reader.read()).value, Uint8Array.of(1));
  await revoke();
  await house.clock.advance(999);
  await reader.read();
  await house.clock.advance(1);
  const error = await reader.read().catch((reason: Error) => reason);
  assert.match(String(error), "revoked or has expired while the answer was being sent");
  assert.ok(left());
});

test("so does one whose token expires", async () => {
  const { house, body, principals } = await open();
  const held = heldContent(house, { headers, body }, principals).body as ReadableStream<Uint8Array>;
  const reader = held.getReader();
  await house.clock.advance(4_999);
  await reader.read();
  await house.clock.advance(1_001);
  assert.instance(await reader.read().catch((reason: Error) => reason), Error);
});

test("a reader that goes away leaves the body behind it, too, and one that comes to its end is told", async () => {
  const { house, body, principals, left } = await open();
  const held = heldContent(house, { headers, body }, principals).body as ReadableStream<Uint8Array>;
  await held.cancel();
  assert.ok(left());
  const ending = heldContent(house, { headers, body: new Blob(["abc"]).stream() }, principals);
  assert.is(await new Response(ending.body as ReadableStream).text(), "abc");
});

test("texts, and streams to those whose right does not end, are handed on as they are", async () => {
  const { house, body, principals } = await open();
  const service: Principal = { kind: "service", id: "service", holds: [], subject: "", facts: {} };
  const stream = { headers, body };
  assert.is(heldContent(house, stream, []), stream);
  assert.is(heldContent(house, stream, [service]), stream);
  const text = { headers, body: "text" };
  assert.is(heldContent(house, text, principals), text);
});

test("the corridor holds what every content operation answers", async () => {
  const settings = { datastoreToken: "service" };
  const house = memoryHouse(settings);
  const minted = await house.credentials.mint("token", "t", { facts: { scopes: ["files:read"] } });
  await house.database.commit([minted.command]);
  const endless = content({
    summary: "Send without an end.",
    http: "GET /endless",
    needs: { scope: "files", access: "read" },
    limit: "data",
    input: v.strictObject({}),
    produces: "text/plain",
    handle: async () => ({
      headers,
      body: new ReadableStream({ pull: (controller) => controller.enqueue(Uint8Array.of(1)) }, { highWaterMark: 0 }),
    }),
  });
  const { value } = await createCorridor(house)(
    { ...endless, name: "test.endless" },
    {
      face: "rest",
      requestId: "1",
      address: "192.0.2.1",
      origin: "http://millrace.test",
      signal: new AbortController().signal,
      secret: () => null,
      bearer: () => minted.token,
      query: () => null,
      early: {},
      read: async () => ({}),
    },
  );
  const reader = ((value as Content).body as ReadableStream<Uint8Array>).getReader();
  assert.equal((await reader.read()).value, Uint8Array.of(1));
  await house.database.commit([house.credentials.revocation(minted.id)]);
  await house.clock.advance(1_000);
  assert.instance(await reader.read().catch((reason: Error) => reason), Error);
});

test.run();
