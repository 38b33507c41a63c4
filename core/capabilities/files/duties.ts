/** What the server does for files by itself: those whose time is over go, and objects to which no file refers. */
import type { Duty } from "../../kernel/duty.ts";
import { sweepOrphans } from "../../kernel/orphans.ts";
import { objectPrefix } from "./file.ts";

const BATCH = 500;

const expire: Duty = {
  name: "files.expire",
  everyMs: 30_000,
  async run({ database }, signal) {
    let files = 0;
    for (let gone = BATCH; gone === BATCH && !signal.aborted; files += gone) gone = await database.files.expire(BATCH);
    return { files };
  },
};

const removeOrphans: Duty = {
  name: "files.remove_orphans",
  everyMs: 3_600_000,
  async run(house, signal) {
    const { referenced } = house.database.files;
    return { orphans: await sweepOrphans(house, { prefix: await objectPrefix(house), referenced, signal }) };
  },
};

export const duties: readonly Duty[] = [expire, removeOrphans];
