/**
 * Calls that tell how far they are: where an operation declares `progress` and the request's `Accept` names `text/event-stream`, the answer is a stream of
 * Server-Sent Events, `progress` as it changes and in the end `result` or `error`. Until the first progress nothing is sent, so what ends before
 * it is answered as ever. A reader never holds up the work: of what it has not taken yet only the newest is kept.
 */
import type { Call } from "../kernel/call.ts";
import type { House } from "../kernel/context.ts";
import { type Answer, asFault, type Corridor } from "../kernel/invoke.ts";
import { lazyReader } from "../kernel/lazy_reader.ts";
import { bodyRuleOf, type Operation } from "../kernel/operation.ts";
import { Fault } from "../ports/fault.ts";
import { EVENT_STREAM_HEADERS } from "./event_stream.ts";
import { createProgressStream, type ProgressStream } from "./progress_stream.ts";
import { type Exchange, envelope } from "./route.ts";

/**
 * How long the end of a body is held back once its answer has begun, in milliseconds: a connection that is cut then looks to Deno like the body's end, and
 * the cut itself is seen a moment later. Half a file must not pass for a whole one. Real time, whatever the house's clock says: it is the connection that
 * is waited for, and no work.
 */
const CUT_SEEN_MS = 100;

/** Whether the caller is told of progress. */
export function wantsProgress(operation: Operation, { method, headers }: Request): boolean {
  if (operation.kind !== "call" || operation.progress === undefined || method === "HEAD") return false;
  const ranges = (headers.get("accept") ?? "").toLowerCase().split(",");
  return ranges.some((range) => /^\s*text\/event-stream\s*(;|$)/.test(range) && !/;\s*q=0(\.0*)?\s*(;|$)/.test(range));
}

export interface ProgressCall {
  operation: Operation;
  call: Call;
  exchange: Exchange;
}

/** Walks with a call that takes progress: the stream as soon as there is some, and what the corridor gave or threw when it ended before that. */
export function answerWithProgress(
  { operation, call, exchange }: ProgressCall,
  corridor: Corridor,
  { clock, log, settings }: Pick<House, "clock" | "log" | "settings">,
): Promise<Response | Answer> {
  const { host, requestId } = exchange;
  const gone = new AbortController();
  return new Promise((resolve, reject) => {
    let stream: ProgressStream | null = null;

    function begin(headers: Record<string, string>): ProgressStream {
      const { heartbeatMs } = settings;
      const begun = createProgressStream({ clock, heartbeatMs, leave: () => gone.abort(left()) });
      const init = { status: 200, headers: new Headers({ ...headers, ...EVENT_STREAM_HEADERS }) };
      resolve(host.stream(begun.follow, init));
      return begun;
    }

    function fail(error: unknown): void {
      if (stream === null) reject(error);
      else stream.end("error", envelope(asFault(error, { log }, requestId), requestId));
    }

    const listening: Call = Object.assign(Object.create(call) as Call, {
      progress(value: unknown, headers: Record<string, string>) {
        stream ??= begin(headers);
        stream.progress(value);
      },
      read: async () => brokenOffBy({ gone: gone.signal, begun: () => stream !== null }, operation, await call.read()),
    });
    corridor(operation, listening)
      .then((answer) => (stream === null ? resolve(answer) : stream.end("result", answer.value)))
      .catch(fail);
  });
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
  const reader = lazyReader(body);
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
        if (done && begun()) await aborted(gone, CUT_SEEN_MS);
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
