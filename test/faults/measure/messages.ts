/** Messages as a publisher and a reader have them: sent under a key, and read back whole. */
import { type CreatedChannel, createClient } from "../../support/client.ts";
import { openEvents } from "../../support/event_stream.ts";

/** A message that somebody sent, and what came of it. */
export interface Sent {
  key: string;
  payload: string;
  ttlSeconds?: number;
  /** A mark that readings leave out. */
  end?: boolean;
  /** The id of the acknowledged message; null: it was refused, or nobody knows. */
  id: string | null;
}

export interface Held {
  id: string;
  payload: unknown;
  payload_error?: string;
  metadata: { mark?: string } | null;
  created_at: string;
  expires_at: string;
}

const PATIENCE_MS = 15_000;

const HELD_MS = 30_000;

/** What `readHeld` adds to a channel to know that it has read everything; its payload may be damaged like any other. */
const END = "the end of what is held";
const isEnd = ({ metadata }: Held) => metadata?.mark === END;

/** Sends it once under its key; resolves with the status, null when there was no answer. The id is kept when it is acknowledged. */
export async function send(url: string, channel: CreatedChannel, sent: Sent): Promise<number | null> {
  const { key, payload, ttlSeconds, end } = sent;
  const reply = await createClient(url, impatient)
    .send("POST", `/v1/channels/${channel.id}/publish`, {
      body: {
        payload,
        ...(ttlSeconds === undefined ? {} : { ttl_seconds: ttlSeconds }),
        ...(end ? { metadata: { mark: END } } : {}),
      },
      headers: { "X-Publish-Token": channel.publish_token, "Idempotency-Key": key },
    })
    .catch(() => null);
  if (reply?.status === 201) sent.id = reply.body.id;
  return reply?.status ?? null;
}

const impatient = (request: Request) => fetch(request, { signal: AbortSignal.timeout(PATIENCE_MS) });

/**
 * Everything that the channel holds, as a stream from its beginning gives it, coming back when it is cut; it ends with a message that this sends.
 * When that does not come in time, what has come.
 */
export async function readHeld(url: string, channel: CreatedChannel): Promise<Held[]> {
  const end: Sent = { key: crypto.randomUUID(), payload: "", end: true, id: null };
  const status = await send(url, channel, end);
  if (end.id === null) throw new Error(`the last message was answered ${status}`);
  const held: Held[] = [];
  const deadline = performance.now() + HELD_MS;
  while (held.at(-1)?.id !== end.id && performance.now() < deadline) {
    const last = held.at(-1)?.id;
    const after = last === undefined ? "?from=earliest" : `?after=${last}`;
    held.push(...(await readUntil(`${url}/v1/public/${channel.id}${after}`, end.id, deadline - performance.now())));
  }
  return held.filter((message) => !isEnd(message));
}

/** What one stream gives until it gives this id, or ends, or is silent for long. */
async function readUntil(url: string, id: string, ms: number): Promise<Held[]> {
  const stream = await openEvents(url);
  const ended = stream.ended(ms).catch(() => undefined);
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over && stream.events.at(-1)?.id !== id)
    await Promise.race([stream.until(stream.events.length + 1, ms).catch(() => undefined), ended]);
  stream.close();
  return stream.events.flatMap(({ event, data }) => (event === "message" ? [JSON.parse(data) as Held] : []));
}

/** The same, page by page, by the route for services beside the server. */
export async function readInternal(url: string, channel: CreatedChannel, token: string): Promise<Held[]> {
  return await readPages(async (after) => {
    const query = after === null ? "" : `&after_message_id=${after}`;
    const reply = await createClient(url).send(
      "GET",
      `/internal/v1/channels/${channel.id}/messages?limit=200${query}`,
      {
        headers: { Authorization: `Bearer ${token}` },
      },
    );
    if (reply.status !== 200) throw new Error(`the internal route answered ${reply.status}`);
    return reply.body;
  });
}

/** The same, by the MCP tool. */
export async function readTool(url: string, channel: CreatedChannel): Promise<Held[]> {
  return await readPages(async (after) => {
    const args = { channel_id: channel.id, limit: 200, ...(after === null ? {} : { after_message_id: after }) };
    const reply = await createClient(url).send("POST", "/mcp", {
      body: { jsonrpc: "2.0", id: 1, method: "tools/call", params: { name: "read_channel_messages", arguments: args } },
      headers: { Accept: "application/json, text/event-stream" },
    });
    const content = reply.body?.result?.structuredContent;
    if (content === undefined) throw new Error(`the tool answered ${reply.status} ${JSON.stringify(reply.body)}`);
    return content;
  });
}

async function readPages(
  page: (after: string | null) => Promise<{ messages: Held[]; next_cursor: string | null }>,
): Promise<Held[]> {
  const held: Held[] = [];
  for (let after: string | null = null; ; ) {
    const { messages, next_cursor } = await page(after);
    held.push(...messages);
    if (messages.length === 0) return held.filter((message) => !isEnd(message));
    after = next_cursor;
  }
}
