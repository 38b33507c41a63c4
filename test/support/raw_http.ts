/** HTTP by hand: bytes into a socket, and what comes back until the server closes or has been silent for a while. */
import { connect } from "node:net";

export interface RawAnswer {
  /** Everything that came back. */
  text: string;
  /** The status of the first response; null when there was none. */
  status: number | null;
  /** How many responses came back. */
  responses: number;
  /** The server has closed the connection. */
  closed: boolean;
  /** Bytes that were handed to the socket. */
  sent: number;
  ms: number;
}

export interface RawOptions {
  /** Milliseconds without a byte after which the exchange is over. */
  silenceMs?: number;
  /** Bytes of a body to pour after the head until the server answers or closes; 0: none. */
  pour?: number;
}

const CHUNK = Buffer.alloc(65_536, "x");

/** Sends bytes as they are. */
export function sendRaw(base: string, bytes: string | Uint8Array, options: RawOptions = {}): Promise<RawAnswer> {
  const { silenceMs = 700, pour = 0 } = options;
  const { hostname, port } = new URL(base);
  const began = performance.now();
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname === "localhost" ? "127.0.0.1" : hostname);
    let text = "";
    let sent = 0;
    let closed = false;
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      const found = [...text.matchAll(/^HTTP\/1\.[01] (\d{3})/gm)];
      const status = found[0] === undefined ? null : Number(found[0][1]);
      resolve({ text, status, responses: found.length, closed, sent, ms: performance.now() - began });
    };
    let timer = setTimeout(finish, 10_000);
    const rest = () => {
      clearTimeout(timer);
      timer = setTimeout(finish, silenceMs);
    };
    const flow = () => {
      while (sent < pour && text === "" && !closed) {
        sent += CHUNK.length;
        if (!socket.write(CHUNK)) return void socket.once("drain", flow);
      }
    };
    socket.on("data", (data) => {
      text += data.toString("latin1");
      rest();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => {
      closed = true;
      finish();
    });
    socket.on("connect", () => {
      socket.write(bytes);
      if (pour === 0) rest();
      flow();
    });
  });
}
