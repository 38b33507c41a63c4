/**
 * A bus within one process; buses on one hub imitate as many processes.
 */
import type { Bus } from "../bus.ts";

type Heard = (subjects: readonly string[] | "all") => void;

/** What the buses of several imitated processes have in common: the transport between them. */
export interface MemoryHub {
  /** One receiver for each bus that is not closed. */
  readonly buses: Set<Heard>;
  /** Imitates a connection lost and made again: every listener hears `"all"`. */
  interrupt(): void;
}

/** A transport for `memoryBus`. */
export function memoryHub(): MemoryHub {
  const buses = new Set<Heard>();
  return {
    buses,
    interrupt() {
      for (const receive of buses) receive("all");
    },
  };
}

/** The bus of one process; what it sends to the others on the hub they hear a microtask later. */
export function memoryBus(hub: MemoryHub = memoryHub()): Bus {
  const listeners = new Set<Heard>();

  function tell(subjects: readonly string[] | "all"): void {
    for (const heard of [...listeners]) {
      try {
        heard(subjects);
      } catch {
        // A listener's failure is its own: the others still hear, and whoever knocks never notices.
      }
    }
  }

  hub.buses.add(tell);
  return {
    knock(subjects) {
      if (subjects.length === 0 || !hub.buses.has(tell)) return;
      const sent = [...subjects];
      tell(sent);
      for (const receive of hub.buses) if (receive !== tell) queueMicrotask(() => receive(sent));
    },
    listen(heard, signal) {
      if (signal.aborted) return;
      // Its own function for each call, so that the same one given twice hears twice.
      const listener: Heard = (subjects) => heard(subjects);
      listeners.add(listener);
      signal.addEventListener("abort", () => listeners.delete(listener), { once: true });
    },
    async close() {
      hub.buses.delete(tell);
      listeners.clear();
    },
  };
}
