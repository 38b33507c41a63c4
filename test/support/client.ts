/** A small REST client for tests: JSON in, status and JSON out, over the network or into an app in memory. */

export type Fetcher = (request: Request) => Promise<Response>;

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  body: any;
}

export interface CreatedChannel {
  id: string;
  url: string;
  publish_token: string;
  read_token?: string;
  read_grant_id?: string;
}

export function createClient(base: string, fetcher: Fetcher = fetch) {
  async function send(
    method: string,
    path: string,
    options: { body?: unknown; raw?: string | Uint8Array | ReadableStream; headers?: Record<string, string> } = {},
  ): Promise<Reply> {
    const json = options.body === undefined ? undefined : JSON.stringify(options.body);
    const request = new Request(base + path, {
      method,
      headers: { ...(json === undefined ? {} : { "Content-Type": "application/json" }), ...options.headers },
      ...(json === undefined ? {} : { body: json }),
      ...(options.raw === undefined ? {} : { body: options.raw, duplex: "half" }),
    } as RequestInit);
    const response = await fetcher(request);
    const text = await response.text();
    const type = response.headers.get("content-type") ?? "";
    return {
      status: response.status,
      headers: response.headers,
      body: type.startsWith("application/json") ? JSON.parse(text) : text,
    };
  }

  return {
    base,
    send,
    async createChannel(fields: Record<string, unknown> = {}): Promise<CreatedChannel> {
      const { status, body } = await send("POST", "/v1/channels", {
        body: { name: "test", visibility: "public", ...fields },
      });
      if (status !== 201) throw new Error(`no channel: ${status} ${JSON.stringify(body)}`);
      return body;
    },
    publish(channel: CreatedChannel, payload: unknown, fields: Record<string, unknown> = {}): Promise<Reply> {
      return send("POST", `/v1/channels/${channel.id}/publish`, {
        body: { payload, ...fields },
        headers: { "X-Publish-Token": channel.publish_token },
      });
    },
  };
}

export type Client = ReturnType<typeof createClient>;
