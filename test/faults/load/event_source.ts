/**
 * An `EventSource` that keeps to the letter of WHATWG HTML, section 9.2.3: a connection that breaks or an answer that ends is tried again after the time that the
 * server gave; any status but 200, and any other type than text/event-stream, and it is dead for ever.
 */
import type { Random } from "../scenario.ts";
import { createEventStream, type StreamEvent } from "./event_stream.ts";
import { follow, keepAlive } from "./http.ts";

export interface StrictSource {
  /** What killed it; null while it lives. */
  death(): string | null;
  isOpen(): boolean;
  /** How often it has been open. */
  opened(): number;
  close(): void;
}

export interface StrictSourceOptions {
  url: string;
  random: Random;
  onEvent?(event: StreamEvent): void;
  onOpen?(): void;
  /** When a stream that was open ends. */
  onEnd?(): void;
}

/** What browsers take while the server has not said otherwise. */
const RETRY_MS = 3_000;

export function openStrictSource({ url, random, ...on }: StrictSourceOptions): StrictSource {
  const closing = new AbortController();
  // As browsers do, it asks again on the connection of a stream that has ended in order, while that stands.
  const agent = keepAlive();
  let retryMs = RETRY_MS;
  let lastEventId = "";
  let death: string | null = null;
  let open = false;
  let opened = 0;

  async function connection(): Promise<void> {
    const stream = createEventStream({
      lastEventId,
      onEvent: (event) => on.onEvent?.(event),
      onRetry(ms) {
        retryMs = ms;
      },
    });
    let type = "";
    const going = follow(url, {
      agent,
      headers: lastEventId === "" ? {} : { "Last-Event-ID": lastEventId },
      onResponse(response) {
        type = response.headers["content-type"] ?? "";
      },
      onOpen(status) {
        if (status !== 200) return;
        open = true;
        opened += 1;
        on.onOpen?.();
      },
      onText(text) {
        stream.feed(text);
        lastEventId = stream.lastEventId();
      },
    });
    closing.signal.addEventListener("abort", going.close, { once: true });
    const status = await going.over;
    closing.signal.removeEventListener("abort", going.close);
    if (open) on.onEnd?.();
    open = false;
    if (status !== 0 && status !== 200) death = `an answer ${status}`;
    else if (status === 200 && !type.startsWith("text/event-stream")) death = `an answer of type ${type}`;
  }

  void (async () => {
    while (death === null && !closing.signal.aborted) {
      await connection();
      // Browsers wait somewhat longer than they are told, each another while.
      await new Promise((resolve) => setTimeout(resolve, retryMs * (1 + random.next() * 0.1)));
    }
  })();

  return {
    death: () => death,
    isOpen: () => open,
    opened: () => opened,
    close() {
      closing.abort();
      agent.destroy();
    },
  };
}
