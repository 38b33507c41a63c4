/** How a server ends: callers are given notice, and nothing can hold the end for ever. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Closing, closeInTime, giveNotice, type Notice } from "../../adapters/shutdown.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";

const never = () => new Promise<void>(() => undefined);
const atOnce = async () => undefined;
const nothing = () => undefined;

const notice = suite("giveNotice()");

/** Gives notice of 50 ms to so many callers; what was said and how long it took. */
async function noticeTo(callers: { streams?: number; requests?: number }, changes: Partial<Notice> = {}) {
  const said: string[] = [];
  const log = memoryLog();
  let retired = 0;
  const app = {
    retire() {
      retired += 1;
    },
    streams: () => callers.streams ?? 0,
    requests: () => callers.requests ?? 0,
  };
  const began = performance.now();
  const say = (line: string) => void said.push(line);
  await giveNotice(app, { log, noticeMs: 50, overMs: 20_000, behindProxy: false, say, ...changes });
  const [line] = log.lines;
  return { said, retired, ms: performance.now() - began, logged: [line?.event, line?.fields] };
}

notice("nobody is connected: it takes no time and says nothing", async () => {
  const { said, retired, ms, logged } = await noticeTo({}, { noticeMs: 5_000 });
  assert.ok(ms < 1_000);
  assert.equal([said, retired], [[], 1]);
  assert.equal(logged, ["stopping", { streams: 0, requests: 0 }]);
});

notice(
  "a stream or a request is open: it serves on, and says what it waits for and how to end it at once",
  async () => {
    const cases = [
      [{ streams: 1 }, "Stopping with 1 stream and 0 requests open: "],
      [{ streams: 20, requests: 1 }, "Stopping with 20 streams and 1 request open: "],
      [{ requests: 2 }, "Stopping with 0 streams and 2 requests open: "],
    ] as const;
    for (const [callers, words] of cases) {
      const { said, retired, ms } = await noticeTo(callers);
      assert.ok(ms >= 45, `${ms} ms`);
      assert.is(retired, 1);
      assert.equal(said, [
        `${words}serving on for 0.05 s, then ending streams within 20 s. Another Ctrl-C ends everything at once.`,
      ]);
    }
  },
);

notice("a proxy that is named has to learn it, whoever is connected", async () => {
  const { said, ms } = await noticeTo({}, { behindProxy: true });
  assert.ok(ms >= 45, `${ms} ms`);
  assert.is(said.length, 1);
});

const close = suite("closeInTime()");

const closing = (changes: Partial<Closing>): Closing => ({
  listeners: [],
  log: memoryLog(),
  overMs: 0,
  ms: 60_000,
  ...changes,
});

close("neither an app nor a listener that never ends can hold the end", async () => {
  for (const [stop, end] of [
    [never, atOnce],
    [atOnce, never],
    [never, never],
  ] as const) {
    const log = memoryLog();
    const began = performance.now();
    await closeInTime({ stop }, closing({ listeners: [{ refuse: nothing, close: end }], log, ms: 50 }));
    assert.ok(performance.now() - began < 1_000);
    assert.equal(
      log.lines.map(({ level, event }) => [level, event]),
      [["warn", "stop_cut_short"]],
    );
  }
});

close("no new connection finds an app that ends, and those that are open are served until it has ended", async () => {
  const log = memoryLog();
  const asked: string[] = [];
  const listener = (name: string) => ({
    refuse: () => void asked.push(`${name} refuses`),
    close: async () => void asked.push(`${name} closes`),
  });
  const stop = async (overMs?: number) => {
    asked.push(`app ends over ${overMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
    asked.push("app has ended");
  };
  const began = performance.now();
  await closeInTime({ stop }, closing({ listeners: [listener("first"), listener("second")], log, overMs: 7 }));
  assert.ok(performance.now() - began < 1_000);
  assert.equal(asked, [
    "first refuses",
    "second refuses",
    "app ends over 7 ms",
    "app has ended",
    "first closes",
    "second closes",
  ]);
  assert.equal(log.lines, []);
});

close("one that fails to end is told of, and the others are still awaited", async () => {
  const log = memoryLog();
  let ended = false;
  const slow = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    ended = true;
  };
  const broken = async () => {
    throw new Error("not running");
  };
  const listeners = [
    { refuse: nothing, close: broken },
    { refuse: nothing, close: slow },
  ];
  await closeInTime({ stop: broken }, closing({ listeners, log }));
  assert.ok(ended);
  assert.equal(
    log.lines.map(({ event, fields }) => [event, fields.error]),
    [
      ["stop_failed", "Error: not running"],
      ["stop_failed", "Error: not running"],
    ],
  );
});

close("the listeners share one time, whoever waits first", async () => {
  const began = performance.now();
  const listeners = Array.from({ length: 4 }, () => ({ refuse: nothing, close: never }));
  await closeInTime({ stop: atOnce }, closing({ listeners, ms: 200 }));
  assert.ok(performance.now() - began < 700);
});

notice.run();
close.run();
