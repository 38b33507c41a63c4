/** What the queue promises on PostgreSQL alone: its plans, its shared statements, whom it waits for, and that two processes leave nothing over. */
import process from "node:process";
import { queueOnPostgres } from "./queue_postgres.ts";

const url = process.env.TEST_DATABASE_URL;
if (url) queueOnPostgres(url);
else console.log("skipped: TEST_DATABASE_URL is not set, so no server was asked");
