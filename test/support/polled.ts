/** A channel that is polled, on a server in memory. */
import * as assert from "uvu/assert";
import type { CreatedChannel, Reply } from "./client.ts";
import { type MemoryApp, openApp } from "./memory_app.ts";

export interface Poll {
  /** Undefined while it waits. */
  reply: Reply | undefined;
  leave(): void;
}

export interface Polled extends MemoryApp {
  channel: CreatedChannel;
  /** Polls the channel and lets the server do what it does before it waits. */
  poll(
    query: string,
    of?: { channel?: CreatedChannel; headers?: Record<string, string>; method?: string },
  ): Promise<Poll>;
  /** The answer of a poll that does not wait. */
  answer(query: string): Promise<Reply["body"]>;
}

/** A server with a channel of these fields. */
export async function openPolled(
  options: Parameters<typeof openApp>[0] = {},
  fields: Record<string, unknown> = {},
): Promise<Polled> {
  const server = openApp(options);
  const channel = await server.client.createChannel(fields);
  const poll: Polled["poll"] = async (query, of = {}) => {
    const at = of.channel ?? channel;
    // A token is hashed on another thread; once it is remembered, a poll stands where it waits after one turn.
    if (of.headers !== undefined) await server.fetcher(new Request(at.url, { method: "HEAD", headers: of.headers }));
    const gone = new AbortController();
    const request = new Request(`${at.url}?${query}`, {
      method: of.method ?? "GET",
      headers: of.headers ?? {},
      signal: gone.signal,
    });
    const made: Poll = { reply: undefined, leave: () => gone.abort() };
    const read = async (response: Response) => {
      const text = await response.text();
      const { status, headers } = response;
      made.reply = { status, headers, body: text === "" ? text : JSON.parse(text) };
    };
    // Of one who has left the answer breaks off.
    server
      .fetcher(request)
      .then(read)
      .catch(() => undefined);
    await server.advance(0);
    return made;
  };
  return {
    ...server,
    channel,
    poll,
    async answer(query) {
      const { reply } = await poll(query);
      assert.is(reply?.status, 200, JSON.stringify(reply?.body));
      return reply!.body;
    },
  };
}

/** The payloads of an answer. */
export const payloads = (body: { messages: { payload: unknown }[] }) => body.messages.map(({ payload }) => payload);

/** Publishes the values and returns their ids. */
export async function published({ client, channel }: Polled, ...values: unknown[]): Promise<string[]> {
  const ids: string[] = [];
  for (const value of values) ids.push((await client.publish(channel, value)).body.id);
  return ids;
}
