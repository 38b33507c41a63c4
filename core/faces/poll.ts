/** The other form of a feed's URLs: one answer as JSON, for clients that cannot hold a stream open or do not get it unbuffered. */
import type { Corridor } from "../kernel/invoke.ts";
import { type Operation, pollOf } from "../kernel/operation.ts";
import type { Settings } from "../kernel/settings.ts";
import { httpCall } from "./rest.ts";
import { type Exchange, json, type Text } from "./route.ts";

/** Answers requests that ask for this form; null for all others. */
export type PollFace = (exchange: Exchange) => Promise<Text> | null;

export function pollFace(feed: Operation, corridor: Corridor, settings: Settings): PollFace {
  const poll = pollOf(feed);
  if (poll === null) return () => null;
  const { field, operation } = poll;

  async function answer(exchange: Exchange): Promise<Text> {
    const call = httpCall(operation, exchange, settings);
    // Nobody reads what the answer to a HEAD would wait for: its caller counts as gone.
    const asked = exchange.request.method === "HEAD" ? { ...call, signal: AbortSignal.abort() } : call;
    const { value, status, headers } = await corridor(operation, asked);
    return json(value, { status, headers });
  }

  return (exchange) => (exchange.url.searchParams.has(field) ? answer(exchange) : null);
}
