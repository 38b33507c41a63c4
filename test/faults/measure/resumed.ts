/** What a stream gives to a reader that comes with a cursor. */
import { createEventStream, type StreamEvent } from "../load/event_stream.ts";
import { follow } from "../load/http.ts";

export interface Given {
  /** 0: no answer. */
  status: number;
  messages: { id: string; expiresAt: number /** When it came, on this process's clock. */; at: number }[];
  /** `gap` and `reset` events. */
  notices: Notice[];
  /** The server has ended the stream. */
  ended: boolean;
}

export interface Notice {
  event: string;
  after: string;
  lost_through?: string;
  earliest?: string | null;
  /** How many messages came before it. */
  place: number;
}

export interface OpenStream {
  given: Given;
  /** Resolves when a message of this id has come, when the stream has ended, and after `ms` at the latest. */
  until(id: string | null, ms: number): Promise<void>;
  close(): void;
}

/** Follows a public channel after a cursor; null: from the earliest message. */
export function openStream(url: string, channel: string, after: string | null): OpenStream {
  const given: Given = { status: 0, messages: [], notices: [], ended: false };
  let changed = () => {};
  const note = ({ id, event, data }: StreamEvent) => {
    const particulars = JSON.parse(data);
    if (event === "message") given.messages.push({ id, expiresAt: Date.parse(particulars.expires_at), at: Date.now() });
    else given.notices.push({ event, ...particulars, place: given.messages.length });
    changed();
  };
  const stream = createEventStream({ onEvent: note });
  const going = follow(`${url}/v1/public/${channel}${after === null ? "?from=earliest" : ""}`, {
    headers: after === null ? {} : { "Last-Event-ID": after },
    onText: stream.feed,
    onOpen(status) {
      given.status = status;
    },
  });
  let closed = false;
  void going.over.then(() => {
    if (!closed) given.ended = true;
    changed();
  });
  return {
    given,
    until(id, ms) {
      return new Promise((resolve) => {
        const timer = setTimeout(resolve, ms);
        changed = () => {
          if (!given.ended && given.messages.at(-1)?.id !== id) return;
          clearTimeout(timer);
          resolve();
        };
        changed();
      });
    },
    close() {
      closed = true;
      going.close();
    },
  };
}

/** One resumption, until a message has come or the time is over. */
export async function resume(
  url: string,
  channel: string,
  how: { after: string | null; until: string | null; ms: number },
): Promise<Given> {
  const stream = openStream(url, channel, how.after);
  await stream.until(how.until, how.ms);
  stream.close();
  return stream.given;
}
