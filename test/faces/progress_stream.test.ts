/** The stream of a call that tells how far it is: its heartbeat, its headers, how long it counts as a request, and what happens when it cannot be written. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { createProgressStream } from "../../core/faces/progress_stream.ts";
import type { Capability } from "../../core/kernel/capability.ts";
import type { Context } from "../../core/kernel/context.ts";
import { bytesStream } from "../../core/kernel/fields.ts";
import { call } from "../../core/kernel/operation.ts";
import type { Host } from "../../core/ports/host.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";
import { streamResponse } from "../../core/ports/stream.ts";
import { type FakeSink, fakeSink } from "../support/fake_sink.ts";
import { openApp } from "../support/memory_app.ts";
import { logText } from "../support/memory_house.ts";

const test = suite("faces/progress_stream");

const turns = async (count = 20) => {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};

function open() {
  const clock = memoryClock();
  let left = 0;
  const stream = createProgressStream({
    clock,
    heartbeatMs: 15_000,
    leave() {
      left += 1;
    },
  });
  return { clock, stream, left: () => left };
}

const PROGRESS = 'event: progress\ndata: {"done":1}\n\n';

test("while nothing else goes out there is a heartbeat, and none after the end", async () => {
  const { clock, stream } = open();
  const sink = fakeSink();
  stream.progress({ done: 1 });
  stream.follow(sink);
  await clock.advance(14_999);
  assert.is(sink.text(), PROGRESS);
  await clock.advance(1);
  assert.is(sink.text(), `${PROGRESS}: \n\n`);
  await clock.advance(10_000);
  stream.progress({ done: 1 });
  await clock.advance(14_999);
  assert.is(sink.text(), `${PROGRESS}: \n\n${PROGRESS}`);
  await clock.advance(1);
  const before = `${PROGRESS}: \n\n${PROGRESS}: \n\n`;
  assert.is(sink.text(), before);
  stream.end("result", { sum: 1 });
  await clock.advance(60_000);
  assert.is(sink.text(), `${before}event: result\ndata: {"sum":1}\n\n`);
});

test("a reader that takes nothing gets no heartbeats on top", async () => {
  const { clock, stream } = open();
  const sink = fakeSink();
  sink.stall();
  stream.progress({ filler: "x".repeat(70_000) });
  stream.follow(sink);
  await clock.advance(1_000_000);
  assert.ok(sink.writes() <= 2, `${sink.writes()} writes`);
});

test("a sink that fails ends the answer, and the work is told that its reader has left", async () => {
  const { stream, left } = open();
  const sink = fakeSink();
  const failing: FakeSink = {
    ...sink,
    write() {
      throw new Error("no such stream");
    },
  };
  stream.follow(failing);
  stream.progress({ done: 1 });
  await turns();
  assert.equal([sink.end(), left()], ["aborted", 1]);
});

type Work = (context: Context) => Promise<{ sum: number }>;

/** An app with one operation, whose work is the test's. */
function openWork(work: Work) {
  const counted = call({
    needs: "nobody",
    limit: "data",
    tool: false,
    summary: "Count.",
    http: "POST /counted",
    input: v.strictObject({ body: bytesStream("Anything") }),
    body: { stream: "body" },
    progress: v.object({ done: v.number() }),
    output: v.object({ sum: v.number() }),
    handle: work,
  });
  const box: Capability = { name: "box", title: "Box", about: "", duties: [], operations: { counted } };
  const rateLimits = { create: 20, publish: 100, data: 100, other: 300 } as never;
  const server = openApp({ capabilities: [box], settings: { rateLimits } });
  const host: Host = { address: "192.0.2.1", apps: new Set(["rest"]), stream: streamResponse };
  const ask = (accept = "text/event-stream", given = host) => {
    const init = { method: "POST", headers: { Accept: accept }, body: "x" };
    return server.app.fetch(new Request("http://millrace.test/counted", init), given);
  };
  return { ...server, ask, host };
}

test("it has the headers that the plain answer has: those of the rate limit, and those of the handler", async () => {
  const { ask } = openWork(async (context) => {
    context.reply({ headers: { "X-Of-The-Handler": "yes", "Content-Type": "not this" } });
    context.progress({ done: 1 });
    return { sum: 1 };
  });
  const { headers } = await ask();
  const plain = (await ask("application/json")).headers;
  assert.is(headers.get("x-of-the-handler"), "yes");
  assert.is(headers.get("content-type"), "text/event-stream; charset=utf-8");
  assert.ok(plain.get("ratelimit-policy") !== null);
  assert.is(headers.get("ratelimit-policy"), plain.get("ratelimit-policy"));
  assert.ok(headers.get("ratelimit") !== null);
});

test("a call is one request under way, before its first progress and after it, until it ends", async () => {
  let goOn = () => {};
  const step = () =>
    new Promise<void>((resolve) => {
      goOn = resolve;
    });
  const { ask, app } = openWork(async (context) => {
    await step();
    context.progress({ done: 1 });
    context.progress({ done: 2 });
    await step();
    return { sum: 2 };
  });
  const answered = ask();
  await turns();
  assert.is(app.requests(), 1);
  goOn();
  const response = await answered;
  await turns();
  assert.is(app.requests(), 1);
  goOn();
  await response.text();
  await turns();
  assert.is(app.requests(), 0);
});

test("a stream that cannot be opened, or a result that is no JSON, is an internal error, and in the log", async () => {
  const { ask, host, ports } = openWork(async (context) => {
    context.progress({ done: 1 });
    return { sum: 1n as never };
  });
  const text = await (await ask()).text();
  assert.match(text, /event: error\ndata: \{"error":\{"code":"internal"/);
  assert.match(logText(ports.log), /BigInt/);
  const refusing: Host = {
    ...host,
    stream() {
      throw new Error("no streams here");
    },
  };
  const refused = await ask("text/event-stream", refusing);
  assert.is(refused.status, 500);
  assert.match(logText(ports.log), /no streams here/);
});

test.run();
