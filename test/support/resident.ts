/** The resident memory of a process, as Linux tells it. */
import { readFile, writeFile } from "node:fs/promises";

async function field(pid: number, name: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status)?.[1]) / 1_024;
}

/** MiB that are resident now. */
export const residentMiB = (pid: number) => field(pid, "VmRSS");

/** The most MiB that were resident while `work` went on. */
export async function peakMiB(pid: number, work: () => Promise<unknown>): Promise<number> {
  // Makes the high-water mark begin anew (proc(5), clear_refs).
  await writeFile(`/proc/${pid}/clear_refs`, "5");
  await work();
  return await field(pid, "VmHWM");
}
