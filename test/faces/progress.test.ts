/** Calls that tell how far they are: an event stream for who asks for it, and nothing else for anybody else. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { Capability } from "../../core/kernel/capability.ts";
import type { Context } from "../../core/kernel/context.ts";
import { bytesStream } from "../../core/kernel/fields.ts";
import { call } from "../../core/kernel/operation.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Host } from "../../core/ports/host.ts";
import { type FakeSink, fakeSink } from "../support/fake_sink.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("faces/progress");

type Work = (context: Context, body: ReadableStream<Uint8Array>) => Promise<{ sum: number }>;

/** An app with one operation, whose work is the test's. */
function openWork(work: Work) {
  const shared = { needs: "nobody", limit: "other", tool: false, summary: "Count." } as const;
  const input = v.strictObject({ body: bytesStream("Anything") });
  const output = v.object({ sum: v.number() });
  const counted = call({
    ...shared,
    http: "POST /counted",
    input,
    body: { stream: "body" },
    status: 201,
    progress: v.object({ done: v.number() }),
    output,
    handle: (context, { body }) => work(context, body),
  });
  const silent = call({
    ...shared,
    http: "POST /silent",
    input,
    body: { stream: "body" },
    output,
    handle: (context, { body }) => work(context, body),
  });
  const box: Capability = { name: "box", title: "Box", about: "", duties: [], operations: { counted, silent } };
  const server = openApp({ capabilities: [box] });
  const post = (accept: string | null, { path = "/counted", body = "x" as string | ReadableStream } = {}) =>
    new Request(`http://millrace.test${path}`, {
      method: "POST",
      headers: accept === null ? {} : { Accept: accept },
      body,
      duplex: "half",
    } as RequestInit);
  return {
    ...server,
    post,
    async ask(accept: string | null, path?: string) {
      const response = await server.fetcher(post(accept, path === undefined ? {} : { path }));
      return { status: response.status, type: response.headers.get("content-type"), text: await response.text() };
    },
    /** The request with an answer that goes to the sink. */
    async into(sink: FakeSink, body?: ReadableStream) {
      const host: Host = {
        address: "192.0.2.1",
        apps: new Set(["rest"]),
        stream(serve, init) {
          // As on Node: the head goes first.
          queueMicrotask(() => serve(sink));
          return new Response(null, init);
        },
      };
      return server.app.fetch(post("text/event-stream", body === undefined ? {} : { body }), host);
    },
  };
}

const EVENTS = "text/event-stream";
const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** Tells three values, each when its reader can have taken the one before. */
const inSteps: Work = async (context) => {
  for (const done of [1, 2, 3]) {
    context.progress({ done });
    await turns();
  }
  return { sum: 3 };
};

test("progress comes in order while the work goes on, and the result last", async () => {
  const { ask } = openWork(inSteps);
  for (const accept of [EVENTS, "Text/Event-Stream; charset=utf-8", "application/json, text/event-stream;q=0.5"]) {
    const { status, type, text } = await ask(accept);
    assert.equal([status, type], [200, "text/event-stream; charset=utf-8"], accept);
    assert.is(
      text,
      'event: progress\ndata: {"done":1}\n\nevent: progress\ndata: {"done":2}\n\nevent: progress\ndata: {"done":3}\n\nevent: result\ndata: {"sum":3}\n\n',
    );
  }
});

test("who does not name an event stream, or asks where none is declared, has the answer as ever", async () => {
  const { ask } = openWork(inSteps);
  for (const [accept, path] of [
    [null, "/counted"],
    ["*/*", "/counted"],
    ["application/json", "/counted"],
    ["text/event-stream;q=0", "/counted"],
    ["text/event-stream-not", "/counted"],
    [EVENTS, "/silent"],
  ] as const) {
    const { status, type, text } = await ask(accept, path);
    const wanted = [path === "/silent" ? 200 : 201, "application/json; charset=utf-8", '{"sum":3}'];
    assert.equal([status, type, text], wanted, `${accept} ${path}`);
  }
});

test("what ends before the first progress is plain JSON with its status, result and error alike", async () => {
  const done = await openWork(async () => ({ sum: 0 })).ask(EVENTS);
  assert.equal([done.status, done.type, done.text], [201, "application/json; charset=utf-8", '{"sum":0}']);
  const work: Work = async () => {
    throw new Fault("conflict", "There is one already");
  };
  const refused = await openWork(work).ask(EVENTS);
  assert.equal([refused.status, refused.type], [409, "application/json; charset=utf-8"]);
  assert.is(JSON.parse(refused.text).error.code, "conflict");
});

test("an error after progress is the last event, with the same JSON as the error answer", async () => {
  for (const [thrown, code] of [
    [new Fault("unavailable", "The database is away", { details: { lines_done: 7 } }), "unavailable"],
    [new Error("a secret of ours"), "internal"],
  ] as const) {
    const work: Work = async (context) => {
      context.progress({ done: 1 });
      throw thrown;
    };
    const { ask } = openWork(work);
    const { status, text } = await ask(EVENTS);
    assert.is(status, 200);
    const [first, last, rest] = text.split("\n\n");
    assert.is(first, 'event: progress\ndata: {"done":1}');
    assert.match(last!, /^event: error\ndata: /);
    assert.is(rest, "");
    const { error } = JSON.parse(last!.slice("event: error\ndata: ".length));
    assert.equal([error.code, typeof error.retryable, typeof error.request_id], [code, "boolean", "string"]);
    assert.equal(error.details, thrown instanceof Fault ? { lines_done: 7 } : undefined);
    assert.not.match(text, /secret/);
  }
});

test("a reader that does not read holds nothing up, costs no memory, and finds the newest when it reads on", async () => {
  const filler = "x".repeat(10_000);
  let isDone = false;
  let goOn = () => {};
  const work: Work = async (context) => {
    for (let done = 1; done <= 5_000; done += 1) {
      context.progress({ done, filler });
      if (done % 100 === 0) await turns(1);
    }
    isDone = true;
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return { sum: 5_000 };
  };
  const sink = fakeSink();
  sink.stall();
  await openWork(work).into(sink);
  while (!isDone) await turns(1);
  const written = sink.text().length;
  assert.ok(written < 100_000, `${written} bytes were queued for a reader that takes none`);
  sink.resume();
  await turns();
  const events = sink.text().split("\n\n").slice(0, -1);
  assert.ok(events.at(-1)!.startsWith('event: progress\ndata: {"done":5000,'), events.at(-1)!.slice(0, 60));
  assert.ok(events.length < 12, `${events.length} events`);
  goOn();
  await turns();
  assert.ok(sink.text().endsWith('\n\nevent: result\ndata: {"sum":5000}\n\n'));
  assert.is(sink.end(), "closed");
});

test("the end does not wait for a reader that is stuck", async () => {
  const filler = "x".repeat(70_000);
  const work: Work = async (context) => {
    for (const done of [1, 2, 3]) {
      context.progress({ done, filler });
      await turns();
    }
    return { sum: 3 };
  };
  const sink = fakeSink();
  sink.stall();
  await openWork(work).into(sink);
  await turns(100);
  const told = Array.from(sink.text().matchAll(/"done":(\d)/g), ([, done]) => done);
  assert.equal([told, sink.end()], [["1", "3"], "closed"]);
  assert.ok(sink.text().endsWith('event: result\ndata: {"sum":3}\n\n'));
});

test("a caller who goes away ends the work, which was waiting for more of the body", async () => {
  for (const leave of ["abort", "cancel"] as const) {
    let cancelled = false;
    let ended: unknown = null;
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    writer.closed.catch(() => {
      cancelled = true;
    });
    const work: Work = async (context, body) => {
      try {
        for await (const piece of body as unknown as AsyncIterable<Uint8Array>)
          context.progress({ done: piece.length });
      } catch (error) {
        ended = error;
        throw error;
      }
      return { sum: 1 };
    };
    const app = openWork(work);
    const sink = fakeSink();
    const answered = leave === "abort" ? app.into(sink, readable) : app.fetcher(app.post(EVENTS, { body: readable }));
    await writer.write(new Uint8Array(5));
    const response = await answered;
    await turns();
    assert.is(ended, null);
    if (leave === "abort") sink.abort();
    else await response.body!.cancel();
    await turns(50);
    assert.ok(ended instanceof Fault, `${leave}: the work ended with ${ended}`);
    assert.ok(cancelled, `${leave}: the body was given up`);
  }
});

test("a body that ends just before its caller is seen to have left was cut, and is not taken for whole", async () => {
  let ended: unknown = null;
  const work: Work = async (context, body) => {
    context.progress({ done: 0 });
    for await (const piece of body as unknown as AsyncIterable<Uint8Array>) context.progress({ done: piece.length });
    ended = "whole";
    return { sum: 0 };
  };
  const sink = fakeSink();
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  await openWork(work).into(sink, readable);
  await writer.write(new Uint8Array(5));
  await writer.close();
  await turns();
  sink.abort();
  await turns(50);
  assert.is(ended, null);
});

test("a caller who has left before the stream began ends the work too", async () => {
  let ended = false;
  const work: Work = async (context, body) => {
    context.progress({ done: 0 });
    await body
      .getReader()
      .read()
      .catch(() => {
        ended = true;
      });
    return { sum: 0 };
  };
  const sink = fakeSink();
  sink.abort();
  await openWork(work).into(sink, new ReadableStream());
  await turns();
  assert.ok(ended);
  assert.is(sink.text(), "");
});

test("the stream is declared: OpenAPI has it as a content of the answer, with the schema of each event", async () => {
  const { client } = openWork(inSteps);
  const { paths } = (await client.send("GET", "/openapi.json")).body;
  const { responses } = paths["/counted"].post;
  assert.equal(Object.keys(responses).slice(0, 2), ["200", "201"]);
  const events = responses["200"].content["text/event-stream"]["x-events"];
  assert.equal(Object.keys(events), ["progress", "result", "error"]);
  assert.equal([events.progress.required, events.result.required], [["done"], ["sum"]]);
  assert.not.ok("text/event-stream" in paths["/silent"].post.responses["200"].content);
});

test.run();
