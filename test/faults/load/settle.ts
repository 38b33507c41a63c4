/** The end of a run: the last publishes are settled, the readers get what is left, and all is held against the table. */
import type { Cluster, Rig, Verdict } from "../scenario.ts";
import { check, type Findings, verdictsOf } from "./checker.ts";
import type { Crew } from "./crew.ts";
import { grouped } from "./figures.ts";
import type { History } from "./history.ts";
import { lastIds, tableOf } from "./table.ts";

/** How long publishes may take to settle, for those who wait for a connection that nobody serves any more. */
const SETTLE_MS = 40_000;
/** A look at the store each second brings what no knock told of; that, and room for a machine that is busy. */
const QUIET_MS = 8_000;

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
      figure: quiet === null ? `not within ${QUIET_MS / 1_000} s` : `after ${(quiet / 1_000).toFixed(1)} s`,
      ok: quiet !== null,
    },
  ];
  return { verdicts, found, history };
}

/** Milliseconds until every reader has its channel's last message; null when some do not get it. */
async function quiesce(rig: Rig, { crew, cluster }: Run): Promise<number | null> {
  const began = performance.now();
  const last = await lastIds(cluster, crew.channels);
  while (performance.now() - began < QUIET_MS) {
    const { readers } = await crew.status();
    const behind = readers.filter((reader) => reader.last !== (last.get(reader.channel) ?? ""));
    if (behind.length === 0) return performance.now() - began;
    await rig.pause(100);
  }
  return null;
}
