/**
 * How the NATS client reaches a server: by a TCP socket, with TLS on it when the server or the address asks for it. The client's own transport for
 * Node does not do: on Deno an error of a socket it has let go of ends the process, attempts that take too long keep their sockets, and a server that
 * reads no more is never given up.
 */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import {
  checkOptions,
  DataBuffer,
  deferred,
  extractProtocolMessage,
  INFO,
  type Server,
  type ServerInfo,
  type Transport,
} from "@nats-io/nats-core/internal";

/** What a server says of itself first; the client's type lacks the two about TLS. */
type Info = ServerInfo & { tls_required?: boolean; tls_available?: boolean };

/** One connection, made by `connect` and over once it has ended. */
export function socketTransport(): Transport {
  const closed = deferred<Error | undefined>();
  let reader!: ReadableStreamDefaultController<Uint8Array>;
  const received = new ReadableStream<Uint8Array>({
    start(controller) {
      reader = controller;
    },
  });
  let socket: Socket | null = null;
  let encrypted = false;
  let connected = false;
  let ended = false;
  let failure: Error | undefined;

  /** Makes a socket the one in use; it keeps its listener for errors for good. */
  function use<Given extends Socket>(given: Given): Given {
    socket = given;
    given.on("error", (error: Error) => {
      failure ??= error;
    });
    if (ended) given.destroy();
    return given;
  }

  function end(): void {
    if (ended) return;
    ended = true;
    socket?.destroy();
    reader.close();
    if (connected) closed.resolve(failure);
  }

  /** Waits for what `work` resolves with, but no longer than the socket is open. */
  function whileOpen<T>(given: Socket, work: (resolve: (value: T) => void) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      given.once("close", () => reject(failure ?? new Error("the server closed the connection")));
      work(resolve);
    });
  }

  return {
    lang: "nats.js",
    version: "3",
    get isClosed() {
      return ended;
    },
    get closeError() {
      return failure as Error;
    },
    async connect(server, options) {
      const plain = use(connectTcp({ host: server.hostname, port: server.port, noDelay: true, keepAlive: true }));
      await whileOpen<void>(plain, (resolve) => plain.once("connect", resolve));
      const greeting = await whileOpen<Uint8Array>(plain, (resolve) => readLine(plain, resolve));
      const info = infoIn(greeting);
      checkOptions(info, options);
      // The client reads it too.
      reader.enqueue(greeting);
      if (info.tls_required || (info.tls_available && options.tls !== null)) {
        const secure = use(connectTls({ socket: plain, ...identityOf(server) }));
        await whileOpen<void>(secure, (resolve) => secure.once("secureConnect", resolve));
        encrypted = true;
      }
      if (ended) throw new Error("the connection is given up");
      socket!.on("data", (chunk: Uint8Array) => {
        if (!ended) reader.enqueue(chunk);
      });
      socket!.on("close", end);
      connected = true;
    },
    [Symbol.asyncIterator]: () => received[Symbol.asyncIterator](),
    isEncrypted: () => encrypted,
    send(frame) {
      if (!ended) socket?.write(frame);
    },
    async close() {
      end();
    },
    disconnect: end,
    discard: end,
    closed: () => closed,
  };
}

/** Gives what has come once there is a whole line. */
function readLine(socket: Socket, done: (bytes: Uint8Array) => void): void {
  let bytes: Uint8Array = new Uint8Array();
  socket.on("data", function read(chunk: Uint8Array) {
    bytes = DataBuffer.concat(bytes, chunk);
    if (extractProtocolMessage(bytes) === "") return;
    socket.off("data", read);
    done(bytes);
  });
}

function infoIn(greeting: Uint8Array): Info {
  try {
    return JSON.parse(INFO.exec(extractProtocolMessage(greeting))![1]!) as Info;
  } catch (cause) {
    throw new Error("what answers is no NATS server", { cause });
  }
}

/** Whom a certificate must name. */
function identityOf({ hostname, tlsName }: Server): { host: string; servername?: string } {
  const host = tlsName || hostname;
  return isIP(host) ? { host } : { host, servername: host };
}
