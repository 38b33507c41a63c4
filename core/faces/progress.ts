/**
 * Calls that tell how far they are: where an operation declares `progress` and the request's `Accept` names `text/event-stream`, the answer is a stream of
 * Server-Sent Events, `progress` as it changes and in the end `result` or `error`. Until the first progress nothing is sent, so what ends before
 * it is answered as ever. A reader never holds up the work: of what it has not taken yet only the newest is kept.
 */
import type { Call } from "../kernel/call.ts";
import type { Answer, Corridor } from "../kernel/invoke.ts";
import { bodyRuleOf, type Operation } from "../kernel/operation.ts";
import { Fault } from "../ports/fault.ts";
import type { Sink } from "../ports/host.ts";
import { EVENT_STREAM_HEADERS, framed } from "./event_stream.ts";
import { type Exchange, envelope } from "./route.ts";

/**
 * How long the end of a body is held back once its answer has begun, in milliseconds: a connection that is cut then looks to Deno like the body's end, and
 * the cut itself is told a moment later. Half a file must not pass for a whole one.
 */
const CUT_TOLD_MS = 100;

const encoder = new TextEncoder();

/** Whether the caller is told of progress. */
export function wantsProgress(operation: Operation, { method, headers }: Request): boolean {
  if (operation.kind !== "call" || operation.progress === undefined || method === "HEAD") return false;
  const ranges = (headers.get("accept") ?? "").toLowerCase().split(",");
  return ranges.some((range) => /^\s*text\/event-stream\s*(;|$)/.test(range) && !/;\s*q=0(\.0*)?\s*(;|$)/.test(range));
}

/** Walks with a call that takes progress: the stream as soon as there is some, and what the corridor gave or threw when it ended before that. */
export function answerWithProgress(
  operation: Operation,
  { call, exchange }: { call: Call; exchange: Exchange },
  corridor: Corridor,
): Promise<Response | Answer> {
  const gone = new AbortController();
  return new Promise((resolve, reject) => {
    let told: Told | null = null;
    const listening: Call = Object.assign(Object.create(call) as Call, {
      progress(value: unknown) {
        if (told === null) {
          const first = createTold(() => gone.abort(left()));
          told = first;
          const init = { status: 200, headers: new Headers(EVENT_STREAM_HEADERS) };
          resolve(exchange.host.stream(first.follow, init));
        }
        told.progress(value);
      },
      read: async () => brokenOffBy({ gone: gone.signal, begun: () => told !== null }, operation, await call.read()),
    });
    corridor(operation, listening).then(
      (answer) => (told === null ? resolve(answer) : told.end("result", answer.value)),
      (error) => (told === null ? reject(error) : told.end("error", envelope(faultOf(error), exchange.requestId))),
    );
  });
}

interface Told {
  progress(value: unknown): void;
  end(event: "result" | "error", value: unknown): void;
  /** Tells the sink what there is, and from then on what comes. */
  follow(sink: Sink): void;
}

/** Keeps the newest progress and the end until a sink takes them. `leave` is called when the reader goes away before the end. */
function createTold(leave: () => void): Told {
  let newest: string | null = null;
  let last: string | null = null;
  let sink: Sink | null = null;
  let writing = false;

  /** Progress waits for the reader; the end does not, since after it nothing more can pile up. */
  async function write(to: Sink): Promise<void> {
    if (writing && last === null) return;
    writing = true;
    while (last === null && newest !== null && !to.closed.aborted) {
      const text = newest;
      newest = null;
      to.write(encoder.encode(text));
      await to.drained();
    }
    writing = false;
    if (last === null || to.closed.aborted) return;
    to.write(encoder.encode((newest ?? "") + last));
    to.close();
  }

  const changed = () => void (sink === null ? null : write(sink));

  return {
    progress(value) {
      newest = framed("progress", JSON.stringify(value));
      changed();
    },
    end(event, value) {
      last = framed(event, JSON.stringify(value));
      changed();
    },
    follow(given) {
      sink = given;
      const over = () => (last === null ? leave() : undefined);
      if (given.closed.aborted) over();
      else given.closed.addEventListener("abort", over, { once: true });
      changed();
    },
  };
}

interface Caller {
  gone: AbortSignal;
  /** Whether the answer has begun. */
  begun(): boolean;
}

/** The input with a body that fails once the caller has left: the answer may end before the request does. */
function brokenOffBy(caller: Caller, operation: Operation, input: unknown): unknown {
  const field = bodyRuleOf(operation)?.stream;
  if (field === undefined) return input;
  const fields = input as Record<string, unknown>;
  return { ...fields, [field]: endedBy(caller, fields[field] as ReadableStream<Uint8Array>) };
}

function endedBy({ gone, begun }: Caller, body: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        const end = () => {
          controller.error(gone.reason);
          void reader.cancel().catch(() => undefined);
        };
        gone.addEventListener("abort", end, { once: true });
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done && begun()) await aborted(gone, CUT_TOLD_MS);
        if (gone.aborted) return;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** Until it is aborted, or the time is over. */
function aborted(signal: AbortSignal, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, ms);
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}

function left(): Fault {
  return new Fault("invalid_input", "The caller left before the end of the body; send all of it");
}

function faultOf(error: unknown): Fault {
  return error instanceof Fault ? error : new Fault("internal", "Something went wrong on our side");
}
