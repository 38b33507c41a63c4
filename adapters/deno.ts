/** Millrace on Deno: `deno run -A adapters/deno.ts`. */
import type { Host } from "../core/mod.ts";
import { streamResponse } from "../core/ports/stream.ts";
import { boot, isEntry, type Listen } from "./boot.ts";

/** The part of Deno's server that we use. */
interface DenoServe {
  serve(
    options: { hostname: string; port: number; onListen(): void },
    handler: (request: Request, info: { remoteAddr: { hostname: string } }) => Promise<Response>,
  ): { addr: { port: number }; shutdown(): Promise<void> };
}

export const listenOnDeno: Listen = async (app, { host, port, apps }) => {
  const { serve } = (globalThis as unknown as { Deno: DenoServe }).Deno;
  const server = serve({ hostname: host, port, onListen: () => undefined }, (request, info) => {
    const local: Host = { address: info.remoteAddr.hostname, apps, stream: streamResponse };
    return app.fetch(request, local);
  });
  return {
    port: server.addr.port,
    // Deno's shutdown takes the bodies away that are still coming in, so it waits until none are; until then the app itself refuses.
    refuse: () => undefined,
    async close() {
      while (app.requests() > 0) await new Promise((resolve) => setTimeout(resolve, 10));
      await server.shutdown();
    },
  };
};

if (isEntry(import.meta)) await boot(listenOnDeno);
