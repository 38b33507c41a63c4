/**
 * The server about its data modes: each has a sentinel, a record that says what its records look like, which is written at the start and shown by
 * `GET /health`. The manuals are not here: they are documentation, which the docs face reads from the declarations.
 */
import * as v from "valibot";
import type { DataMode } from "../../kernel/capability.ts";
import type { Context, House } from "../../kernel/context.ts";
import type { Duty } from "../../kernel/duty.ts";
import { call } from "../../kernel/operation.ts";
import type { Document } from "../../ports/documents.ts";
import type { JsonObject } from "../../ports/json.ts";
import { checkDatabase, inTime } from "./health.ts";

/** Realm and collection of the sentinels; no data mode can name them. */
export const REALM = "server";
export const SENTINELS = "sentinels";

const EVERY_MS = 60_000;

const sentinel = v.object({
  mode: v.pipe(v.string(), v.description("The mode's name")),
  shape: v.pipe(v.record(v.string(), v.unknown()), v.description("JSON Schema of one record")),
  note: v.pipe(v.string(), v.description("What the mode is for")),
  created_at: v.pipe(v.string(), v.description("When this database first had the mode")),
});

/** Writes the sentinels at the start, and again when another version of the server has described a mode otherwise. */
export function sentinelDuty(modes: readonly DataMode[]): Duty {
  return {
    name: "server.describe_modes",
    everyMs: EVERY_MS,
    atOnce: true,
    async run(house) {
      return { described: await describeModes(house, modes) };
    },
  };
}

/** Makes each mode's sentinel what the mode says of itself; returns how many were changed. The time of its making stays. */
async function describeModes({ database }: Pick<House, "database">, modes: readonly DataMode[]): Promise<number> {
  const stored = await storedSentinels({ database }, modes);
  let changed = 0;
  for (const { name, shape, note } of modes) {
    const known = stored.get(name);
    const body = { mode: name, shape, note };
    if (known !== undefined && JSON.stringify(known.body) === JSON.stringify(body)) continue;
    // Whoever was first meanwhile wrote the same, or the next round comes to it.
    const { committed } = await database.commit([
      {
        op: "document.put",
        realm: REALM,
        collection: SENTINELS,
        id: name,
        body,
        ifVersion: known?.version ?? 0,
      },
    ]);
    if (committed) changed += 1;
  }
  return changed;
}

async function storedSentinels(
  { database }: Pick<House, "database">,
  modes: readonly DataMode[],
): Promise<Map<string, Document>> {
  const names = modes.map(({ name }) => name);
  const documents = await database.documents.getMany(REALM, SENTINELS, names);
  return new Map(documents.map((document) => [document.id, document]));
}

/** `GET /health`, which tells of these modes. */
export function describe(modes: readonly DataMode[]) {
  return call({
    summary: "Tell the state of the database, the data modes and the shapes of their records.",
    details:
      "For people and programs that want to know what is here. The status is 200, or 503 with the same body when the database cannot be used; the answer may be a second old.",
    http: "GET /health",
    tool: "health",
    app: "all",
    needs: "nobody",
    limit: "unlimited",
    input: v.strictObject({}),
    otherwise: { status: 503, words: "The database cannot be used; the same body says why." },
    output: v.object({
      status: v.pipe(v.picklist(["ok", "unavailable"]), v.description("unavailable: the database cannot be used")),
      database: v.object({
        reachable: v.pipe(v.boolean(), v.description("Whether the database can be used now")),
        reason: v.optional(v.pipe(v.string(), v.description("What is missing, in words"))),
      }),
      modes: v.array(
        v.object({
          mode: v.pipe(v.string(), v.description("The mode's name")),
          root: v.pipe(v.string(), v.description("The path where it begins, and whose GET answers its manual")),
        }),
      ),
      sentinels: v.pipe(v.array(sentinel), v.description("One for each mode; empty when the database cannot be used")),
    }),
    examples: [
      {
        input: {},
        output: {
          status: "ok",
          database: { reachable: true },
          modes: modes.map(({ name, root }) => ({ mode: name, root })),
          sentinels: modes.map(({ name, shape, note }) => ({ mode: name, shape, note, created_at: "$TIME" })),
        },
      },
    ],
    async handle(context) {
      const value = await context.recent("server/health", () => look(context, modes));
      if (value.status !== "ok") context.reply({ status: 503 });
      return value;
    },
  });
}

async function look(context: Context, modes: readonly DataMode[]) {
  const { database: check, migrations } = await checkDatabase(context);
  const bad = [check, migrations].find(({ ready }) => !ready);
  const sentinels = bad === undefined ? await sentinelsOf(context, modes) : null;
  const reason = bad === undefined ? "The database does not answer" : bad.reason;
  return {
    status: sentinels === null ? ("unavailable" as const) : ("ok" as const),
    database: { reachable: sentinels !== null, ...(sentinels !== null || reason === undefined ? {} : { reason }) },
    modes: modes.map(({ name, root }) => ({ mode: name, root })),
    sentinels: sentinels ?? [],
  };
}

/** The sentinels as they are stored, in the order of the modes; null when the database fails. */
async function sentinelsOf(context: Context, modes: readonly DataMode[]) {
  try {
    const stored = await inTime(readSentinels(context, modes), context);
    if (stored === "late") return null;
    return modes.flatMap(({ name }) => {
      const found = stored.get(name);
      if (found === undefined) return [];
      const { mode, shape, note } = found.body as unknown as { mode: string; shape: JsonObject; note: string };
      return [{ mode, shape, note, created_at: found.createdAt.toISOString() }];
    });
  } catch (error) {
    context.log.write("error", "database_not_ready", { error: String(error) });
    return null;
  }
}

/** A server that is asked in its first moments has not described its modes yet. */
async function readSentinels(context: Context, modes: readonly DataMode[]): Promise<Map<string, Document>> {
  const stored = await storedSentinels(context, modes);
  if (stored.size === modes.length) return stored;
  await describeModes(context, modes);
  return storedSentinels(context, modes);
}
