/** The servers that are measured beside each other, each a process of its own on 127.0.0.1, all taking the same load. */
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { freePorts } from "../support/free_ports.ts";
import { type Child, startChild } from "./children.ts";
import { type Target, textOf } from "./load.ts";

/** A server, and how it is spoken to. */
export interface Server {
  name: string;
  port: number;
  pid: number;
  /** So many channels of it. */
  targets(count: number): Promise<Target[]>;
  /** The body that publishes a text of so many characters. */
  body(size: number): string;
  stop(): Promise<void>;
}

const HERE = fileURLToPath(new URL(".", import.meta.url));
const HOUSE = join(HERE, "../..");
export const NODE = [process.execPath, "--import", join(HOUSE, "scripts/typescript.mjs")] as const;
const NCHAN = ["/usr/lib/nginx/modules/ngx_nchan_module.so", "/usr/share/nginx/modules/ngx_nchan_module.so"];

/** What is missing on this machine, in words for the table. */
export class Missing extends Error {}

/** The C program that makes one write for each message and reader. */
export async function startWriter(program: string): Promise<Server> {
  const [port] = await freePorts(1);
  const child = await startChild({ command: program, args: [`${port}`] });
  await answers(port!, child);
  return plainServer("bare C writer", port!, child);
}

/** `node:http` without anything around it. */
export async function startBare(way: "each" | "joined"): Promise<Server> {
  const [port] = await freePorts(1);
  const args = [...NODE.slice(1), join(HERE, "ceilings/bare_server.ts"), `${port}`, way];
  const child = await startChild({ command: NODE[0], args, ready: /ready/ });
  return plainServer(way === "each" ? "node:http, a write each" : "node:http, joined writes", port!, child);
}

/** An empty Hono handler before one way to store; the table is made in the database of the URL. */
export async function startHono(url: string): Promise<Server> {
  const [port] = await freePorts(1);
  const args = [...NODE.slice(1), join(HERE, "ceilings/hono_server.ts"), `${port}`, url];
  const child = await startChild({ command: NODE[0], args, ready: /ready/ });
  return { ...plainServer("Hono", port!, child), body: (size) => JSON.stringify({ payload: textOf(size) }) };
}

/** nginx with Debian's nchan, as many workers as cores; throws Missing where it is not installed. */
export async function startNchan(directory: string): Promise<Server> {
  const module = NCHAN.find((path) => existsSync(path));
  if (module === undefined || !existsSync("/usr/sbin/nginx"))
    throw new Missing("nginx or libnginx-mod-nchan is not installed");
  const [port] = await freePorts(1);
  const home = join(directory, "nginx");
  await mkdir(home, { recursive: true });
  await writeFile(join(home, "nginx.conf"), nchanConfiguration(module, port!));
  const args = ["-p", home, "-e", join(home, "error.log"), "-c", join(home, "nginx.conf"), "-g", "daemon off;"];
  const child = await startChild({ command: "/usr/sbin/nginx", args });
  await answers(port!, child);
  return plainServer("nchan (nginx)", port!, child);
}

function nchanConfiguration(module: string, port: number): string {
  return `load_module ${module};
worker_processes auto;
worker_rlimit_nofile 20000;
pid nginx.pid;
events { worker_connections 16384; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  nchan_shared_memory_size 512M;
  client_body_buffer_size 64k;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location ~ ^/pub/(\\w+)$ { nchan_publisher; nchan_channel_id $1; nchan_message_buffer_length 5000; nchan_message_timeout 1m; }
    location ~ ^/sub/(\\w+)$ { nchan_subscriber eventsource; nchan_channel_id $1; nchan_subscriber_first_message newest; nchan_eventsource_ping_interval 0; }
  }
}
`;
}

/** One that is published to at /pub/N and read at /sub/N, and given whole events to pass on, of the size that Millrace's have. */
function plainServer(name: string, port: number, child: Child): Server {
  return {
    name,
    port,
    pid: child.pid,
    targets: async (count) =>
      Array.from({ length: count }, (_, index) => ({ publish: `/pub/${index}`, header: "", read: `/sub/${index}` })),
    body: (size) => eventOf(textOf(size)),
    stop: child.stop,
  };
}

function eventOf(payload: string): string {
  const [id, at] = ["0".repeat(36), new Date(0).toISOString()];
  return JSON.stringify({ id, payload, metadata: null, created_at: at, expires_at: at });
}

/** Resolves when something answers on the port. */
export async function answers(port: number, child: Child): Promise<void> {
  for (let tries = 0; tries < 300; tries += 1) {
    const heard = await fetch(`http://127.0.0.1:${port}/`, { signal: AbortSignal.timeout(100) }).then(
      () => true,
      (error: Error) => error.name === "TimeoutError",
    );
    if (heard) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await child.stop();
  throw new Error(`nothing answers on port ${port}: ${child.words()}`);
}
