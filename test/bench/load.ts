/** The load generator as a function: builds what it is to send, runs it, and reads what it found. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Child, startChild } from "./children.ts";

/** Where one channel of a server is published to and read. */
export interface Target {
  /** A path, to which is posted, or a method and a path. */
  publish: string;
  /** A header line of each publish; empty: none. */
  header: string;
  read: string;
}

export interface Load {
  port: number;
  targets: readonly Target[];
  /** What each publish sends; every `ts=` with 19 digits is filled with the time. */
  body?: string;
  publishers?: number;
  /** Readers of each target. */
  readers?: number;
  /** How many of all readers stop reading. */
  stalled?: number;
  /** How many messages publishers may be ahead of readers. */
  window?: number;
  /** Publishes a second, on time whether or not the last has been answered; left out: one after the other. */
  rate?: number;
  /** Readers are done when each has so many messages. */
  expect?: number;
  seconds?: number;
  warmup?: number;
}

/** What came of it. Times are in microseconds. */
export interface Found {
  seconds: number;
  /** Publishes answered with 2xx, and messages delivered, within the seconds. */
  answered: number;
  delivered: number;
  /** Publishes answered with 2xx, and deliveries, in all, warm-up included; then what was wrong with them. */
  published: number;
  total: number;
  lost: number;
  disordered: number;
  dropped: number;
  notices: number;
  errors: number;
  /** The first error in words. */
  trouble: string;
  p50: number;
  p99: number;
  answer_p50: number;
  answer_p99: number;
  stalled_ended: number;
}

const STAMP = `ts=${"0".repeat(19)}`;

/** Text of so many characters with a place for the time. */
export function textOf(size: number): string {
  return STAMP + "x".repeat(size - STAMP.length);
}

/** Runs the load to its end; `began` is called when all readers have come. */
export async function runLoad(program: string, directory: string, load: Load & { began?: () => void }): Promise<Found> {
  const { began, ...what } = load;
  const child = await start(program, directory, what, [], /begin/);
  began?.();
  return lastLine(await child.ended()) as Found;
}

function lastLine(output: string): unknown {
  return JSON.parse(output.trim().split("\n").at(-1)!);
}

/** Opens the readers and keeps them open until the child is released. */
export async function holdReaders(program: string, directory: string, load: Load): Promise<Child> {
  const child = await start(program, directory, load, ["--hold", "1"], /"open"/);
  const { open } = lastLine(child.output()) as { open: number };
  const wanted = load.targets.length * (load.readers ?? 0);
  if (open === wanted) return child;
  await child.stop();
  throw new Error(`only ${open} of ${wanted} streams could be opened`);
}

async function start(program: string, directory: string, load: Load, more: string[], ready: RegExp) {
  const files = { targets: join(directory, "targets"), body: join(directory, "body") };
  await writeFile(
    files.targets,
    load.targets.map(({ publish, header, read }) => `${publish}\t${header}\t${read}\n`).join(""),
  );
  await writeFile(files.body, load.body ?? "");
  const { targets, body, ...numbers } = load;
  const options = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const verb = load.readers ? "readers" : "publish";
  const args = [verb, "--targets", files.targets, "--body", files.body, ...options, ...more];
  return startChild({ command: program, args, ready });
}
