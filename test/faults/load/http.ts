/** Requests over node:http: a whole answer with a deadline, or an answer that goes on. They reject when the connection fails, also in mid-answer. */
import { Agent, type IncomingMessage, request } from "node:http";

export interface Answer {
  status: number;
  headers: IncomingMessage["headers"];
  body: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
  timeoutMs: number;
  /** Left out: a connection of its own. */
  agent?: Agent;
}

/** Connections that are kept and used again, as most clients of an API do. */
export function keepAlive(): Agent {
  return new Agent({ keepAlive: true, maxSockets: 512, scheduling: "lifo" });
}

export function ask(url: string, { method = "GET", headers = {}, body, timeoutMs, agent }: Ask): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { "Content-Length": `${Buffer.byteLength(body)}` };
    const sent = request(url, { method, headers: { ...headers, ...length }, agent: agent ?? false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => void chunks.push(chunk));
      response.on("error", failed);
      response.on("end", () => {
        clearTimeout(timer);
        if (!response.complete) return failed(new Error("the answer was cut"));
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString(),
        });
      });
    });
    const timer = setTimeout(() => sent.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    function failed(error: Error): void {
      clearTimeout(timer);
      reject(error);
    }
    sent.on("error", failed);
    sent.end(body);
  });
}

export interface Following {
  close(): void;
  /** Resolves when it is over, with the status, or 0 when there was no answer. */
  over: Promise<number>;
}

export interface Follow {
  headers?: Record<string, string>;
  /** Called with the status once it is known. */
  onOpen?(status: number): void;
  onText(text: string): void;
  /** Left out: a connection of its own. */
  agent?: Agent;
  /** Milliseconds without a byte after which the reader takes the connection for dead. */
  idleMs?: number;
  /** A connection that nobody reads from until `resume`; see `onResponse`. */
  onResponse?(response: IncomingMessage): void;
}

/** Reads an answer as it comes. Only text with status 200 is passed on. */
export function follow(url: string, { headers = {}, agent, onOpen, onText, idleMs, onResponse }: Follow): Following {
  let status = 0;
  const sent = request(url, { headers: { Accept: "text/event-stream", ...headers }, agent: agent ?? false });
  const over = new Promise<number>((resolve) => {
    sent.on("close", () => resolve(status));
    sent.on("error", () => resolve(status));
    sent.on("response", (response) => {
      status = response.statusCode ?? 0;
      onOpen?.(status);
      response.setEncoding("utf8");
      response.on("error", () => undefined);
      if (status === 200) response.on("data", onText);
      else response.resume();
      onResponse?.(response);
    });
  });
  if (idleMs !== undefined) sent.setTimeout(idleMs, () => sent.destroy());
  sent.end();
  return { over, close: () => void sent.destroy() };
}
