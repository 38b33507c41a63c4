/** Millrace on Node: `node adapters/node.ts` (24 and newer), `node --import ./scripts/typescript.mjs adapters/node.ts` (20, 22). */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer } from "node:http";
import { Server as NetServer } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import type { Host, Sink } from "../core/mod.ts";
import { boot, isEntry, type Listen } from "./boot.ts";
import { answerEarly, isWhole } from "./node_linger.ts";
import { createPatience } from "./node_patience.ts";
import { createChunker, socketSink } from "./node_sink.ts";

const PATIENCE_EVERY_MS = 5_000;

/** Stands in for the Host header that a health check by HTTP/1.0 leaves out. */
const NO_HOST = "localhost";

/** Serves the app; long answers are written to Node's own response, without a Web stream between. */
export const listenOnNode: Listen = async (app, { host, port, apps }) => {
  /** Responses that core returned from `host.stream`, with the writer of each. */
  const streams = new WeakMap<Response, (sink: Sink) => void>();
  const chunkOf = createChunker();

  const open = new Set<ServerResponse>();

  async function answer(request: Request, incoming: IncomingMessage, outgoing: ServerResponse): Promise<Response> {
    const local: Host = {
      address: incoming.socket.remoteAddress ?? "",
      apps,
      stream(serve, init) {
        const response = new Response(null, init);
        streams.set(response, serve);
        return response;
      },
    };
    const response = await app.fetch(request, local);
    const serve = streams.get(response);
    if (serve === undefined) {
      if (isWhole(incoming)) return response;
      await answerEarly(response, { incoming, outgoing });
      return RESPONSE_ALREADY_SENT;
    }
    if (!outgoing.destroyed) {
      outgoing.writeHead(response.status, [...response.headers].flat());
      outgoing.flushHeaders();
    }
    // A stream stays for long, and nobody reads its request's head any more: a tenth of what it costs.
    incoming.headers = {};
    incoming.rawHeaders = [];
    serve(socketSink(outgoing, chunkOf));
    return RESPONSE_ALREADY_SENT;
  }

  const listener = getRequestListener(
    (request, env) => {
      const { incoming, outgoing } = env as { incoming: IncomingMessage; outgoing: ServerResponse };
      open.add(outgoing);
      outgoing.on("close", () => open.delete(outgoing));
      closeWithConnection(incoming, outgoing);
      return answer(request, incoming, outgoing);
    },
    { hostname: NO_HOST },
  );
  // How long a body may take depends on how much comes: see node_patience.ts.
  const limits = { headersTimeout: 10_000, requestTimeout: 0, keepAliveTimeout: 65_000 };
  const server = createServer(limits, (incoming, outgoing) => {
    // The server as a whole (RFC 9110, section 9.3.7), which no URL names: a path that every listener has speaks for it.
    if (incoming.method === "OPTIONS" && incoming.url === "*") incoming.url = "/healthz";
    void listener(incoming, outgoing);
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, resolve);
  });
  const patience = setInterval(createPatience({ open, now: () => performance.now() }), PATIENCE_EVERY_MS);
  patience.unref();
  server.once("close", () => clearInterval(patience));
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    // The HTTP server's own close would also cut idle connections, on which a request may be under way, and stop the watch over slow requests.
    refuse: () => void NetServer.prototype.close.call(server),
    close: () => closeServer(server, open),
  };
};

/** Node tells the answer being sent that its connection has closed, but not those in line behind it. */
function closeWithConnection(incoming: IncomingMessage, outgoing: ServerResponse): void {
  if (outgoing.socket !== null) return;
  const { socket } = incoming;
  const close = () => {
    outgoing.destroy();
    outgoing.emit("close");
  };
  // A client may send any number of requests without awaiting an answer.
  socket.setMaxListeners(0);
  socket.once("close", close);
  outgoing.once("socket", () => socket.off("close", close));
}

/** Closes connections as soon as no request is open: neither idle nor never used ones may hold the end. */
function closeServer(server: Server, open: ReadonlySet<ServerResponse>): Promise<void> {
  return new Promise((resolve) => {
    const sweep = setInterval(() => {
      if (open.size === 0) server.closeAllConnections();
    }, 10);
    server.close(() => {
      clearInterval(sweep);
      resolve();
    });
  });
}

if (isEntry(import.meta)) await boot(listenOnNode);
