import { createParser } from "eventsource-parser";
import fc from "fast-check";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { createEventStream, type StreamEvent } from "./event_stream.ts";

function read(chunks: readonly string[], from = "") {
  const events: StreamEvent[] = [];
  const retries: number[] = [];
  const stream = createEventStream({
    lastEventId: from,
    onEvent: (event) => void events.push(event),
    onRetry: (ms) => void retries.push(ms),
  });
  for (const chunk of chunks) stream.feed(chunk);
  return { events, retries, last: stream.lastEventId() };
}

test("an id without data moves the place to come back to", () => {
  assert.equal(read(["id: a\n\n"]).last, "a");
  assert.equal(read(["id: a\nevent: message\ndata: {}\n\n"]).events, [{ id: "a", event: "message", data: "{}" }]);
});

test("a block that the end of the stream cuts off counts for nothing", () => {
  const { events, last } = read(["id: a\ndata: 1\n\nid: b\ndata: 2\n"]);
  assert.is(events.length, 1);
  assert.is(last, "a");
});

test("an event without an id has the id of the one before it", () => {
  assert.equal(read(["data: 1\n\n"], "a").events, [{ id: "a", event: "message", data: "1" }]);
});

test("retry is told, comments are not", () => {
  assert.equal(read([": open\nretry: 1500\nretry: soon\n\n"]), { events: [], retries: [1500], last: "" });
});

test("the events are those of eventsource-parser, wherever the text is cut", () => {
  const part = fc.constantFrom(
    "id: ",
    "data: ",
    "data",
    "event: ",
    ": ",
    "x",
    "é",
    " ",
    "\n",
    "\r\n",
    "\n\n",
    "retry: 5",
  );
  fc.assert(
    fc.property(fc.array(fc.array(part, { maxLength: 8 })), (pieces) => {
      const chunks = pieces.map((words) => words.join(""));
      // eventsource-parser is given whole lines' ends: it takes a CR at the end of a chunk for later, as we do.
      const expected: { event: string; data: string }[] = [];
      const parser = createParser({
        onEvent: ({ event, data }) => void expected.push({ event: event ?? "message", data }),
      });
      for (const chunk of chunks) parser.feed(chunk);
      assert.equal(
        read(chunks).events.map(({ event, data }) => ({ event, data })),
        expected,
      );
    }),
    { numRuns: 2_000 },
  );
});

test.run();
