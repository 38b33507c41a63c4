/** Processes by their pids: whether one lives, its children, its memory, and an end to all that this process started, however it ends itself. */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

/** False also for a process that has ended and that nobody has waited for: who is killed with its parent may stay so for long. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  return statOf(pid)?.state !== "Z";
}

/** The children of a process now. */
export function childrenOf(pid: number): number[] {
  const pids = processFolder();
  if (pids === null) {
    const lines = execFileSync("ps", ["-A", "-o", "pid=,ppid="], { encoding: "utf8" }).trim().split("\n");
    return lines
      .map((line) => line.trim().split(/\s+/).map(Number))
      .flatMap(([child, parent]) => (parent === pid ? [child!] : []));
  }
  return pids.filter((child) => statOf(child)?.parent === pid);
}

/** Resident memory in bytes; 0 when the process is gone. */
export function memoryOf(pid: number): number {
  try {
    if (processFolder() === null)
      return 1_024 * Number(execFileSync("ps", ["-o", "rss=", "-p", `${pid}`], { encoding: "utf8" }));
    return 1_024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Sends a signal; false when the process is gone already. */
export function send(pid: number | undefined, signal: NodeJS.Signals): boolean {
  try {
    return pid !== undefined && process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Pids that are ended by SIGKILL with this process, even when it ends by an error. */
export interface Wards {
  add(pid: number): void;
  delete(pid: number): void;
}

export function createWards(): Wards {
  const pids = new Set<number>();
  process.on("exit", () => {
    for (const pid of pids) for (const each of [pid, ...childrenOf(pid)]) send(each, "SIGKILL");
  });
  return { add: (pid) => void pids.add(pid), delete: (pid) => void pids.delete(pid) };
}

/** The pids of Linux' /proc; null where there is none. */
function processFolder(): number[] | null {
  try {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  } catch {
    return null;
  }
}

function statOf(pid: number): { state: string; parent: number } | null {
  try {
    // The name in the second field may hold spaces and brackets.
    const [state = "", parent] = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    return { state, parent: Number(parent) };
  } catch {
    return null;
  }
}
