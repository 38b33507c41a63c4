/**
 * A gate in front of a slow neighbour: so many calls at once, so many bytes held, the rest waits in order or is turned away.
 * It bounds the memory that a frozen store can take from the process.
 */
import { Fault } from "../core/ports/fault.ts";

/** What may be behind the gate at once, and what may wait before it. */
export interface GateLimits {
  calls: number;
  /** Bytes held by the calls inside; a single call may be larger. */
  bytes: number;
  /** Bytes held by the calls that wait; a single call may be larger. */
  waitingBytes: number;
}

export interface Gate {
  /** Resolves with the way out when the call may go in; throws `unavailable` when too much waits already or the signal aborts. */
  enter(weight: number, signal?: AbortSignal): Promise<() => void>;
}

interface Waiter {
  weight: number;
  admit(): void;
}

/** A gate with nothing behind it. */
export function openGate(limits: GateLimits): Gate {
  const waiting = new Set<Waiter>();
  let calls = 0;
  let bytes = 0;
  let waitingBytes = 0;

  const fits = (weight: number) => calls === 0 || (calls < limits.calls && bytes + weight <= limits.bytes);

  function occupy(weight: number): () => void {
    let inside = true;
    calls += 1;
    bytes += weight;
    return () => {
      if (!inside) return;
      inside = false;
      calls -= 1;
      bytes -= weight;
      admitNext();
    };
  }

  function admitNext(): void {
    for (const waiter of waiting) {
      if (!fits(waiter.weight)) return;
      waiter.admit();
    }
  }

  function wait(weight: number, signal: AbortSignal | undefined): Promise<() => void> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        waiting.delete(waiter);
        waitingBytes -= weight;
        signal?.removeEventListener("abort", giveUp);
      };
      const giveUp = () => {
        leave();
        reject(busy());
        admitNext();
      };
      const waiter: Waiter = {
        weight,
        admit() {
          leave();
          resolve(occupy(weight));
        },
      };
      waiting.add(waiter);
      waitingBytes += weight;
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  return {
    async enter(weight, signal) {
      if (signal?.aborted) throw busy();
      if (waiting.size === 0 && fits(weight)) return occupy(weight);
      if (waiting.size > 0 && waitingBytes + weight > limits.waitingBytes) throw busy();
      return await wait(weight, signal);
    },
  };
}

function busy(): Fault {
  return new Fault("unavailable", "The object store is busy; send the request again later.");
}
