/** All planted faults. */
import { plantedInObjects } from "./list_objects.ts";
import { plantedBetweenProcesses } from "./list_processes.ts";
import { plantedInQueues } from "./list_queue.ts";
import { plantedInStore } from "./list_store.ts";
import { plantedInStreams } from "./list_streams.ts";
import type { Planted } from "./plant.ts";

export const allPlanted: readonly Planted[] = [
  ...plantedInStore,
  ...plantedInObjects,
  ...plantedInStreams,
  ...plantedBetweenProcesses,
  ...plantedInQueues,
];
