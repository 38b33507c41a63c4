/** Feed operations as Server-Sent Events (WHATWG HTML, section 9.2). */
import type { Feed, Wire } from "../kernel/feed.ts";
import type { Followers } from "../kernel/follow.ts";
import type { Corridor } from "../kernel/invoke.ts";
import { endpointsOf, type Operation } from "../kernel/operation.ts";
import type { Settings } from "../kernel/settings.ts";
import { Fault } from "../ports/fault.ts";
import { EVENT_STREAM_HEADERS, framed, HEARTBEAT } from "./event_stream.ts";
import { pollFace } from "./poll.ts";
import { closedUntilConfigured, httpCall } from "./rest.ts";
import type { Exchange, Route } from "./route.ts";

/** Ids come from a closed alphabet, so no field can be injected by them. */
export const sseWire: Wire = {
  opening: (retryMs) => `retry: ${retryMs}\n: open\n\n`,
  heartbeat: HEARTBEAT,
  before: (id) => `id: ${id}\nevent: message\ndata: `,
  after: "\n\n",
  mark: (id) => `id: ${id}\n\n`,
  notice: (event, json, id) => `id: ${id}\n${framed(event, json)}`,
  farewell: (retryMs) => `retry: ${retryMs}\n: come back\n\n`,
};

export function sseRoutes(
  operations: readonly Operation[],
  corridor: Corridor,
  { followers, settings }: { followers: Followers; settings: Settings },
): Route[] {
  return operations.flatMap((operation) => {
    if (operation.kind !== "feed") return [];
    const poll = pollFace(operation, corridor, settings);
    return endpointsOf(operation).map((endpoint) => ({
      ...endpoint,
      ...closedUntilConfigured(operation, settings),
      async serve(exchange: Exchange) {
        const once = poll(exchange);
        if (once !== null) return once;
        // An EventSource never comes back from a 503, but from a stream that ends it does.
        if (!followers.isOpen()) return turnedAway(exchange, followers);
        const answer = await corridor(operation, httpCall(operation, exchange, settings)).catch(refuseUnlessAway);
        if (answer === null) return turnedAway(exchange, followers);
        const { value, principals, headers } = answer;
        const init = { status: 200, headers: new Headers({ ...headers, ...EVENT_STREAM_HEADERS }) };
        if (exchange.request.method === "HEAD") return new Response(null, init);
        return exchange.host.stream((sink) => {
          const credentials = principals.flatMap(({ holds }) => holds);
          followers.follow(operation.name, value as Feed, { sink, credentials });
        }, init);
      },
    }));
  });
}

/** Says when to come back, and ends. */
function turnedAway({ host, request }: Exchange, followers: Followers): Response {
  const init = { status: 200, headers: new Headers(EVENT_STREAM_HEADERS) };
  return request.method === "HEAD" ? new Response(null, init) : host.stream(followers.turnAway, init);
}

/** A store that cannot be reached now is no reason for a reader to give up for good. */
function refuseUnlessAway(error: unknown): null {
  if (error instanceof Fault && error.code === "unavailable") return null;
  throw error;
}
