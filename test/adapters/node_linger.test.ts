/** Answers to requests that have not come whole: the client sees them, may go on with its connection, and cannot keep the server reading for ever. */
import { createServer } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listenOnNode } from "../../adapters/node.ts";
import { answerEarly, type Bounds } from "../../adapters/node_linger.ts";
import { appNames } from "../../core/ports/host.ts";
import type { CreatedChannel } from "../support/client.ts";
import { eventually } from "../support/eventually.ts";
import { openApp } from "../support/memory_app.ts";

/** A connection and what happens to it. */
interface Connection {
  socket: Socket;
  /** All that came back. */
  text(): string;
  /** How it ended, and after how many milliseconds; null: not yet. */
  ended(): { how: "closed" | "reset"; ms: number } | null;
}

async function open(port: number): Promise<Connection> {
  const socket = connect(port, "127.0.0.1");
  let text = "";
  let ended: ReturnType<Connection["ended"]> = null;
  let failed = false;
  const began = performance.now();
  socket.on("data", (data) => {
    text += data.toString("latin1");
  });
  socket.on("error", () => {
    failed = true;
  });
  socket.on("close", () => {
    ended = { how: failed ? "reset" : "closed", ms: performance.now() - began };
  });
  await new Promise((resolve) => socket.once("connect", resolve));
  return { socket, text: () => text, ended: () => ended };
}

const statuses = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status));

const test = suite("listenOnNode(), requests answered before their end");
const { app, client } = openApp();
let listener: Awaited<ReturnType<typeof listenOnNode>>;
let channel: CreatedChannel;

test.before(async () => {
  listener = await listenOnNode(app, { host: "127.0.0.1", port: 0, apps: new Set(appNames) });
  channel = await client.createChannel();
});

test.after(async () => {
  await app.stop();
  await listener.close();
});

/** The head of a publish; `framing` says how long its body is. */
const publishHead = (framing: string, token = channel.publish_token) =>
  `POST /v1/channels/${channel.id}/publish HTTP/1.1\r\nHost: localhost\r\nX-Publish-Token: ${token}\r\nContent-Type: application/octet-stream\r\n${framing}\r\n\r\n`;

const SIZE = 50_000_000;
const PARTS = 100;
const PART = "x".repeat(SIZE / PARTS);

/** Sends 50 MB over 2 s, as a client does that looks at no answer before it has sent everything. */
async function sendSlowly({ socket, ended }: Connection, framing: string): Promise<void> {
  const isChunked = framing.startsWith("Transfer");
  socket.write(publishHead(framing));
  for (let part = 0; part < PARTS && ended() === null; part += 1) {
    socket.write(isChunked ? `${PART.length.toString(16)}\r\n${PART}\r\n` : PART);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  if (isChunked && ended() === null) socket.write("0\r\n\r\n");
}

test("a client that takes 2 s to send 50 MB reads the 413 and an orderly close", async () => {
  const framings = [`Content-Length: ${SIZE}`, "Transfer-Encoding: chunked"];
  await Promise.all(
    framings.map(async (framing) => {
      const connection = await open(listener.port);
      const { socket, text, ended } = connection;
      await sendSlowly(connection, framing);
      await eventually("the connection is over", () => ended() !== null);
      assert.equal([statuses(text()), ended()!.how], [[413], "closed"], framing);
      assert.match(text(), '"code":"too_large"');
      assert.ok(socket.bytesWritten > SIZE, `the server hung up after ${socket.bytesWritten} bytes`);
    }),
  );
});

for (const size of [10, 20_000, 3_000_000]) {
  test(`after an answer that did not read a body of ${size} bytes, the connection serves on`, async () => {
    const { socket, text, ended } = await open(listener.port);
    socket.write(publishHead(`Content-Length: ${size}`, "no token"));
    socket.write("x".repeat(size));
    await eventually("the refusal has come", () => statuses(text()).length === 1);
    socket.write("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    await eventually("the next answer has come", () => statuses(text()).length === 2);
    assert.equal([statuses(text()), ended()], [[401, 200], null]);
    socket.destroy();
  });
}

test("the answer comes while the body is still on its way, and says where it ends", async () => {
  const { socket, text } = await open(listener.port);
  socket.write(publishHead("Content-Length: 1000", "no token"));
  socket.write("x");
  await eventually("the refusal is whole", () => {
    const [head, body] = text().split("\r\n\r\n");
    return body !== undefined && body.length === Number(/content-length: (\d+)/i.exec(head!)?.[1]);
  });
  socket.destroy();
});

test("a client that leaves in the midst of its body leaves nothing open", async () => {
  const { socket, text } = await open(listener.port);
  socket.write(publishHead("Content-Length: 1000"));
  socket.write("x");
  await eventually("the request has come", () => app.requests() === 1);
  socket.destroy();
  await eventually("it is over", () => app.requests() === 0);
  const refused = await open(listener.port);
  refused.socket.write(publishHead("Content-Length: 1000", "no token"));
  await eventually("the refusal has come", () => statuses(refused.text()).length === 1);
  refused.socket.destroy();
  assert.is(text(), "");
});

const bounded = suite("answerEarly()");

/** A server that refuses every body at once. */
async function refusing(bounds: Bounds) {
  const server = createServer((incoming, outgoing) => {
    void answerEarly(new Response("too much", { status: 413 }), { incoming, outgoing, bounds });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

const LONG = { ms: 60_000, pauseMs: 60_000, bytes: 1e12 };
const endless = "POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNK = `10000\r\n${"x".repeat(65_536)}\r\n`;

/** What a client does that never comes to the end of its body, and the bound that stops it. */
const clients: [what: string, bounds: Bounds, everyMs: number, chunk: string, between: [number, number]][] = [
  ["sends without end", { ...LONG, bytes: 5_000_000 }, 0, CHUNK, [0, 3_000]],
  ["trickles", { ...LONG, ms: 500 }, 20, "1\r\nx\r\n", [450, 2_000]],
  ["falls silent", { ...LONG, pauseMs: 300 }, 0, "", [250, 2_000]],
];

for (const [what, bounds, everyMs, chunk, [least, most]] of clients) {
  bounded(`a client that ${what} gets the answer and is cut`, async () => {
    const server = await refusing(bounds);
    const { socket, text, ended } = await open(server.port);
    socket.write(endless);
    const pour = async () => {
      while (chunk !== "" && ended() === null) {
        if (!socket.writableNeedDrain) socket.write(chunk);
        await new Promise((resolve) => setTimeout(resolve, everyMs));
      }
    };
    const pouring = pour();
    await eventually("it is cut", () => ended() !== null);
    await pouring;
    assert.match(text(), /^HTTP\/1\.1 413 .*too much$/s);
    const { ms } = ended()!;
    assert.ok(ms >= least && ms <= most, `it was cut after ${ms} ms`);
    assert.ok(socket.bytesWritten < 40_000_000, `${socket.bytesWritten} bytes were taken`);
    await server.close();
  });
}

test.run();
bounded.run();
