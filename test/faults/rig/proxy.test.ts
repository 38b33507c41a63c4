import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { test } from "uvu";
import * as assert from "uvu/assert";
import { eventually } from "../../support/eventually.ts";
import type { TcpProxy } from "../scenario.ts";
import { openProxy } from "./proxy.ts";
import { seededRandom } from "./random.ts";

interface Stage {
  proxy: TcpProxy;
  /** Both ends of one connection through the proxy, with what each has been given. */
  near: End;
  far: End;
}

interface End {
  socket: Socket;
  heard: string;
  over: boolean;
}

function listenTo(socket: Socket): End {
  const end: End = { socket, heard: "", over: false };
  socket.on("data", (chunk) => {
    end.heard += String(chunk);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => {
    end.over = true;
  });
  return end;
}

async function staged(play: (stage: Stage) => Promise<void>): Promise<void> {
  const arrived: End[] = [];
  const server: Server = createServer((socket) => void arrived.push(listenTo(socket)));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const proxy = await openProxy((server.address() as AddressInfo).port, seededRandom(1));
  const near = listenTo(connect(proxy.port, "127.0.0.1"));
  await eventually("the connection is through", () => arrived.length === 1);
  try {
    await play({ proxy, near, far: arrived[0]! });
  } finally {
    near.socket.destroy();
    arrived.forEach(({ socket }) => void socket.destroy());
    await proxy.close();
    server.close();
  }
}

test("bytes pass both ways, and so does an end", () =>
  staged(async ({ near, far }) => {
    near.socket.write("ask");
    await eventually("it is there", () => far.heard === "ask");
    far.socket.end("answer");
    await eventually("the answer and the end are there", () => near.heard === "answer" && near.over);
  }));

test("cut() ends a connection after some more bytes at most, on both sides", () =>
  staged(async ({ proxy, near, far }) => {
    proxy.cut({ bytes: 100 });
    near.socket.write("x".repeat(1_000));
    await eventually("both have ended", () => near.over && far.over);
    assert.ok(far.heard.length <= 100);
    assert.is(proxy.count(), 0);
  }));

test("cut() ends a connection that says nothing too", () =>
  staged(async ({ proxy, near, far }) => {
    proxy.cut({ bytes: 100 });
    await eventually("both have ended", () => near.over && far.over);
  }));

test("halfOpen() ends the far side and leaves the near one without a word, until heal() ends it", () =>
  staged(async ({ proxy, near, far }) => {
    proxy.halfOpen();
    await eventually("the far side has ended", () => far.over);
    near.socket.write("anybody?");
    proxy.heal();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal([near.heard, near.over], ["", false]);
    proxy.heal({ halfOpen: true });
    await eventually("the near side has ended", () => near.over);
  }));

test("blackhole() holds everything back until heal()", () =>
  staged(async ({ proxy, near, far }) => {
    proxy.blackhole();
    near.socket.write("late");
    const newcomer = connect(proxy.port, "127.0.0.1");
    newcomer.write("late too");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.is(far.heard, "");
    proxy.heal();
    await eventually("it has come", () => far.heard === "late");
    newcomer.destroy();
  }));

test("blackhole() of chosen connections leaves the others alone", () =>
  staged(async ({ proxy, near, far }) => {
    proxy.blackhole((farPort) => farPort === far.socket.remotePort! + 1);
    near.socket.write("not held");
    await eventually("it has come", () => far.heard === "not held");
    proxy.blackhole((farPort) => farPort === far.socket.remotePort);
    near.socket.write(", held");
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.is(far.heard, "not held");
  }));

test("refuse() ends what is open and answers whoever comes with what it was told", () =>
  staged(async ({ proxy, near }) => {
    proxy.refuse("no");
    await eventually("it has ended", () => near.over);
    const newcomer = listenTo(connect(proxy.port, "127.0.0.1"));
    newcomer.socket.write("hello");
    await eventually("it is told and ended", () => newcomer.heard === "no" && newcomer.over);
  }));

test.run();
