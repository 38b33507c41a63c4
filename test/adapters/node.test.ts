/** Node's listener: long answers to clients that leave, read slowly or do not read, and requests without a host. */
import { connect, type Socket } from "node:net";
import process from "node:process";
import * as assert from "uvu/assert";
import { listenOnNode } from "../../adapters/node.ts";
import type { App, Sink } from "../../core/mod.ts";
import { appNames } from "../../core/ports/host.ts";
import { eventually } from "../support/eventually.ts";
import { openApp } from "../support/memory_app.ts";
import { memoryPorts } from "../support/memory_house.ts";
import { promises } from "../support/promises.ts";
import { sendRaw } from "../support/raw_http.ts";

const apps = new Set(appNames);
const streamHead = { status: 200, headers: new Headers({ "Content-Type": "text/event-stream" }) };

/** An app whose answer a test decides. */
function appOf(fetch: App["fetch"]): App {
  const nothing = () => undefined;
  return { fetch, start: nothing, retire: nothing, stop: async () => undefined, streams: () => 0, requests: () => 0 };
}

interface Bench {
  /** Listens with an app on a free port of this machine. */
  listen(app: App): Promise<{ port: number; close(): Promise<void> }>;
  /** A connection on which these bytes have been sent; it reads nothing by itself. */
  send(port: number, text: string): Promise<Socket>;
  close(): Promise<void>;
}

async function openBench(): Promise<Bench> {
  const ends: (() => unknown)[] = [];
  return {
    async listen(app) {
      const listener = await listenOnNode(app, { host: "127.0.0.1", port: 0, apps });
      ends.unshift(listener.close);
      return listener;
    },
    async send(port, text) {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => undefined);
      ends.push(() => socket.destroy());
      await new Promise((resolve) => socket.once("connect", resolve));
      socket.write(text);
      return socket;
    },
    async close() {
      // Sockets first: a listener waits for them.
      for (const end of ends.reverse()) await end();
    },
  };
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

promises("listenOnNode(), streams", openBench, (keeps) => {
  keeps("a client that leaves during the look-up leaves no reader behind", async ({ listen, send }) => {
    const ports = memoryPorts();
    const { app, client } = openApp({ ports });
    const channel = await client.createChannel();
    const documents = ports.database.documents;
    let release = () => {};
    const look = new Promise<void>((resolve) => {
      release = resolve;
    });
    let signal: AbortSignal | null = null;
    let answered = 0;
    const watched: App = {
      ...app,
      async fetch(request, host) {
        signal = request.signal;
        const response = await app.fetch(request, host);
        answered += 1;
        return response;
      },
    };
    const wait = documents.get.bind(documents);
    documents.get = async (...args) => {
      await look;
      return await wait(...args);
    };
    const { port } = await listen(watched);
    const socket = await send(port, get(`/v1/public/${channel.id}`));
    await eventually("the request has come", () => signal !== null);
    socket.destroy();
    await eventually("the server knows that the client has left", () => signal!.aborted);
    release();
    await eventually("the request is answered", () => answered === 1);
    await new Promise((resolve) => setImmediate(resolve));
    assert.is(app.streams(), 0);
    await app.stop();
  });

  keeps("a stream that waits behind another on its connection ends with the connection", async ({ listen, send }) => {
    const sinks: Sink[] = [];
    const { port } = await listen(appOf(async (_, host) => host.stream((sink) => void sinks.push(sink), streamHead)));
    const socket = await send(port, get("/first") + get("/second"));
    await eventually("both are served", () => sinks.length === 2);
    socket.destroy();
    await eventually("both are over", () => sinks.every((sink) => sink.closed.aborted));
  });

  keeps("hundreds of waits for one slow reader hang on no more listeners than one", async ({ listen, send }) => {
    const warnings: string[] = [];
    const hear = (warning: Error) => void warnings.push(String(warning));
    process.on("warning", hear);
    let sink: Sink | null = null;
    const { port } = await listen(
      appOf(async (_, host) =>
        host.stream((given) => {
          sink = given;
        }, streamHead),
      ),
    );
    const socket = await send(port, get("/"));
    await eventually("it is served", () => sink !== null);
    while (sink!.write(new Uint8Array(1_000_000)) < 4_000_000);
    const waits = Array.from({ length: 300 }, () => sink!.drained());
    socket.resume();
    await Promise.all(waits);
    while (sink!.write(new Uint8Array(1_000_000)) < 4_000_000);
    const last = Array.from({ length: 300 }, () => sink!.drained());
    socket.destroy();
    await Promise.all(last);
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", hear);
    assert.equal(warnings, []);
  });

  keeps("an ended answer that its reader does not take is dropped after 5 s", async ({ listen, send }) => {
    let sink: Sink | null = null;
    const { port, close } = await listen(
      appOf(async (_, host) =>
        host.stream((given) => {
          sink = given;
        }, streamHead),
      ),
    );
    await send(port, get("/"));
    await eventually("it is served", () => sink !== null);
    while (sink!.write(new Uint8Array(1_000_000)) < 8_000_000);
    const began = performance.now();
    const closing = close();
    sink!.close();
    assert.ok(sink!.closed.aborted);
    await Promise.race([closing, new Promise((resolve) => setTimeout(resolve, 8_000))]);
    const took = performance.now() - began;
    assert.ok(took > 4_500 && took < 7_500, `${took} ms`);
  });

  keeps(
    "an ended answer that its reader takes arrives whole, and its connection serves on",
    async ({ listen, send }) => {
      const { port } = await listen(
        appOf(async (_, host) =>
          host.stream((sink) => {
            for (let index = 0; index < 8; index += 1) sink.write(new Uint8Array(1_000_000));
            sink.close();
          }, streamHead),
        ),
      );
      const socket = await send(port, get("/"));
      let bytes = 0;
      let tail = "";
      socket.on("data", (data) => {
        bytes += data.length;
        tail = (tail + data.toString("latin1")).slice(-5);
      });
      await eventually("all has come", () => bytes > 8_000_000 && tail === "0\r\n\r\n");
      bytes = 0;
      socket.write(get("/"));
      await eventually("the next has come", () => bytes > 8_000_000);
    },
  );
});

promises("listenOnNode(), targets and hosts", openBench, (keeps) => {
  const url = ({ port }: { port: number }) => `http://127.0.0.1:${port}`;

  keeps("HTTP/1.0 without a Host, as a plain health check sends it, is answered", async ({ listen }) => {
    const listener = await listen(openApp().app);
    const { status, text } = await sendRaw(url(listener), "GET /healthz HTTP/1.0\r\n\r\n");
    assert.is(status, 200, text);
    assert.match(text, '"status":"ok"');
  });

  keeps("OPTIONS * is answered", async ({ listen }) => {
    const listener = await listen(openApp().app);
    const { status, text } = await sendRaw(
      url(listener),
      "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    assert.is(status, 204, text);
  });
});
