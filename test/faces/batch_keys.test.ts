/** Batches under an idempotency key: carried out once, answered the same for 48 h. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bearer, open, publish, push, put, tokenWith } from "../support/batch_scene.ts";

const test = suite("faces/batch, keys");

test("the same key and operations are carried out once, and answered the same", async () => {
  const { app, batch, stored } = open();
  const channel = await app.client.createChannel();
  const operations = [put("a"), push(), publish(channel, "hello")];
  const keyed = { ...bearer, "Idempotency-Key": "k-1" };
  const first = await batch(operations, keyed);
  assert.equal([first.status, first.headers.get("idempotency-replayed")], [200, null]);
  for (let round = 0; round < 2; round += 1) {
    const again = await batch({ operations }, keyed);
    assert.equal([again.status, again.headers.get("idempotency-replayed")], [200, "true"]);
    assert.equal(again.body, first.body);
  }
  assert.equal(await stored(), [["a"], 1, 1, 1]);

  const reused = await batch([put("a")], keyed);
  assert.equal([reused.status, reused.body.error.code], [422, "idempotency_mismatch"]);
  assert.equal(await stored(), [["a"], 1, 1, 1]);

  // Another caller's key is another key.
  const other = await tokenWith(app, ["documents:write", "queues:write"]);
  assert.is(
    (await batch([put("b")], { ...other, "Idempotency-Key": "k-1" })).headers.get("idempotency-replayed"),
    null,
  );
  const published = await batch([publish(channel, 1)], { "Idempotency-Key": "k-1" });
  assert.equal([published.status, published.headers.get("idempotency-replayed")], [200, null]);
  assert.is(
    (await batch([publish(channel, 1)], { "Idempotency-Key": "k-1" })).headers.get("idempotency-replayed"),
    "true",
  );

  await app.advance(48 * 3_600_000 - 1);
  assert.is((await batch(operations, keyed)).headers.get("idempotency-replayed"), "true");
  await app.advance(1);
  assert.is((await batch(operations, keyed)).headers.get("idempotency-replayed"), null);
});

test("a refused batch leaves its key free", async () => {
  const { batch } = open();
  const keyed = { ...bearer, "Idempotency-Key": "k-1" };
  const guarded = [put("a", { if_version: 1 })];
  assert.is((await batch(guarded, keyed)).status, 412);
  assert.is((await batch([put("a")], bearer)).status, 200);
  const { status, body } = await batch(guarded, keyed);
  assert.equal([status, body.results], [200, [{ version: 2 }]]);
  // Its precondition no longer holds, and the retry is answered all the same.
  const again = await batch(guarded, keyed);
  assert.equal([again.status, again.body.results], [200, [{ version: 2 }]]);
});

test("a replay needs the rights that the batch needs", async () => {
  const { app, batch } = open();
  const keyed = { "Idempotency-Key": "k-1" };
  assert.is((await batch([put("a")], { ...bearer, ...keyed })).status, 200);
  const limited = await tokenWith(app, ["documents:write:other"]);
  assert.is((await batch([put("a")], { ...limited, ...keyed })).status, 403);
  assert.is((await batch([put("a")], keyed)).status, 401);
});

test.run();
