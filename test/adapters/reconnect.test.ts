/** A connection that is over is made again: later with each failure, soon once one has stood, and not at all when it is to stop. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Attempt, reconnecting } from "../../adapters/reconnect.ts";
import { memoryClock } from "../../core/ports/memory/clock.ts";

const test = suite("reconnecting");

/** A session that the test ends, and when each one began. */
function scene() {
  const clock = memoryClock();
  const stop = new AbortController();
  const began: number[] = [];
  const lost: string[] = [];
  let attempt: Attempt | null = null;
  let end: (reason: string) => void = () => undefined;
  const told: string[] = [];
  const { first, over } = reconnecting(
    (present) => {
      began.push(clock.elapsed());
      attempt = present;
      return new Promise((resolve) => {
        end = resolve;
      });
    },
    { clock, signal: stop.signal, lost: (reason) => lost.push(reason) },
  );
  void first.then(() => told.push("first"));
  void over.then(() => told.push("over"));
  return { clock, stop, began, lost, told, attempt: () => attempt!, end: (reason: string) => end(reason) };
}

/** The longest pause after each of so many failures: nothing happens in half of it, and a session begins in the other. */
async function pausesOf({ clock, began, end }: ReturnType<typeof scene>, longest: readonly number[]): Promise<void> {
  for (const ms of longest) {
    const before = began.length;
    end("refused");
    await clock.advance(0);
    await clock.advance(ms / 2 - 1);
    assert.is(began.length, before, `${ms}: too early`);
    await clock.advance(ms / 2 + 1);
    assert.is(began.length, before + 1, `${ms}: too late`);
  }
}

test("each failure doubles the pause, up to five seconds", async () => {
  await pausesOf(scene(), [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
});

test("after a connection that stood the pause is the first again", async () => {
  const here = scene();
  await pausesOf(here, [100, 200, 400]);
  here.attempt().stood();
  await pausesOf(here, [100, 200]);
});

test("what came of the first attempt is known when it says so, or is over", async () => {
  const saying = scene();
  await saying.clock.advance(1);
  assert.equal(saying.told, []);
  saying.attempt().settled();
  await saying.clock.advance(1);
  assert.equal([saying.told, saying.lost], [["first"], []]);
  const failing = scene();
  failing.end("refused");
  await failing.clock.advance(1);
  assert.equal([failing.told, failing.lost], [["first"], ["refused"]]);
});

test("a stop begins no further session, neither after one nor in a pause, and is nothing lost", async () => {
  const connected = scene();
  connected.stop.abort();
  connected.end("stopped");
  await connected.clock.advance(10_000);
  assert.equal([connected.began.length, connected.lost, connected.told], [1, [], ["first", "over"]]);
  const pausing = scene();
  pausing.end("refused");
  await pausing.clock.advance(10);
  pausing.stop.abort();
  await pausing.clock.advance(10_000);
  assert.equal([pausing.began.length, pausing.told], [1, ["first", "over"]]);
});

test.run();
