/**
 * The process of the clients: publishers and readers apart from the nemesis, whose work would otherwise hold them up just when a fault strikes and nothing would
 * be under way. It is told what to do by messages, and answers each with one.
 */
import { writeFile } from "node:fs/promises";
import process from "node:process";
import { seededRandom } from "../rig/random.ts";
import type { Channel, History } from "./history.ts";
import { type PublisherOptions, type Publishers, startPublishers } from "./publishers.ts";
import { type Reader, type ReaderOptions, startReader } from "./readers.ts";

/** What the clients are to do. */
export interface Plan extends Pick<PublisherOptions, "thinkMs" | "largeShare" | "batchShare"> {
  servers: string[];
  channels: Channel[];
  publishers: number;
  readers: Pick<ReaderOptions, "name" | "channels" | "kind" | "live">[];
  seed: number;
}

export type Order =
  | { order: "begin"; plan: Plan }
  | { order: "status" }
  | { order: "stop" }
  | { order: "finish"; file: string };

export interface Status {
  attempted: number;
  acknowledged: number;
  delivered: number;
  unsettled: number;
  /** By reader and channel: the channel and the last id it was given. */
  readers: { name: string; channel: string; last: string }[];
}

function main(): void {
  const history: History = { publishes: [], readings: [], oddities: { badReplays: 0, refusals: [] } };
  let publishers: Publishers | null = null;
  let readers: Reader[] = [];

  function begin({ servers, channels, seed, ...plan }: Plan): void {
    const random = seededRandom(seed);
    readers = plan.readers.map((reader) => startReader({ ...reader, servers, random: random.fork() }));
    history.readings = readers.flatMap(({ readings }) => readings);
    publishers = startPublishers(plan.publishers, { ...plan, servers, channels, history, random: random.fork() });
  }

  async function obey(order: Order): Promise<unknown> {
    if (order.order === "begin") return void begin(order.plan);
    if (order.order === "status") return statusOf(history, publishers?.unsettled() ?? 0);
    if (order.order === "stop") return void publishers?.stop();
    await Promise.all(readers.map((reader) => reader.close()));
    await writeFile(order.file, JSON.stringify(history));
    return null;
  }

  process.on("message", (order: Order) => {
    obey(order).then(
      (answer) => process.send?.({ answer: answer ?? null }),
      (error: unknown) => process.send?.({ error: String(error) }),
    );
  });
  process.on("disconnect", () => process.exit(0));
}

function statusOf({ publishes, readings }: History, unsettled: number): Status {
  return {
    attempted: publishes.length,
    acknowledged: publishes.filter(({ ackedAt }) => ackedAt !== null).length,
    delivered: readings.reduce((sum, { ids }) => sum + ids.length, 0),
    unsettled,
    readers: readings.map(({ name, channel, ids }) => ({ name, channel, last: ids.at(-1) ?? "" })),
  };
}

main();
