/** The handle on the process of the clients. */
import { fork } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Rig } from "../scenario.ts";
import type { Order, Plan, Status } from "./clients.ts";
import type { Channel, History } from "./history.ts";
import { ask } from "./http.ts";

export interface Crew {
  channels: readonly Channel[];
  status(): Promise<Status>;
  /** No new publishes; resolves when the last ones are settled, or after `withinMs` with how many are not. */
  stop(withinMs: number): Promise<number>;
  /** Ends the readers and brings what everybody remembers. */
  finish(): Promise<History>;
}

const PROGRAM = fileURLToPath(new URL("./clients.ts", import.meta.url));
const LOADER = new URL("../../../scripts/typescript.mjs", import.meta.url).href;

export async function startCrew(rig: Rig, plan: Plan): Promise<Crew> {
  const child = fork(PROGRAM, [], { execArgv: ["--import", LOADER], stdio: ["ignore", "inherit", "inherit", "ipc"] });
  rig.onEnd(() => child.kill("SIGKILL"));
  const waiting: { resolve(answer: unknown): void; reject(error: Error): void }[] = [];
  // Orders but "stop" are answered at once, and "stop" is awaited by its own count of what is unsettled.
  child.on("message", (message: { answer: unknown; error?: string }) => {
    const next = waiting.shift();
    if (message.error === undefined) next?.resolve(message.answer);
    else next?.reject(new Error(message.error));
  });
  child.on("exit", (code) => {
    for (const { reject } of waiting.splice(0)) reject(new Error(`the clients ended with code ${code}`));
  });
  const tell = (order: Order): Promise<unknown> =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      child.send(order);
    });
  const status = async () => (await tell({ order: "status" })) as Status;

  await tell({ order: "begin", plan });
  return {
    channels: plan.channels,
    status,
    async stop(withinMs) {
      await tell({ order: "stop" });
      const until = performance.now() + withinMs;
      for (;;) {
        const { unsettled } = await status();
        if (unsettled === 0 || performance.now() > until) return unsettled;
        await rig.pause(50);
      }
    },
    async finish() {
      const file = join(rig.directory, "history.json");
      await tell({ order: "finish", file });
      return JSON.parse(await readFile(file, "utf8")) as History;
    },
  };
}

/** Creates channels through a server. */
export async function createChannels(
  server: string,
  wanted: readonly Pick<Channel, "visibility" | "weight">[],
): Promise<Channel[]> {
  return await Promise.all(
    wanted.map(async ({ visibility, weight }, index) => {
      const body = JSON.stringify({ name: `fault-run-${index}`, visibility });
      const headers = { "Content-Type": "application/json" };
      const answer = await ask(`${server}/v1/channels`, { method: "POST", headers, body, timeoutMs: 10_000 });
      if (answer.status !== 201) throw new Error(`no channel: ${answer.status} ${answer.body}`);
      const made = JSON.parse(answer.body) as { id: string; publish_token: string; read_token?: string };
      return { id: made.id, visibility, publishToken: made.publish_token, readToken: made.read_token ?? null, weight };
    }),
  );
}
