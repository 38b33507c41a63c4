/**
 * A fan-out of `node:http` in memory: it keeps nothing and checks nothing. `node bare_server.ts PORT each` makes one `res.write` for each reader and
 * message; `… joined` joins the frames of one turn of the event loop and writes once for each reader. POST /pub/N sends its body to every GET /sub/N.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";

interface Channel {
  readers: Set<ServerResponse>;
  /** Frames, and requests to be answered, of this turn. */
  frames: Buffer[];
  publishers: ServerResponse[];
}

function fanOut(way: string) {
  const channels = new Map<string, Channel>();
  let last = 0;

  function channelOf({ url = "" }: IncomingMessage): Channel {
    const name = url.slice("/pub/".length);
    const channel = channels.get(name) ?? { readers: new Set(), frames: [], publishers: [] };
    channels.set(name, channel);
    return channel;
  }

  function follow(request: IncomingMessage, response: ServerResponse): void {
    const { readers } = channelOf(request);
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(": open\n\n");
    readers.add(response);
    response.once("close", () => readers.delete(response));
  }

  async function publish(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    last += 1;
    const id = `${last}`.padStart(36, "0");
    const frame = Buffer.from(`id: ${id}\nevent: message\ndata: ${Buffer.concat(parts)}\n\n`);
    const channel = channelOf(request);
    channel.publishers.push(response);
    if (channel.frames.push(frame) > 1) return;
    if (way === "each") flush(channel);
    else setImmediate(flush, channel);
  }

  return (request: IncomingMessage, response: ServerResponse) => {
    if (request.method === "GET") follow(request, response);
    else void publish(request, response);
  };
}

function flush({ readers, frames, publishers }: Channel): void {
  const joined = Buffer.concat(frames.splice(0));
  for (const reader of readers) reader.write(joined);
  for (const response of publishers.splice(0)) {
    response.writeHead(201, { "Content-Type": "application/json", "Content-Length": 2 }).end("{}");
  }
}

const [port, way] = process.argv.slice(2);
createServer(fanOut(way!)).listen(Number(port), "127.0.0.1", 4_096, () => console.log("ready"));
