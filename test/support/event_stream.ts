/** Reading a stream of Server-Sent Events as a client would: with fetch and a standard parser. */
import { createParser } from "eventsource-parser";

export interface ReadEvent {
  id: string | undefined;
  event: string | undefined;
  data: string;
}

export interface EventReader {
  response: Response;
  events: ReadEvent[];
  comments: string[];
  /** The times to come back after, in milliseconds, that the stream has set. */
  retries: number[];
  /** Resolves when there are this many events, rejects after `ms`. */
  until(count: number, ms?: number): Promise<ReadEvent[]>;
  /** Resolves when the server has ended the stream, rejects after `ms`. */
  ended(ms?: number): Promise<void>;
  close(): void;
}

export async function openEvents(
  url: string,
  headers: Record<string, string> = {},
  fetcher: (request: Request) => Promise<Response> = fetch,
): Promise<EventReader> {
  const stop = new AbortController();
  const response = await fetcher(
    new Request(url, { headers: { Accept: "text/event-stream", ...headers }, signal: stop.signal }),
  );
  const events: ReadEvent[] = [];
  const comments: string[] = [];
  const retries: number[] = [];
  let over = response.body === null;
  let changed = () => {};
  const parser = createParser({
    onEvent: ({ id, event, data }) => void events.push({ id, event, data }),
    onComment: (comment) => void comments.push(comment),
    onRetry: (ms) => void retries.push(ms),
  });

  async function pump(): Promise<void> {
    const decoder = new TextDecoder();
    const reader = response.body!.getReader();
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        parser.feed(decoder.decode(value, { stream: true }));
        changed();
      }
    } catch {
      // A stream that we or the server cut ends like one that was closed.
    }
    over = true;
    changed();
  }
  if (response.ok && response.body !== null) void pump();

  function when(holds: () => boolean, ms: number, words: () => string): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(words())), ms);
      const previous = changed;
      changed = () => {
        previous();
        if (!holds()) return;
        clearTimeout(timer);
        resolve();
      };
      changed();
    });
  }

  return {
    response,
    events,
    comments,
    retries,
    async until(count, ms = 5_000) {
      await when(
        () => events.length >= count,
        ms,
        () => `only ${events.length} of ${count} events after ${ms} ms${over ? ", and the stream is over" : ""}`,
      );
      return events;
    },
    ended: (ms = 5_000) =>
      when(
        () => over,
        ms,
        () => `the stream is still open after ${ms} ms`,
      ),
    close: () => stop.abort(),
  };
}
