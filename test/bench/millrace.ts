/** The server under test, started as its users start it, from the tree and on the runtime that were asked for. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { startChild } from "./children.ts";
import { type Target, textOf } from "./load.ts";
import type { Server } from "./servers.ts";

export type Runtime = "node" | "bun" | "deno";

export interface MillraceOptions {
  tree: string;
  runtime: Runtime;
  databaseUrl: string;
  dataDir: string;
  /** Where Node leaves a CPU profile when it ends; null: none is taken. */
  profileDir: string | null;
  /** The Node that it runs on, if it runs on Node; left out: the one that runs the benchmark. */
  node?: string;
}

export interface Millrace extends Server {
  url: string;
}

const READY = /is (?:ready|listening) on http:\/\/localhost:(\d+)/;
/** How many requests that prepare a measurement are under way at once. */
const TOGETHER = 32;

/** Opens the data modes of the server. */
export const SERVICE_TOKEN = "the-service-token-of-the-benchmark";

/** Starts the server on a database; it migrates it. */
export async function startMillrace(options: MillraceOptions): Promise<Millrace> {
  const { tree, databaseUrl, dataDir } = options;
  const [command, ...args] = await commandOf(options);
  const env = {
    PORT: "0",
    HOST: "127.0.0.1",
    DATABASE_URL: databaseUrl,
    DATA_DIR: dataDir,
    TOKEN_SECRET_SALT: "a salt of the benchmark's own",
    DATASTORE_TOKEN: SERVICE_TOKEN,
    RATE_LIMIT: "off",
    LOG_LEVEL: "warn",
    DRAIN_LB: "0",
    DRAIN: "0",
  };
  const child = await startChild({ command: command!, args, cwd: tree, env, ready: READY });
  const port = Number(READY.exec(child.output())?.[1]);
  const url = `http://127.0.0.1:${port}`;
  return {
    name: "Millrace",
    url,
    port,
    pid: child.pid,
    targets: (count) => createChannels(url, count),
    body: (size) => JSON.stringify({ payload: textOf(size) }),
    stop: child.stop,
  };
}

/** On Node the words of `npm start`, so that flags which users get are measured too. */
async function commandOf({ tree, runtime, profileDir, node = process.execPath }: MillraceOptions): Promise<string[]> {
  const program = (name: string) => join(tree, "node_modules/.bin", name);
  if (runtime === "bun") return [program("bun"), "adapters/bun.ts"];
  if (runtime === "deno") return [program("deno"), "run", "-A", "adapters/deno.ts"];
  const manifest = JSON.parse(await readFile(join(tree, "package.json"), "utf8")) as { scripts: { start: string } };
  const [, words] = /^exec node (.+)$/.exec(manifest.scripts.start) ?? [];
  if (words === undefined) throw new Error(`npm start is "${manifest.scripts.start}"; it should be exec node …`);
  const profile = profileDir === null ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  return [node, ...profile, ...words.split(" ")];
}

async function createChannels(url: string, count: number): Promise<Target[]> {
  const made: Target[] = [];
  await together(count, async (index) => {
    const body = JSON.stringify({ name: `bench ${index}`, visibility: "public" });
    const { id, publish_token } = (await post(`${url}/v1/channels`, body)) as { id: string; publish_token: string };
    made.push({
      publish: `/v1/channels/${id}/publish`,
      header: `X-Publish-Token: ${publish_token}`,
      read: `/v1/public/${id}`,
    });
  });
  return made;
}

/** Publishes so many messages, as batches where the server takes them; resolves to the id of the first. */
export async function fill(server: Millrace, target: Target, count: number): Promise<string> {
  const [name, value] = target.header.split(": ");
  const send = (body: unknown) => post(`${server.url}${target.publish}`, JSON.stringify(body), { [name!]: value! });
  const payload = textOf(128);
  const first = (await send({ payload })) as { id: string };
  const size = 1_000;
  const rest = count - 1;
  const batches = Math.ceil(rest / size);
  const batch = (index: number) => ({
    messages: Array.from({ length: Math.min(size, rest - index * size) }, () => ({ payload })),
  });
  try {
    for (let index = 0; index < batches; index += 1) await send(batch(index));
  } catch (error) {
    // A server without batches refuses the first of them.
    if (!String(error).includes("invalid_input")) throw error;
    await together(rest, () => send({ payload }));
  }
  return first.id;
}

async function post(url: string, body: string, headers: Record<string, string> = {}): Promise<unknown> {
  const response = await fetch(url, {
    method: "POST",
    body,
    headers: { "Content-Type": "application/json", ...headers },
  });
  const text = await response.text();
  if (!response.ok)
    throw new Error(`POST ${new URL(url).pathname} was answered ${response.status}: ${text.slice(0, 300)}`);
  return JSON.parse(text);
}

/** Takes so many steps, a few dozen at once. */
export async function together(count: number, step: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const walk = async () => {
    while (next < count) await step(next++);
  };
  await Promise.all(Array.from({ length: Math.min(TOGETHER, count) }, walk));
}
