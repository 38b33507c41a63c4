/** The queue's model on every twin. */
import { postgresQueue } from "../../adapters/postgres/queue.ts";
import { onEveryModel } from "../support/model_schema.ts";
import { queueModel } from "./queue_model.ts";

onEveryModel<"queue">(
  {
    over: (pool) => ({ queue: postgresQueue(pool).queue }),
    tables: [
      ...["queue_jobs", "queue_ended", "queue_groups", "queue_windows"],
      ...["queue_minutes", "queue_schedules", "queues"],
    ],
  },
  queueModel,
);
