/**
 * What storing costs at least behind HTTP: Hono on Node whose handlers do nothing but store, without channels, tokens or checks.
 * `node hono_server.ts PORT DATABASE_URL`; POST /group/… commits whoever waits in one statement, POST /each/… inserts one row a request.
 * PUT and GET /document/… upsert and look up one row a request.
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import pg from "pg";
import { groupCommit, INSERT_ONE, makeTable } from "./group_commit.ts";
import { getDocument, makeDocuments, putDocument } from "./plain_documents.ts";

const [port, url] = process.argv.slice(2);
const each = new pg.Pool({ connectionString: url!, max: 16 });
const alone = new pg.Client({ connectionString: url! });
await alone.connect();
await makeTable(alone);
await makeDocuments(alone);
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
app.put("/document/:namespace/:key", async (context) => {
  const { namespace, key } = context.req.param();
  const payload = await context.req.json();
  return context.json({ namespace, key, payload, ...(await putDocument(each, [namespace, key], payload)) }, 201);
});
app.get("/document/:namespace/:key", async (context) => {
  const { namespace, key } = context.req.param();
  const found = await getDocument(each, [namespace, key]);
  return found === undefined ? context.notFound() : context.json({ namespace, key, ...found });
});
serve({ fetch: app.fetch, port: Number(port), hostname: "127.0.0.1" }, () => console.log("ready"));
