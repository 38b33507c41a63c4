/** A server in memory with the files mode open, and requests to it that carry bytes. */
import { type MemoryApp, type MemoryAppOptions, openApp } from "./memory_app.ts";

export const SERVICE = "the-service-token-of-these-tests";

export interface PutFile {
  id: string;
  name: string;
  content_type: string;
  size: number;
  sha256: string;
  created_at: string;
  expires_at: string;
  max_downloads: number | null;
  url: string;
}

export interface FileApp extends MemoryApp {
  /** Sends a request; `path` may be a whole URL of this server. */
  ask(method: string, path: string, more?: Asked): Promise<Response>;
  /** Puts a file and returns the answer, which must be a 201. */
  put(bytes: Bytes, query?: string, headers?: Record<string, string>): Promise<PutFile>;
  /** A token with these scopes. */
  token(...scopes: string[]): Promise<string>;
  /** What is stored: keys of all objects, and ids of all files. */
  held(): Promise<{ objects: string[]; files: string[] }>;
}

export type Bytes = string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>;

export interface Asked {
  body?: Bytes;
  headers?: Record<string, string>;
  /** Null: none. Left out: the service token. */
  token?: string | null;
  signal?: AbortSignal;
}

export function openFiles(options: MemoryAppOptions = {}): FileApp {
  const base = options.base ?? "http://millrace.test";
  const server = openApp({ ...options, settings: { datastoreToken: SERVICE, ...options.settings } });

  function ask(method: string, path: string, { body, headers = {}, token = SERVICE, signal }: Asked = {}) {
    const all = { ...headers, ...(token === null ? {} : { Authorization: `Bearer ${token}` }) };
    const init = {
      method,
      headers: all,
      ...(signal && { signal }),
      ...(body !== undefined && { body, duplex: "half" }),
    };
    return server.fetcher(new Request(path.startsWith("/") ? base + path : path, init as RequestInit));
  }

  return {
    ...server,
    ask,
    async put(bytes, query = "", headers = {}) {
      const answer = await ask("POST", `/files/temp${query}`, { body: bytes, headers });
      if (answer.status !== 201) throw new Error(`not stored: ${answer.status} ${await answer.text()}`);
      return (await answer.json()) as PutFile;
    },
    async token(...scopes) {
      const made = await server.client.send("POST", "/tokens", {
        body: { label: "test", scopes },
        headers: { Authorization: `Bearer ${SERVICE}` },
      });
      if (made.status !== 201) throw new Error(`no token: ${JSON.stringify(made.body)}`);
      return made.body.token;
    },
    async held() {
      const { objects, database } = server.ports;
      const keys = (await objects.list("", "", 1_000)).map(({ key }) => key);
      return { objects: keys, files: (await database.files.list(null, null, 1_000)).map(({ id }) => id) };
    },
  };
}

/** A stream of these parts, and how much of it has been asked for. `after`: what comes then; it ends by default. */
export function parts(
  pieces: readonly (Uint8Array | string)[],
  after: "end" | "fail" | "silence" = "end",
): { stream: ReadableStream<Uint8Array>; pulled(): number } {
  let at = 0;
  const stream = new ReadableStream<Uint8Array>(
    {
      pull(controller) {
        const piece = pieces[at];
        at += 1;
        if (piece !== undefined) {
          controller.enqueue(typeof piece === "string" ? new TextEncoder().encode(piece) : piece);
        } else if (after === "end") controller.close();
        else if (after === "fail") controller.error(new Error("the sender went away"));
        else return new Promise(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return { stream, pulled: () => at };
}

/** SHA-256 as lower-case hex. */
export async function sha256(bytes: Uint8Array<ArrayBuffer> | string): Promise<string> {
  const data = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  const sum = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return Array.from(sum, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
