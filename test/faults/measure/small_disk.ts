/** A small file system in memory that can be filled and emptied: for root on Linux, where tmpfs can be mounted. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { open, rm, statfs } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import type { Rig } from "../scenario.ts";

const MIB = 1_048_576;

export interface SmallDisk {
  path: string;
  /** Bytes that can still be written. */
  free(): Promise<number>;
  /** Takes all room but so much, in a file that `release` removes. */
  fill(butBytes: number): Promise<void>;
  release(): Promise<void>;
}

/** Mounts one below the rig's directory until the scenario is over; null: it cannot be had here. Ask for it before what is to live on it. */
export function mountSmallDisk(rig: Rig, { name, mib }: { name: string; mib: number }): SmallDisk | null {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return null;
  const path = join(rig.directory, name);
  mkdirSync(path);
  const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${mib}m,mode=755`, "tmpfs", path]);
  if (mounted.status !== 0) return null;
  // Lazily, since whoever died on it a moment ago may still hold a file.
  const unmount = () => void spawnSync("umount", ["-l", path]);
  process.once("exit", unmount);
  rig.onEnd(() => {
    process.off("exit", unmount);
    unmount();
  });
  chmodSync(path, 0o755);
  const ballast = join(path, "ballast");

  async function free(): Promise<number> {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  }

  return {
    path,
    free,
    async fill(butBytes) {
      const file = await open(ballast, "a");
      const piece = Buffer.alloc(MIB);
      try {
        for (let room = (await free()) - butBytes; room > 0; room = (await free()) - butBytes)
          await file.write(piece, 0, Math.min(room, MIB));
      } catch (error) {
        // Somebody else took the last of it meanwhile.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      } finally {
        await file.close();
      }
    },
    release: () => rm(ballast, { force: true }),
  };
}
