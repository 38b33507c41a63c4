/** The queue keeps its contract on every twin. */
import { onEveryTwin } from "../support/table_stores.ts";
import { queueContract } from "./queue.ts";

onEveryTwin(queueContract, () => undefined);
