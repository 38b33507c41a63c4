/**
 * What every clock promises.
 */
import * as assert from "uvu/assert";
import type { Clock } from "../../core/ports/clock.ts";
import { promises } from "../support/promises.ts";

export interface ClockHarness {
  readonly clock: Clock;
  /** Lets at least `ms` milliseconds pass on the clock, and wakes whoever slept until then. */
  pass(ms: number): Promise<void>;
  close(): Promise<void>;
}

/** Runs the contract over the clock that `open` opens. */
export function clockContract(name: string, open: () => Promise<ClockHarness>): void {
  promises(`clock, ${name}`, open, (keeps) => {
    keeps("now() and elapsed() move with time, elapsed() never backwards", async ({ clock, pass }) => {
      const [now, elapsed] = [clock.now().getTime(), clock.elapsed()];
      await pass(20);
      assert.ok(clock.now().getTime() >= now + 19);
      assert.ok(clock.elapsed() >= elapsed + 19);
      let last = clock.elapsed();
      for (let round = 0; round < 10_000; round += 1) {
        const next = clock.elapsed();
        assert.ok(next >= last);
        last = next;
      }
    });

    keeps("now() is a value of its own each time", async ({ clock }) => {
      const first = clock.now();
      first.setTime(0);
      assert.ok(clock.now().getTime() > 0);
    });

    keeps("sleep() resolves after its time, not before", async ({ clock, pass }) => {
      const start = clock.elapsed();
      let woken = Number.NaN;
      const sleep = clock.sleep(30).then(() => {
        woken = clock.elapsed() - start;
      });
      await pass(5);
      if (clock.elapsed() - start < 25) assert.ok(Number.isNaN(woken), "it woke too early");
      await pass(60);
      await sleep;
      assert.ok(woken >= 29, `it woke after ${woken} ms`);
    });

    keeps("sleep() of nothing, or of less, resolves at once", async ({ clock }) => {
      await clock.sleep(0);
      await clock.sleep(-5);
    });

    keeps("sleep() resolves at once when its signal aborts, or has aborted, and does not reject", async ({ clock }) => {
      const stop = new AbortController();
      const sleeps = [clock.sleep(3_600_000, stop.signal), clock.sleep(3_600_000, stop.signal)];
      stop.abort(new Error("not for the sleeper"));
      await Promise.all(sleeps);
      await clock.sleep(3_600_000, stop.signal);
    });

    keeps("sleep() of more milliseconds than 31 bits hold does not resolve early", async ({ clock, pass }) => {
      const stop = new AbortController();
      let woken = false;
      const sleep = clock.sleep(2 ** 31 + 1_000, stop.signal).then(() => {
        woken = true;
      });
      await pass(20);
      assert.is(woken, false);
      stop.abort();
      await sleep;
    });

    keeps("sleep() does not keep a process alive: with this one left alone, the tests still end", async ({ clock }) => {
      void clock.sleep(3_600_000);
    });
  });
}
