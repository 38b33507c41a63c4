/** What a server's CPU profile says: the functions, and the files or packages, that took most time by themselves. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

interface Profile {
  nodes: { id: number; callFrame: Frame }[];
  samples: number[];
  timeDeltas: number[];
}

interface Frame {
  functionName: string;
  url: string;
  lineNumber: number;
}

const MOST = 15;
/** Of the process's own thread; the loader has one of its own. */
const MAIN_THREAD = /\.0\.\d+\.cpuprofile$/;

/** Prints, for each profile of a directory, where the time went. */
export async function printProfiles(directory: string): Promise<void> {
  const files = (await readdir(directory)).filter((name) => MAIN_THREAD.test(name)).sort();
  for (const file of files) {
    const profile = JSON.parse(await readFile(join(directory, file), "utf8")) as Profile;
    console.log(`\n${file}, by function`);
    for (const line of heaviest(profile, functionOf)) console.log(line);
    console.log(`\n${file}, by file or package`);
    for (const line of heaviest(profile, placeOf)) console.log(line);
  }
}

/** Shares of the time in which the process was not idle, from the first request on: its start is another matter. */
function heaviest({ nodes, samples, timeDeltas }: Profile, nameOf: (frame: Frame) => string): string[] {
  const frames = new Map(nodes.map(({ id, callFrame }) => [id, callFrame]));
  const spent = new Map<string, number>();
  let busy = 0;
  const first = samples.findIndex((id) => isRequest(frames.get(id)!));
  for (const [index, id] of samples.entries()) {
    const frame = frames.get(id)!;
    if (index < first || frame.functionName === "(idle)") continue;
    busy += timeDeltas[index]!;
    spent.set(nameOf(frame), (spent.get(nameOf(frame)) ?? 0) + timeDeltas[index]!);
  }
  return [...spent]
    .sort(([, one], [, other]) => other - one)
    .slice(0, MOST)
    .map(([name, time]) => `${((100 * time) / busy).toFixed(1).padStart(6)} %  ${name}`);
}

function isRequest({ url, functionName }: Frame): boolean {
  return url.endsWith("core/kernel/invoke.ts") && functionName === "walk";
}

function functionOf(frame: Frame): string {
  const { functionName, url, lineNumber } = frame;
  if (url === "") return functionName || "(native)";
  return `${functionName || "(anonymous)"} ${fileOf(url)}:${lineNumber + 1}`;
}

function placeOf({ functionName, url }: Frame): string {
  if (url === "") return functionName.startsWith("(") ? functionName : "(native)";
  const [, name] = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
  return name ?? fileOf(url);
}

function fileOf(url: string): string {
  return url.replace(/^.*node_modules\//, "").replace(/^file:\/\/.*\/(core|adapters|scripts)\//, "$1/");
}
