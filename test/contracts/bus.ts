/**
 * What every bus promises to listeners of its own process and of others.
 */
import * as assert from "uvu/assert";
import type { Bus } from "../../core/ports/bus.ts";
import { eventually } from "../support/eventually.ts";
import { type Keeps, promises } from "../support/promises.ts";

export interface BusHarness {
  readonly bus: Bus;
  /** The bus of another process on the same transport. */
  readonly other: Bus;
  /** Breaks every connection that listens, as a restart of the transport does; the buses make new ones by themselves. */
  interrupt(): Promise<void>;
  /** Closes both buses; the test MAY have closed them before. */
  close(): Promise<void>;
}

/** Runs the contract over the two buses that `open` opens. Others MAY knock on the same transport. */
export function busContract(name: string, open: () => Promise<BusHarness>): void {
  promises(`bus, ${name}`, open, (keeps) => {
    keepsHere(keeps);
    keepsElsewhere(keeps);
  });
}

function keepsHere(keeps: Keeps<BusHarness>): void {
  keeps("knock() is heard by every listener of its own process before it returns", async ({ bus }) => {
    const { signal } = new AbortController();
    const [first, second, [one, two]] = [ear(bus, signal), ear(bus, signal), [subject(), subject()]];
    bus.knock([one, two]);
    for (const heard of [first, second]) assert.ok(heard.has(one) && heard.has(two));
  });

  keeps("a listener is heard no more once its signal aborts, others still are", async ({ bus }) => {
    const stop = new AbortController();
    const stopped = ear(bus, stop.signal);
    const listening = ear(bus, new AbortController().signal);
    stop.abort();
    const never = ear(bus, stop.signal);
    const one = subject();
    bus.knock([one]);
    assert.ok(listening.has(one));
    assert.not.ok(stopped.has(one) || never.has(one));
  });

  keeps("knock() does not throw when a listener does, and the others still hear", async ({ bus }) => {
    const { signal } = new AbortController();
    bus.listen(() => {
      throw new Error("this listener fails");
    }, signal);
    const heard = ear(bus, signal);
    const one = subject();
    bus.knock([one]);
    assert.ok(heard.has(one));
  });

  keeps("knock() does not throw without subjects, without listeners, nor once the bus is closed", async ({ bus }) => {
    bus.knock([]);
    bus.knock([subject()]);
    await bus.close();
    bus.knock([subject()]);
  });
}

function keepsElsewhere(keeps: Keeps<BusHarness>): void {
  keeps("knock() is heard by other processes, whatever is in the subjects", async ({ bus, other }) => {
    const heard = ear(other, new AbortController().signal);
    const subjects = [
      ...["", "'\"\\,;\n\t{}", " ä 漢字 😀 "].map((odd) => subject() + odd),
      subject().padEnd(200, "x"),
    ];
    for (const one of subjects) await reaches(bus, heard, [one]);
  });

  keeps(
    "knock() with more subjects than a message holds tells other processes of all of them",
    async ({ bus, other }) => {
      const heard = ear(other, new AbortController().signal);
      await reaches(
        bus,
        heard,
        Array.from({ length: 500 }, () => subject().padEnd(200, "x")),
      );
    },
  );

  keeps("both processes hear each other", async ({ bus, other }) => {
    const { signal } = new AbortController();
    await Promise.all([reaches(bus, ear(other, signal), [subject()]), reaches(other, ear(bus, signal), [subject()])]);
  });

  keeps("a listener of another process is heard no more once its signal aborts", async ({ bus, other }) => {
    const stop = new AbortController();
    const stopped = ear(other, stop.signal);
    const listening = ear(other, new AbortController().signal);
    await reaches(bus, stopped, [subject()]);
    stop.abort();
    const one = subject();
    await reaches(bus, listening, [one]);
    assert.not.ok(stopped.has(one));
  });

  keeps('after a lost connection a listener hears "all", and then knocks again', async ({ bus, other, interrupt }) => {
    const heard = ear(other, new AbortController().signal);
    await reaches(bus, heard, [subject()]);
    heard.clear();
    await interrupt();
    await eventually('"all" is heard', () => heard.has("all"));
    heard.clear();
    await reaches(bus, heard, [subject()]);
  });
}

/** What a listener has heard so far. */
function ear(bus: Bus, signal: AbortSignal): Set<string> {
  const heard = new Set<string>();
  bus.listen((subjects) => {
    for (const one of subjects === "all" ? ["all"] : subjects) heard.add(one);
  }, signal);
  return heard;
}

/** Knocks until the subjects are heard: a single knock may be lost, and the listener may still be connecting. */
function reaches(bus: Bus, heard: ReadonlySet<string>, subjects: readonly string[]): Promise<void> {
  return eventually(`${subjects.length} subjects are heard`, () => {
    if (subjects.every((one) => heard.has(one))) return true;
    bus.knock(subjects);
    return false;
  });
}

function subject(): string {
  return `t_${crypto.randomUUID()}`;
}
