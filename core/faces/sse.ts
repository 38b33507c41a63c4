/** Feed operations as Server-Sent Events (WHATWG HTML, section 9.2). */
import type { Feed, Wire } from "../kernel/feed.ts";
import type { Followers } from "../kernel/follow.ts";
import type { Corridor } from "../kernel/invoke.ts";
import { endpointsOf, type Operation } from "../kernel/operation.ts";
import type { Settings } from "../kernel/settings.ts";
import { httpCall } from "./rest.ts";
import type { Exchange, Route } from "./route.ts";

const encoder = new TextEncoder();

/** Ids and event names come from closed alphabets and the data is JSON on one line, so no field can be injected. */
export const sseWire: Wire = {
  opening: encoder.encode(": open\n\n"),
  heartbeat: encoder.encode(": \n\n"),
  message: (id, json) => encoder.encode(`id: ${id}\nevent: message\ndata: ${json}\n\n`),
  mark: (id) =>
    encoder.encode(`id: ${id}

`),
  notice: (event, json, id) =>
    encoder.encode(`id: ${id}
event: ${event}
data: ${json}

`),
};

export function sseRoutes(
  operations: readonly Operation[],
  corridor: Corridor,
  options: { followers: Followers; settings: Settings },
): Route[] {
  return operations.flatMap((operation) => {
    if (operation.kind !== "feed") return [];
    return endpointsOf(operation).map((endpoint) => ({
      ...endpoint,
      async serve(exchange: Exchange) {
        const { value, principal, headers } = await corridor(
          operation,
          httpCall(operation, exchange, options.settings),
        );
        const init = { status: 200, headers: new Headers({ ...headers, ...SSE_HEADERS }) };
        if (exchange.request.method === "HEAD") return new Response(null, init);
        return exchange.host.stream((sink) => {
          options.followers.follow(operation.name, value as Feed, { sink, credential: principal?.id ?? null });
        }, init);
      },
    }));
  });
}

/** Nothing between us and the reader may hold back, compress or store the stream. */
const SSE_HEADERS = {
  "Content-Type": "text/event-stream; charset=utf-8",
  "Cache-Control": "no-store, no-transform",
  "X-Accel-Buffering": "no",
};
