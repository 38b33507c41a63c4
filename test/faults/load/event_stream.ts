/**
 * Server-Sent Events as an `EventSource` reads them (WHATWG HTML, section 9.2.6): an `id` counts when its block ends, with data or without, and a block that the
 * end of the stream cuts off counts for nothing. eventsource-parser, which the other tests use, does not tell of blocks without data.
 */
export interface StreamEvent {
  id: string;
  event: string;
  data: string;
}

export interface EventStream {
  /** Takes decoded text as it comes, cut anywhere. */
  feed(text: string): void;
  /** The id to come back with. */
  lastEventId(): string;
}

export interface EventStreamOptions {
  /** The id that the stream was asked to go on from. */
  lastEventId?: string;
  onEvent(event: StreamEvent): void;
  onRetry?(ms: number): void;
}

export function createEventStream(options: EventStreamOptions): EventStream {
  let last = options.lastEventId ?? "";
  let id = last;
  let event = "";
  let data: string[] = [];
  let rest = "";
  let begun = false;

  function field(name: string, value: string): void {
    if (name === "data") data.push(value);
    else if (name === "event") event = value;
    // A copy: a slice would keep alive all the text that came with it.
    else if (name === "id" && !value.includes("\0")) id = Buffer.from(value).toString();
    else if (name === "retry" && /^\d+$/.test(value)) options.onRetry?.(Number(value));
  }

  function line(text: string): void {
    if (text === "") return void dispatch();
    const colon = text.indexOf(":");
    if (colon === 0) return;
    if (colon < 0) return void field(text, "");
    field(text.slice(0, colon), text.slice(text[colon + 1] === " " ? colon + 2 : colon + 1));
  }

  function dispatch(): void {
    last = id;
    const ready = { id, event: event || "message", data: data.join("\n") };
    const any = data.length > 0;
    data = [];
    event = "";
    if (any) options.onEvent(ready);
  }

  return {
    feed(text) {
      if (text === "") return;
      rest += begun ? text : text.replace(/^\ufeff/, "");
      begun = true;
      let from = 0;
      for (;;) {
        const end = endOfLine(rest, from);
        if (end === null) break;
        line(rest.slice(from, end.at));
        from = end.next;
      }
      rest = rest.slice(from);
    },
    lastEventId: () => last,
  };
}

/** Where the line that begins at `from` ends; null: not yet, or its CR may be followed by a LF still to come. */
function endOfLine(text: string, from: number): { at: number; next: number } | null {
  const lf = text.indexOf("\n", from);
  const cr = text.lastIndexOf("\r", lf < 0 ? text.length : lf) < from ? -1 : text.indexOf("\r", from);
  if (cr < 0) return lf < 0 ? null : { at: lf, next: lf + 1 };
  if (cr + 1 === text.length) return null;
  return { at: cr, next: text[cr + 1] === "\n" ? cr + 2 : cr + 1 };
}
