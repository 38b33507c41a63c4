/** The chapters of the benchmark, in the order of the table. */
import { batch } from "./batch.ts";
import { channels } from "./channels.ts";
import { documents } from "./documents.ts";
import { fanOut, latency } from "./fan_out.ts";
import { idle } from "./idle.ts";
import { many } from "./many.ts";
import type { Measure } from "./measure.ts";
import { publish } from "./publish.ts";
import { queue } from "./queue.ts";
import { replays } from "./replay.ts";
import { stalled } from "./stalled.ts";
import { tables } from "./tables.ts";

export const measures: readonly Measure[] = [
  publish,
  batch,
  fanOut,
  latency,
  many,
  stalled,
  replays,
  idle,
  channels,
  documents,
  queue,
  tables,
];
