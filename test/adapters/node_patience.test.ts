/** Node's patience with bodies: a minute for each, and more for what has come. */
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect } from "node:net";
import * as assert from "uvu/assert";
import { createPatience } from "../../adapters/node_patience.ts";
import { eventually } from "../support/eventually.ts";
import { promises } from "../support/promises.ts";

interface Harness {
  /** Takes a look when the clock says so. */
  lookAt(ms: number): void;
  /** A client that sends the head of a POST and `bytes` of its body. */
  begin(bytes: number): Promise<{ text(): string; closed(): boolean }>;
  close(): Promise<void>;
}

async function openHarness(): Promise<Harness> {
  const open = new Set<ServerResponse>();
  let time = 0;
  let received = 0;
  const look = createPatience({ open, now: () => time });
  const server = createServer({ requestTimeout: 0 }, (incoming, outgoing) => {
    open.add(outgoing);
    outgoing.on("close", () => open.delete(outgoing));
    incoming.on("data", (chunk) => (received += chunk.length));
    incoming.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    lookAt(ms) {
      time = ms;
      look();
    },
    async begin(bytes) {
      let text = "";
      let closed = false;
      const before = received;
      const socket = connect(port, "127.0.0.1");
      socket.on("data", (chunk) => (text += String(chunk)));
      socket.on("close", () => (closed = true));
      socket.on("error", () => undefined);
      socket.write("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
      look();
      await eventually("the request is open", () => open.size > 0);
      look();
      socket.write(Buffer.alloc(bytes));
      await eventually("the bytes have come", () => received - before >= bytes);
      return { text: () => text, closed: () => closed };
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

promises("node patience", openHarness, (keeps) => {
  keeps("a request that brings next to nothing is told so after a minute, and cut", async ({ begin, lookAt }) => {
    const client = await begin(100);
    lookAt(60_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.not.ok(client.closed());
    lookAt(60_100);
    await eventually("it is cut", client.closed);
    assert.match(client.text(), /^HTTP\/1.1 408 Request Timeout\r\nConnection: close\r\n/);
  });

  keeps("a request has a second more for every 4 KiB that it has brought", async ({ begin, lookAt }) => {
    const client = await begin(4_096 * 600);
    lookAt(600_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.not.ok(client.closed());
    lookAt(662_000);
    await eventually("it is cut", client.closed);
  });
});
