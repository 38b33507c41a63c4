/**
 * What every log promises.
 */
import * as assert from "uvu/assert";
import type { Log, LogLevel } from "../../core/ports/log.ts";
import { promises } from "../support/promises.ts";

export interface LogHarness {
  /** A log that drops what is below `warn`. */
  readonly log: Log;
  /** The lines written so far: of a real log, as parsed from its output. */
  lines(): Promise<{ level: LogLevel; event: string }[]>;
  close(): Promise<void>;
}

/** Runs the contract over the log that `open` opens. */
export function logContract(name: string, open: () => Promise<LogHarness>): void {
  promises(`log, ${name}`, open, (keeps) => {
    keeps("write() writes one line each, in order, and drops what is below the level", async ({ log, lines }) => {
      log.write("debug", "first");
      log.write("info", "second");
      log.write("warn", "third", { text: "two\nlines \u2028 \u0000", number: 1 });
      log.write("error", "fourth");
      assert.equal(
        (await lines()).map(({ level, event }) => [level, event]),
        [
          ["warn", "third"],
          ["error", "fourth"],
        ],
      );
    });

    keeps("write() does not throw, whatever the fields are, and writes the line", async ({ log, lines }) => {
      const circle: Record<string, unknown> = {};
      circle.itself = circle;
      const thrower = {
        get field() {
          throw new Error("this getter fails");
        },
      };
      const stubborn = {
        toJSON() {
          throw new Error("this has no JSON");
        },
      };
      const odd = { circle, big: 1n, call() {}, symbol: Symbol("s"), none: undefined, error: new Error("e"), stubborn };
      log.write("error", "odd", odd);
      log.write("error", "thrower", thrower);
      log.write("error", "nested", { thrower });
      assert.equal(
        (await lines()).map(({ event }) => event),
        ["odd", "thrower", "nested"],
      );
    });
  });
}
