/** What the machine is, and what else runs on it: a figure taken while strangers use the cores is worth little. */
import { readdirSync, readFileSync } from "node:fs";
import { availableParallelism, cpus, release } from "node:os";
import process from "node:process";

/** Cores, processor and kernel in words. */
export function machineWords(): string {
  const { model = "unknown processor" } = cpus()[0] ?? {};
  return `${availableParallelism()} cores (${model.trim()}), Linux ${release()}`;
}

/** Bytes in memory of a process and those it has started. */
export function memoryOf(pid: number): number {
  const tree = familyOf(pid, readAll());
  return tree.reduce((sum, { pid: each }) => sum + residentOf(each), 0);
}

/** Seconds of processor time that a process, and those it has started, have used so far. */
export function processorSeconds(pid: number): number {
  return familyOf(pid, readAll()).reduce((sum, { ticks: each }) => sum + each, 0) / TICKS_PER_SECOND;
}

function residentOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+)/m.exec(readIfThere(`/proc/${pid}/status`)) ?? [];
  return Number(kilobytes ?? 0) * 1024;
}

/** Begins to watch; the answer is how much of one core strangers used since then. */
export function watchStrangers(): () => number {
  const began = { at: performance.now(), ...ticks() };
  return () => {
    const now = ticks();
    const foreign = now.all - began.all - (now.own - began.own);
    const seconds = (performance.now() - began.at) / 1000;
    return Math.max(0, foreign / TICKS_PER_SECOND / seconds);
  };
}

const TICKS_PER_SECOND = 100;

interface Process {
  pid: number;
  parent: number;
  /** Of itself and of the children it has awaited. */
  ticks: number;
}

/** Time spent by all processes, and by this one with all it has started. */
function ticks(): { all: number; own: number } {
  const [, user, nice, system] = /^cpu +(\d+) (\d+) (\d+)/.exec(readIfThere("/proc/stat")) ?? [];
  const own = familyOf(process.pid, readAll()).reduce((sum, each) => sum + each.ticks, 0);
  return { all: Number(user) + Number(nice) + Number(system), own };
}

function readAll(): Process[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      const text = readIfThere(`/proc/${name}/stat`);
      if (text === "") return [];
      // The program's name stands in parentheses and may hold blanks.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const spent = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      return [{ pid: Number(name), parent: Number(fields[1]), ticks: spent }];
    });
}

function familyOf(pid: number, all: readonly Process[]): Process[] {
  const family = all.filter((each) => each.pid === pid);
  for (const each of family) family.push(...all.filter(({ parent }) => parent === each.pid));
  return family;
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}
