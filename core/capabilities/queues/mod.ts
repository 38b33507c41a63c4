/** Queues: work that is put in by some and done by others, at least once each, with leases, retries and dead letters. */
import type { Capability } from "../../kernel/capability.ts";
import { ackMany } from "./ack_many.ts";
import { claim } from "./claim.ts";
import { pause, purge, remove, resume } from "./control.ts";
import { duties } from "./duties.ts";
import { extend, progress } from "./heartbeat.ts";
import { cancel, redrive } from "./intervene.ts";
import { dead, get, list as listJobs } from "./look.ts";
import { mode } from "./mode.ts";
import { enqueue, enqueueMany, push } from "./push.ts";
import { configure, list, stats } from "./queue.ts";
import { getSchedule, listSchedules, putSchedule, removeSchedule } from "./schedule.ts";
import { ack, complete, nack } from "./settle.ts";

export const queues: Capability = {
  name: "queues",
  title: "Queues",
  about:
    "Jobs are put into a queue and claimed by workers, which acknowledge them when they are done. A job that is claimed is hidden from others for a while; if its worker dies, it comes back, and after max_attempts claims it is dead, to be looked at and brought back by a person.",
  // Paths with a word stand before those with an id in its place.
  operations: {
    push,
    enqueue,
    enqueueMany,
    claim,
    ackMany,
    dead,
    listJobs,
    redrive,
    pause,
    resume,
    purge,
    complete,
    ack,
    nack,
    extend,
    progress,
    cancel,
    get,
    stats,
    list,
    configure,
    remove,
    putSchedule,
    listSchedules,
    getSchedule,
    removeSchedule,
  },
  duties,
  mode,
};
