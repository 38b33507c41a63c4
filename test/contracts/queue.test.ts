/** The queue keeps its contract on every twin; and on PostgreSQL a few promises of its own. */
import { onEveryTwin } from "../support/table_stores.ts";
import { queueContract } from "./queue.ts";
import { queueOnPostgres } from "./queue_postgres.ts";

onEveryTwin(queueContract, ({ url }) => queueOnPostgres(url));
