/** A queue on a server in memory, and requests that may be left while they wait. */
import * as assert from "uvu/assert";
import type { Reply } from "./client.ts";
import { type MemoryApp, openApp } from "./memory_app.ts";

export const SERVICE = "the-service-token";

export interface Waiting {
  /** Undefined while it waits. */
  reply: Reply | undefined;
  leave(): void;
}

export interface Claimed {
  id: string;
  payload: unknown;
  attempt: number;
  max_attempts: number;
  lease_token: string;
  lease_expires_at: string;
}

export interface Queued extends MemoryApp {
  /** With the service token, or the one given. */
  ask(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
  /** Sends a request and lets the server do what it does before it waits. */
  begin(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Waiting>;
  /** Puts a job into the queue `work`. */
  push(payload: unknown, fields?: Record<string, unknown>): Promise<Reply["body"]>;
  claim(fields?: Record<string, unknown>): Promise<Claimed[]>;
  /** Claims one job. */
  take(fields?: Record<string, unknown>): Promise<Claimed>;
  ack(job: Pick<Claimed, "id" | "lease_token">): Promise<Reply>;
  job(id: string): Promise<Reply["body"]>;
}

export function openQueued(options: Parameters<typeof openApp>[0] = {}): Queued {
  const server = openApp({ ...options, settings: { datastoreToken: SERVICE, ...options.settings } });
  const { client } = server;
  const bearer = { Authorization: `Bearer ${SERVICE}` };
  const ask: Queued["ask"] = (method, path, body, headers = {}) =>
    client.send(method, path, { ...(body === undefined ? {} : { body }), headers: { ...bearer, ...headers } });

  async function answer(status: number, sent: Promise<Reply>): Promise<Reply["body"]> {
    const reply = await sent;
    assert.is(reply.status, status, JSON.stringify(reply.body));
    return reply.body;
  }

  const claim: Queued["claim"] = async (fields = {}) =>
    (await answer(200, ask("POST", "/queue/work/claim", fields))).jobs;

  return {
    ...server,
    ask,
    async begin(method, path, body, headers = {}) {
      const gone = new AbortController();
      const request = new Request(client.base + path, {
        method,
        headers: { "Content-Type": "application/json", ...bearer, ...headers },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: gone.signal,
      });
      const made: Waiting = { reply: undefined, leave: () => gone.abort() };
      server
        .fetcher(request)
        .then(async (response) => {
          const { status, headers: answered } = response;
          made.reply = { status, headers: answered, body: JSON.parse(await response.text()) };
        })
        // Of one who has left the answer breaks off.
        .catch(() => undefined);
      // A body is read over several turns.
      for (let turns = 0; turns < 3; turns += 1) await server.advance(0);
      return made;
    },
    push: (payload, fields = {}) => answer(201, ask("POST", "/queue/work", { payload, ...fields })),
    claim,
    async take(fields = {}) {
      const [job] = await claim(fields);
      assert.ok(job, "there is no job to claim");
      return job;
    },
    ack: ({ id, lease_token }) => ask("DELETE", `/queue/work/${id}`, undefined, { "X-Lease-Token": lease_token }),
    job: (id) => answer(200, ask("GET", `/queue/work/${id}`)),
  };
}

/** The code of a refusal, with what its details say. */
export function refusal({ status, body }: Reply): [status: number, code: string, reason?: unknown] {
  const { code, details } = body.error;
  return details?.reason === undefined ? [status, code] : [status, code, details.reason];
}
