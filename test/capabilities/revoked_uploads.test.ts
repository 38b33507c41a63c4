/** Uploads end with the right to them: whoever's token was revoked writes nothing more, however long the body still comes. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openEvents } from "../support/event_stream.ts";
import { type MemoryApp, openApp } from "../support/memory_app.ts";

const test = suite("uploads of revoked tokens");
const SERVICE = "service-token-of-a-test-long-enough";
const IMPORT = "/document-namespaces/n/import";
const FILES = "/files/temp";
const encoder = new TextEncoder();
const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

async function openTokens() {
  const app = openApp({ settings: { datastoreToken: SERVICE } });
  const mint = async (fields: object = {}) => {
    const body = { label: "t", scopes: ["documents:write", "files:write"], ...fields };
    const made = await app.client.send("POST", "/tokens", { body, headers: bearer(SERVICE) });
    assert.is(made.status, 201, JSON.stringify(made.body));
    return made.body as { id: string; token: string };
  };
  const revoke = async (id: string) => {
    const { status } = await app.client.send("DELETE", `/tokens/${id}`, { headers: bearer(SERVICE) });
    assert.ok(status < 300, String(status));
  };
  return { ...app, mint, revoke };
}

/** A body that stays open, and whether it was given up. */
function openBody() {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>(undefined, { highWaterMark: 100 });
  const writer = writable.getWriter();
  let isLeft = false;
  writer.closed.catch(() => {
    isLeft = true;
  });
  return {
    readable,
    send: (text: string) => writer.write(encoder.encode(text)),
    end: () => writer.close(),
    isLeft: () => isLeft,
  };
}

const requestOf = (path: string, token: string, body: ReadableStream) =>
  new Request(`http://millrace.test${path}`, {
    method: "POST",
    headers: bearer(token),
    body,
    duplex: "half",
  } as RequestInit);

const documents = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => `{"key":"k${from + n}","payload":1}\n`).join("");

async function stored({ client }: MemoryApp): Promise<number> {
  const { body } = await client.send("GET", "/document/n?limit=1000", { headers: bearer(SERVICE) });
  return body.documents.length;
}

/** Lets the server do what it can do now. */
const turns = async () => {
  for (let turn = 0; turn < 50; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

test("an import ends within a second after its token was revoked, whether more comes or nothing", async () => {
  for (const goesOn of [true, false]) {
    const app = await openTokens();
    const { id, token } = await app.mint();
    const body = openBody();
    const answer = app.fetcher(requestOf(IMPORT, token, body.readable));
    await body.send(documents(0, 200));
    await turns();
    await app.advance(5_000);
    await app.revoke(id);
    await app.advance(1_000);
    if (goesOn) body.send(documents(200, 600)).catch(() => undefined);
    const response = await answer;
    const { error } = (await response.json()) as { error: { code: string; details: { lines_done: number } } };
    assert.equal([response.status, error.code, error.details.lines_done], [401, "unauthorized", 200]);
    await turns();
    assert.ok(body.isLeft(), "the body was given up");
    assert.is(await stored(app), 200);
  }
});

test("one that tells how far it is says so as its last event", async () => {
  const app = await openTokens();
  const { id, token } = await app.mint();
  const body = openBody();
  const events = openEvents(`http://millrace.test${IMPORT}`, bearer(token), (request) =>
    app.fetcher(new Request(request, { method: "POST", body: body.readable, duplex: "half" } as RequestInit)),
  );
  await body.send(documents(0, 200));
  const reader = await events;
  await reader.until(1);
  await app.revoke(id);
  await app.advance(1_000);
  await reader.ended();
  assert.equal(
    reader.events.map(({ event }) => event),
    ["progress", "error"],
  );
  assert.is(JSON.parse(reader.events[1]!.data).error.code, "unauthorized");
});

test("so does a file that is being put, of which nothing is stored, and one whose token expires", async () => {
  for (const ends of ["revoked", "expired"] as const) {
    const app = await openTokens();
    const soon = new Date(app.ports.clock.now().getTime() + 60_000).toISOString();
    const { id, token } = await app.mint(ends === "expired" ? { expires_at: soon } : {});
    const body = openBody();
    const answer = app.fetcher(requestOf(FILES, token, body.readable));
    await body.send("half a file");
    await turns();
    if (ends === "revoked") await app.revoke(id);
    else {
      // A sender from whom nothing comes at all is given up for that.
      for (const second of [20, 40, 59]) {
        await app.advance(20_000 - (second === 59 ? 1_000 : 0));
        await body.send("more");
        await turns();
      }
    }
    await app.advance(2_000);
    const response = await answer;
    assert.is(response.status, 401, await response.text());
    const { body: list } = await app.client.send("GET", FILES, { headers: bearer(SERVICE) });
    assert.equal(list.files, []);
  }
});

test("a token that holds imports for as long as it takes, and nobody looks after that", async () => {
  const app = await openTokens();
  const { token } = await app.mint();
  const body = openBody();
  const answer = app.fetcher(requestOf(IMPORT, token, body.readable));
  await body.send(documents(0, 200));
  await turns();
  await app.advance(10_000);
  await body.send(documents(200, 300));
  await body.end();
  assert.is((await answer).status, 200);
  assert.is(await stored(app), 300);
  const { getMany } = app.ports.database.documents;
  let looks = 0;
  app.ports.database.documents.getMany = (...asked) => {
    looks += 1;
    return getMany(...asked);
  };
  await app.advance(5_000);
  assert.is(looks, 0);
});

test("a store that is away for a moment ends nobody's right", async () => {
  const app = await openTokens();
  const { token } = await app.mint();
  const body = openBody();
  const answer = app.fetcher(requestOf(IMPORT, token, body.readable));
  await body.send(documents(0, 200));
  await turns();
  const { getMany } = app.ports.database.documents;
  app.ports.database.documents.getMany = () => Promise.reject(new Error("away"));
  await app.advance(1_500);
  app.ports.database.documents.getMany = getMany;
  await app.advance(2_000);
  await body.send(documents(200, 300));
  await body.end();
  assert.is((await answer).status, 200);
  assert.is(app.ports.log.lines.filter(({ event }) => event === "credential_look_failed").length, 1);
});

test.run();
