/** The end of a run: the last publishes are settled, the readers get what is left, and all is held against the table. */
import type { Cluster, Rig, Verdict } from "../scenario.ts";
import { check, type Findings, verdictsOf } from "./checker.ts";
import type { Crew } from "./crew.ts";
import { grouped } from "./figures.ts";
import type { History } from "./history.ts";
import { lastIds, tableOf } from "./table.ts";

/** How long publishes may take to settle, for those who wait for a connection that nobody serves any more. */
const SETTLE_MS = 40_000;
/** A long-poll on a connection that has died unseen is given up by its client after 9 s; then it asks for page after page. */
const QUIET_MS = 15_000;

export interface Settled {
  verdicts: Verdict[];
  found: Findings;
  history: History;
}

interface Run {
  crew: Crew;
  cluster: Cluster;
}

/** Call it when everything is healed. Nobody publishes while the readers are awaited, so what no wake-up brings stays missing. */
export async function settle(rig: Rig, { crew, cluster }: Run): Promise<Settled> {
  const unsettled = await crew.stop(SETTLE_MS);
  const quiet = await quiesce(rig, { crew, cluster });
  const history = await crew.finish();
  const found = check(history, await tableOf(cluster, crew.channels));
  const verdicts = [
    ...verdictsOf(found),
    {
      name: "publishes unsettled once all was healed",
      figure: `${unsettled} of ${grouped(found.attempted)}; given up on purpose ${found.indeterminate - unsettled}, of which stored ${found.recovered}`,
      ok: unsettled === 0,
    },
    {
      name: "readers complete after the last publish",
      figure: typeof quiet === "string" ? quiet : `after ${(quiet / 1_000).toFixed(1)} s`,
      ok: typeof quiet === "number",
    },
  ];
  return { verdicts, found, history };
}

/** Milliseconds until every reader has its channel's last message; in words which do not get it. */
async function quiesce(rig: Rig, { crew, cluster }: Run): Promise<number | string> {
  const began = performance.now();
  const last = await lastIds(cluster, crew.channels);
  for (;;) {
    const { readers } = await crew.status();
    const behind = readers.filter((reader) => reader.last !== (last.get(reader.channel) ?? ""));
    const passed = performance.now() - began;
    if (behind.length === 0) return passed;
    if (passed > QUIET_MS) {
      const who = behind.slice(0, 3).map(({ channel, last: stands }) => `${channel} at ${stands}`);
      return `not within ${QUIET_MS / 1_000} s: ${behind.length} readers, such as ${who.join("; ")}`;
    }
    await rig.pause(100);
  }
}
