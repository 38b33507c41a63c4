/** Lines of a body: the same however its bytes are cut, and of one that is too long no more is held or waited for than tells so. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { linesOf } from "../../core/kernel/lines.ts";

const test = suite("lines");

const encoder = new TextEncoder();

function cutBy(size: number, text: string): ReadableStream<Uint8Array> {
  const bytes = encoder.encode(text);
  const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
  return ReadableStream.from(chunks) as ReadableStream<Uint8Array>;
}

/** The lines as text, null where one is too long; their numbers must be those of the lines. */
async function read(stream: ReadableStream<Uint8Array>, most = 20): Promise<(string | null)[]> {
  const seen: (string | null)[] = [];
  for await (const { number, bytes } of linesOf(stream, most)) {
    seen.push(bytes && new TextDecoder().decode(bytes));
    assert.is(number, seen.length);
  }
  return seen;
}

test("lines are the same however the bytes are cut", async () => {
  const text = `a\n\n{"é":"😀"}\n${"x".repeat(30)}\n${"y".repeat(20)}\nlast`;
  for (let size = 1; size <= encoder.encode(text).length; size += 1)
    assert.equal(
      await read(cutBy(size, text)),
      ["a", "", '{"é":"😀"}', null, "y".repeat(20), "last"],
      `cut by ${size}`,
    );
});

test("an empty body has no lines, and what ends with a line's end has none after it", async () => {
  assert.equal(await read(cutBy(5, "")), []);
  assert.equal(await read(cutBy(5, "a\n")), ["a"]);
  assert.equal(await read(cutBy(5, "\n\n")), ["", ""]);
  assert.equal(await read(cutBy(5, "x".repeat(21))), [null]);
});

test("a line that is too long is told before its end has come, once, and giving up ends the stream", async () => {
  let sent = 0;
  let cancelled = false;
  const long = new ReadableStream<Uint8Array>({
    pull(controller) {
      sent += 1;
      if (sent > 1_000) controller.close();
      else controller.enqueue(encoder.encode("xxxxxxxx"));
    },
    cancel() {
      cancelled = true;
    },
  });
  const lines = linesOf(long, 20);
  assert.equal((await lines.next()).value, { number: 1, bytes: null });
  assert.ok(sent < 10, `${sent} chunks were read`);
  await lines.return(undefined);
  assert.ok(cancelled);
  assert.equal(await read(cutBy(8, `${"x".repeat(1_000)}\nend`)), [null, "end"]);
});

test("a line is the reader's own: a chunk that its sender uses again does not change it", async () => {
  const chunk = new Uint8Array(2);
  let texts = ["ab", "c\n"];
  const reusing = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const [text, ...rest] = texts;
        texts = rest;
        if (text === undefined) return controller.close();
        encoder.encodeInto(text, chunk);
        controller.enqueue(chunk);
      },
    },
    { highWaterMark: 0 },
  );
  assert.equal(await read(reusing), ["abc"]);
});

test.run();
