/** Rights in a batch, from the declarations: every operation that has a part in batches × every way of not being allowed to do it. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilities } from "../../core/capabilities/mod.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { writeToken } from "../../core/kernel/credential.ts";
import { type CallOperation, scopeNeedOf } from "../../core/kernel/operation.ts";
import { modes } from "../../core/kernel/scope.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { SERVICE, tokenWith } from "../support/batch_scene.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("faces/batch, rights");

const parts = operationsOf(capabilities).filter(
  (operation): operation is CallOperation & { name: string } =>
    operation.kind === "call" && operation.batch !== undefined && scopeNeedOf(operation.needs) !== null,
);

function asPart({ batch, examples }: CallOperation): JsonObject {
  return { op: batch!.op, ...examples![0]!.input };
}

test("no operation of a batch is carried out for whoever may not do it alone", async () => {
  const app = openApp({ settings: { datastoreToken: SERVICE } });
  const allowed: string[] = [];
  let tried = 0;
  assert.ok(parts.length >= 6, parts.map(({ name }) => name).join(", "));
  for (const operation of parts) {
    const { scope, access, of } = scopeNeedOf(operation.needs)!;
    const part = asPart(operation);
    const name = String(part[of!]);
    const other = access === "write" ? "read" : "write";
    const lacking = [
      ...[[], [`${scope}:${other}`], [`${scope}:${other}:${name}`]],
      ...[[`${scope}:${access}:${name}x`], [`${scope}:${access}:x*`]],
      modes.filter((mode) => mode !== scope).flatMap((mode) => [`${mode}:read`, `${mode}:write`]),
    ];
    const standings: [who: string, headers: Record<string, string>, status: number][] = [
      ["nobody", {}, 401],
      ["wrong", { Authorization: "Bearer wrong" }, 401],
      ["unknown", { Authorization: `Bearer ${writeToken("mlr", new Uint8Array(32).fill(7))}` }, 401],
      ["blank", { Authorization: "Bearer " }, 401],
      ["other scheme", { Authorization: `Basic ${SERVICE}` }, 401],
    ];
    for (const scopes of lacking) standings.push([`[${scopes}]`, await tokenWith(app, scopes), 403]);
    for (const [who, headers, expected] of standings) {
      tried += 1;
      const { status, body } = await app.client.send("POST", "/batch", { body: [part], headers });
      if (status < 400) allowed.push(`${part.op} by ${who}`);
      assert.is(status, expected, `${part.op} by ${who}: ${JSON.stringify(body)}`);
    }
    // Whoever may is not refused for want of rights, whatever else there is to refuse.
    for (const scopes of [[`${scope}:${access}`], [`${scope}:${access}:${name}`]]) {
      const also = scope === "tables" ? ["tables:read"] : [];
      const headers = await tokenWith(app, [...scopes, ...also]);
      const { status, body } = await app.client.send("POST", "/batch", { body: [part], headers });
      assert.not.ok([401, 403, 503].includes(status), `${part.op} by [${scopes}]: ${JSON.stringify(body)}`);
    }
  }
  assert.equal(allowed, []);
  console.log(`batch rights: ${parts.length} operations, ${tried} tries, ${allowed.length} wrongly allowed`);
  await app.stop();
});

test("a token that has been revoked does nothing in a batch", async () => {
  const app = openApp({ settings: { datastoreToken: SERVICE } });
  const service = { Authorization: `Bearer ${SERVICE}` };
  const made = await app.client.send("POST", "/tokens", {
    body: { label: "a", scopes: ["documents:write"] },
    headers: service,
  });
  assert.is(made.status, 201, JSON.stringify(made.body));
  const headers = { Authorization: `Bearer ${made.body.token}` };
  const put = [{ op: "document.put", namespace: "a", key: "k", payload: 1 }];
  assert.is((await app.client.send("POST", "/batch", { body: put, headers })).status, 200);
  await app.client.send("DELETE", `/tokens/${made.body.id}`, { headers: service });
  assert.is((await app.client.send("POST", "/batch", { body: put, headers })).status, 401);
  await app.stop();
});

test.run();
