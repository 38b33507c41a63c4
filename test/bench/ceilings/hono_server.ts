/**
 * What durable publishing costs at least behind HTTP: Hono on Node whose handlers do nothing but store, without channels, tokens or checks.
 * `node hono_server.ts PORT DATABASE_URL`; POST /group/… commits whoever waits in one statement, POST /each/… inserts one row a request.
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import pg from "pg";
import { groupCommit, INSERT_ONE, makeTable } from "./group_commit.ts";

const [port, url] = process.argv.slice(2);
const each = new pg.Pool({ connectionString: url!, max: 16 });
const alone = new pg.Client({ connectionString: url! });
await alone.connect();
await makeTable(alone);
const group = groupCommit(alone);

async function insertOne(channel: string, data: string): Promise<string> {
  const { rows } = await each.query<{ id: string }>({ ...INSERT_ONE, values: [channel, data] });
  return rows[0]!.id;
}

const app = new Hono();
for (const [path, store] of [
  ["/group/:channel", group],
  ["/each/:channel", insertOne],
] as const) {
  app.post(path, async (context) => {
    const { payload } = await context.req.json<{ payload: string }>();
    const id = await store(context.req.param("channel"), payload);
    return context.json({ id, created_at: new Date().toISOString(), expires_at: new Date().toISOString() }, 201);
  });
}
serve({ fetch: app.fetch, port: Number(port), hostname: "127.0.0.1" }, () => console.log("ready"));
