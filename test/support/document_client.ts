/** A server in memory with documents, and a caller who holds the service token. */
import * as assert from "uvu/assert";
import type { Reply } from "./client.ts";
import { type EventReader, openEvents } from "./event_stream.ts";
import { type MemoryApp, type MemoryAppOptions, openApp } from "./memory_app.ts";

export const TOKEN = "the-service-token";

export interface DocumentApp extends MemoryApp {
  /** Sends a request; `body` goes as JSON. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** The same with a body as it is. */
  raw(
    method: string,
    path: string,
    body: string | Uint8Array | ReadableStream,
    headers?: Record<string, string>,
  ): Promise<Reply>;
  /** Puts a document into the namespace `n`; anything but 201 is an error. */
  put(key: string, payload: unknown, more?: Record<string, unknown>): Promise<Reply>;
  /** Declares schema and indexes of the namespace `n`. */
  declare(fields: Record<string, unknown>): Promise<Reply["body"]>;
  /** Follows the changes of the namespace `n`. */
  follow(query?: string, headers?: Record<string, string>): Promise<EventReader>;
}

export function openDocuments(options: MemoryAppOptions = {}): DocumentApp {
  const server = openApp({ ...options, settings: { datastoreToken: TOKEN, ...options.settings } });
  const bearer = { Authorization: `Bearer ${TOKEN}` };
  const ask: DocumentApp["ask"] = (method, path, body, headers = {}) =>
    server.client.send(method, path, { ...(body === undefined ? {} : { body }), headers: { ...bearer, ...headers } });
  return {
    ...server,
    ask,
    raw: (method, path, raw, headers = {}) =>
      server.client.send(method, path, { raw, headers: { ...bearer, ...headers } }),
    async put(key, payload, more = {}) {
      const reply = await ask("POST", "/document", { namespace: "n", key, payload, ...more });
      assert.is(reply.status, 201, JSON.stringify(reply.body));
      return reply;
    },
    async declare(fields) {
      const reply = await ask("PUT", "/document-namespaces/n/schema", fields);
      assert.is(reply.status, 200, JSON.stringify(reply.body));
      return reply.body;
    },
    follow: (query = "", headers = {}) =>
      openEvents(
        `http://millrace.test/document-namespaces/n/changes${query}`,
        { ...bearer, ...headers },
        server.fetcher,
      ),
  };
}
