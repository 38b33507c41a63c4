/**
 * An S3 server in memory, for one bucket, that misbehaves as it is told: the verbs that the server uses and no more, signatures unchecked.
 * It runs in a process of its own, so that it can be stopped as a whole; requests below `/-/` steer it.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import process from "node:process";
import type { StoreFault } from "../scenario.ts";

interface Stored {
  bytes: Buffer;
  etag: string;
  at: number;
}

const objects = new Map<string, Stored>();
let fault: StoreFault | null = null;

const server = createServer((request, response) => {
  response.on("error", () => undefined);
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => void chunks.push(chunk));
  request.on("error", () => undefined);
  request.on("end", () => {
    const url = new URL(request.url ?? "/", "http://localhost");
    const body = Buffer.concat(chunks);
    if (url.pathname.startsWith("/-/")) return void steer(url, body, response);
    serve({ request, response, url, body });
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send?.({ port: (server.address() as AddressInfo).port }));
// Whoever started it is gone.
process.on("disconnect", () => process.exit(0));

function steer(url: URL, body: Buffer, response: ServerResponse): void {
  const key = url.searchParams.get("key") ?? "";
  if (url.pathname === "/-/fault") fault = JSON.parse(body.toString()) as StoreFault | null;
  if (url.pathname === "/-/damage") damage(key, url.searchParams.get("how") ?? "");
  const list = [...objects].map(([name, { bytes, at }]) => ({ key: name, size: bytes.length, at }));
  response.end(JSON.stringify(url.pathname === "/-/list" ? list : null));
}

function damage(key: string, how: string): void {
  const stored = objects.get(key);
  if (stored === undefined) return;
  if (how === "remove") objects.delete(key);
  else objects.set(key, { ...stored, bytes: damaged(stored.bytes, how) });
}

function damaged(bytes: Buffer, how: string): Buffer {
  if (how === "truncate") return bytes.subarray(0, -1);
  const copy = Buffer.from(bytes);
  if (copy.length > 0) copy[copy.length >> 1]! ^= 1;
  return copy;
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  body: Buffer;
}

function serve({ request, response, url, body }: Exchange): void {
  const [, , ...rest] = url.pathname.split("/");
  const key = decodeURIComponent(rest.join("/"));
  const struck = key === "" ? null : strike(request.method ?? "");
  if (struck === "hang") return;
  if (struck === "error") return void refuse(response, 503, "SlowDown");
  if (key === "") return void serveBucket(request, { response, url });
  if (request.method === "PUT") {
    const etag = createHash("md5").update(body).digest("hex");
    if (struck === "break") return void request.socket.destroy();
    if (struck !== "lose") objects.set(key, { bytes: body, etag, at: Date.now() });
    return void response.writeHead(200, { ETag: `"${etag}"` }).end();
  }
  if (request.method === "DELETE") {
    objects.delete(key);
    return void response.writeHead(204).end();
  }
  const stored = objects.get(key);
  if (stored === undefined) return void refuse(response, 404, "NoSuchKey", request.method === "HEAD");
  give(request, { response, stored, struck });
}

function strike(method: string): StoreFault["kind"] | null {
  if (fault === null || (fault.method !== undefined && fault.method !== method)) return null;
  return Math.random() < (fault.share ?? 1) ? fault.kind : null;
}

function give(
  request: IncomingMessage,
  how: { response: ServerResponse; stored: Stored; struck: StoreFault["kind"] | null },
): void {
  const { response, stored, struck } = how;
  const whole = struck === "flip" || struck === "truncate" ? damaged(stored.bytes, struck) : stored.bytes;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
  const part = from === undefined ? whole : whole.subarray(Number(from), to ? Number(to) + 1 : undefined);
  const range =
    from === undefined ? {} : { "Content-Range": `bytes ${from}-${Number(from) + part.length - 1}/${whole.length}` };
  response.writeHead(from === undefined ? 200 : 206, {
    ETag: `"${stored.etag}"`,
    "Last-Modified": new Date(stored.at).toUTCString(),
    "Content-Length": part.length,
    ...range,
  });
  if (request.method === "HEAD") response.end();
  else if (struck === "break") response.write(part.subarray(0, part.length >> 1), () => request.socket.destroy());
  else response.end(part);
}

function serveBucket(request: IncomingMessage, { response, url }: { response: ServerResponse; url: URL }): void {
  const query = url.searchParams;
  if (query.has("lifecycle") && request.method === "GET")
    return void refuse(response, 404, "NoSuchLifecycleConfiguration");
  if (!query.has("list-type")) return void response.end();
  const after = query.get("continuation-token") || query.get("start-after") || "";
  const most = Number(query.get("max-keys") ?? 1_000);
  const found = [...objects].filter(([key]) => key.startsWith(query.get("prefix") ?? "") && key > after);
  found.sort(([one], [other]) => (one < other ? -1 : 1));
  const page = found.slice(0, most);
  const contents = page.map(
    ([key, { bytes, etag, at }]) =>
      `<Contents><Key>${key}</Key><LastModified>${new Date(at).toISOString()}</LastModified><ETag>"${etag}"</ETag><Size>${bytes.length}</Size></Contents>`,
  );
  const more = found.length > most;
  const next = more ? `<NextContinuationToken>${page.at(-1)?.[0]}</NextContinuationToken>` : "";
  response.setHeader("Content-Type", "application/xml");
  response.end(`<ListBucketResult><IsTruncated>${more}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`);
}

function refuse(response: ServerResponse, status: number, code: string, bare = false): void {
  response.writeHead(status, { "Content-Type": "application/xml" });
  response.end(bare ? "" : `<Error><Code>${code}</Code><Message>${code}</Message></Error>`);
}
