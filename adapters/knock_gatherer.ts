/**
 * What every bus between processes does alike: the listeners of this process hear a knock at once; for those of others, knocks are gathered for a few
 * milliseconds, so that a burst travels in few messages. How messages travel is the transport's part.
 */
import type { Bus } from "../core/ports/bus.ts";
import type { Log } from "../core/ports/log.ts";
import { knockMessages, readKnockMessage } from "./knock_messages.ts";

export interface GathererOptions {
  /** Sends the messages to the other processes; rejects when they are lost. It is not called again before it has settled. */
  send(messages: readonly string[]): Promise<unknown>;
  log: Log;
}

/** A bus without its transport. */
export interface KnockGatherer extends Bus {
  /** A message has come, from another process or from this one. */
  receive(message: string): void;
  /** Whatever others sent until now may have been lost: every listener hears `"all"`. */
  missed(): void;
}

type Heard = (subjects: readonly string[] | "all") => void;

const GATHER_MS = 3;

/** Opens a gatherer; its `close` sends what is pending and leaves the transport to its owner. */
export function gatherKnocks({ send, log }: GathererOptions): KnockGatherer {
  const self = crypto.randomUUID();
  const listeners = new Set<Heard>();
  let pending = new Set<string>();
  let timer: ReturnType<typeof setTimeout> | null = null;
  let sending: Promise<void> | null = null;
  let closed = false;

  function tell(subjects: readonly string[] | "all"): void {
    for (const heard of [...listeners]) {
      try {
        heard(subjects);
      } catch (error) {
        log.write("error", "bus_listener_failed", { error: String(error) });
      }
    }
  }

  async function sendPending(): Promise<void> {
    const subjects = [...pending];
    pending = new Set();
    try {
      await send(knockMessages(self, subjects));
    } catch (error) {
      log.write("debug", "bus_knock_dropped", { subjects: subjects.length, error: String(error) });
    }
  }

  function schedule(): void {
    if (timer !== null || sending || pending.size === 0) return;
    timer = setTimeout(flush, GATHER_MS);
  }

  function flush(): void {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (sending || pending.size === 0) return;
    sending = sendPending().finally(() => {
      sending = null;
      schedule();
    });
  }

  return {
    knock(subjects) {
      if (closed || subjects.length === 0) return;
      for (const subject of subjects) pending.add(subject);
      schedule();
      tell(subjects);
    },
    listen(heard, signal) {
      if (signal.aborted) return;
      // Its own function for each call, so that the same one given twice hears twice.
      const listening: Heard = (subjects) => heard(subjects);
      listeners.add(listening);
      signal.addEventListener("abort", () => listeners.delete(listening), { once: true });
    },
    receive(message) {
      try {
        const { sender, subjects } = readKnockMessage(message);
        // Its own knocks have been heard when they were made.
        if (sender !== self) tell(subjects);
      } catch (error) {
        log.write("warn", "bus_message_unread", { error: String(error) });
      }
    },
    missed: () => tell("all"),
    async close() {
      closed = true;
      while (sending || pending.size > 0) {
        flush();
        await sending;
      }
      listeners.clear();
    },
  };
}
