/** Millrace on Bun: `bun adapters/bun.ts`. */
import type { Host } from "../core/mod.ts";
import { streamResponse } from "../core/ports/stream.ts";
import { boot, isEntry, type Listen } from "./boot.ts";

/** The part of Bun's server that we use; `@types/bun` would replace the globals of the other runtimes. */
interface BunServer {
  port: number;
  requestIP(request: Request): { address: string } | null;
  stop(closeActiveConnections?: boolean): Promise<void>;
}

interface BunServe {
  serve(options: {
    hostname: string;
    port: number;
    idleTimeout: number;
    maxRequestBodySize: number;
    development: boolean;
    error(): Response;
    fetch(request: Request, server: BunServer): Promise<Response>;
  }): BunServer;
}

export const listenOnBun: Listen = async (app, { host, port, apps }) => {
  const { serve } = (globalThis as unknown as { Bun: BunServe }).Bun;
  const server = serve({
    hostname: host,
    port,
    // Bun would end silent streams and long tool calls after 10 s.
    idleTimeout: 0,
    // And cut bodies off at 128 MiB; how large one may be is decided where it is read.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Its own page for an error shows stack and sources to the caller.
    development: false,
    error: () => new Response(null, { status: 500 }),
    async fetch(request, self) {
      const local: Host = { address: self.requestIP(request)?.address ?? "", apps, stream: streamResponse };
      // HTTP/1.0 may leave the Host header out, as health checks do; all that Bun then gives as a URL is the path.
      const whole = request.headers.has("host") ? request : new Request(`http://localhost${request.url}`, request);
      const answer = await app.fetch(whole, local);
      // Bun takes in what is left of a body by itself. Told to close, it would cut off a sender who has not read the answer yet.
      if (request.body !== null) answer.headers.delete("Connection");
      return answer;
    },
  });
  return { port: server.port, refuse: () => void server.stop(), close: () => server.stop() };
};

if (isEntry(import.meta)) await boot(listenOnBun);
