/** What all answers as Server-Sent Events have in common (WHATWG HTML, section 9.2): how an event is framed, and the head of the answer. */

/** One event. Its name comes from a closed alphabet and the data is JSON on one line, so no field can be injected. */
export function framed(event: string, json: string): string {
  return `event: ${event}\ndata: ${json}\n\n`;
}

/** A comment, which no reader sees: it says that the connection lives. */
export const HEARTBEAT = ": \n\n";

/** Nothing between us and the reader may hold back, compress or store the stream. */
export const EVENT_STREAM_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
};
