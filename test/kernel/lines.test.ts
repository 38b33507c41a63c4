/** Lines of a body: the same however its bytes are cut, and of one that is too long no more is held or waited for than tells so. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
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

test("chunks of a byte cost no more than what they carry", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const most = 200_000;
  const used = () => {
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  let sent = 0;
  let held = 0;
  const before = used();
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        sent += 1;
        controller.enqueue(Uint8Array.of(120));
        if (sent < most) return;
        held = used() - before;
        controller.close();
      },
    },
    { highWaterMark: 0 },
  );
  assert.equal(await read(stream, most), ["x".repeat(most)]);
  assert.ok(held < 20 * most, `${held} bytes were held for ${most}`);
});

test("what came in pieces is in no more room than a line may have", async () => {
  for await (const { bytes } of linesOf(cutBy(1, "x".repeat(600)), 600)) assert.is(bytes!.buffer.byteLength, 600);
});

test("a line within one chunk is not copied, and those before it stay as they were", async () => {
  const chunk = encoder.encode("a\nbc\nd");
  const seen: Uint8Array[] = [];
  const stream = ReadableStream.from([chunk, encoder.encode("e\nfg\nh"), encoder.encode("i")]);
  for await (const { bytes } of linesOf(stream as ReadableStream<Uint8Array>, 20)) seen.push(bytes!);
  assert.equal(
    seen.map((bytes) => new TextDecoder().decode(bytes)),
    ["a", "bc", "de", "fg", "hi"],
  );
  assert.is(seen[1]!.buffer, chunk.buffer);
});

test.run();
