/** Declaring a namespace: a JSON Schema that its payloads fit, and fields that are indexed for filters. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { nextCursor, pageFields, readCursor, writeCursor } from "../../kernel/page.ts";
import { USER } from "../../kernel/realm.ts";
import { schemaCheck } from "../../kernel/schema_check.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { buildIndexes } from "./backfill.ts";
import { field, INDEXES_MOST } from "./index_fields.ts";
import { type Index, knockOfSettings, loadSettings, namespace, putSettings, type Settings } from "./namespace.ts";

const PATH = "/document-namespaces/:namespace/schema";
const TRIES = 10;
/** Of what is there already, this many documents are indexed before the answer; a duty does the rest. */
const AT_ONCE = 2_000;
/** A page of a dry run reads at most this many bytes. */
const DRY_BYTES = 8_388_608;

const schema = v.pipe(
  v.nullable(v.record(v.string(), v.unknown())),
  v.description(
    "JSON Schema (draft 2020-12) that every payload put from now on must fit; null: none. At most 64 KiB; no recursion; patterns without groups, in which one part at most repeats without end",
  ),
);
const indexes = v.pipe(
  v.array(field),
  v.maxLength(INDEXES_MOST),
  v.description(`Fields that lists can be filtered by, at most ${INDEXES_MOST}: status, owner.name`),
);

const declared = {
  namespace: v.string(),
  schema: v.nullable(v.record(v.string(), v.unknown())),
  indexes: v.array(
    v.object({
      field: v.string(),
      ready: v.pipe(v.boolean(), v.description("false: documents that were there are still being indexed")),
    }),
  ),
  version: v.pipe(v.number(), v.description("Of the declarations; grows with each change")),
};

const failing = v.array(
  v.object({ key: v.string(), errors: v.array(v.object({ path: v.string(), problem: v.string() })) }),
);

export const declare = call({
  summary: "Declare a namespace's schema and indexes.",
  details:
    "Replaces both; what is left out stays. The schema is checked on every way in: puts, patches, imports and batches. What is stored already stays as it is: with dry_run=true nothing is changed, and the answer says which stored documents would not fit, a page at a time. A new index takes in what is stored; while it is being built, filters on it are a conflict.",
  http: `PUT ${PATH}`,
  tool: "document_declare",
  idempotent: true,
  needs: {
    scope: "documents",
    access: "write",
    of: "namespace",
    also: {
      words: "dry_run needs documents:read too, since the answer shows what is stored",
      scopes: ({ namespace, dry_run }) =>
        dry_run === true ? [{ mode: "documents", access: "read", name: namespace as string }] : [],
    },
  },
  limit: "data",
  input: v.strictObject({
    namespace,
    schema: v.optional(schema),
    indexes: v.optional(indexes),
    dry_run: v.optional(
      v.pipe(v.boolean(), v.description("true: only say which stored documents would not fit")),
      false,
    ),
    ...pageFields,
  }),
  query: ["dry_run", "limit", "cursor"],
  body: { most: () => ({ json: 131_072, raw: 0 }) },
  output: v.object({
    namespace: v.string(),
    schema: v.optional(declared.schema),
    indexes: v.optional(declared.indexes),
    version: v.optional(declared.version),
    checked: v.optional(v.pipe(v.number(), v.description("Dry run: how many documents were looked at"))),
    failing: v.optional(v.pipe(failing, v.description("Dry run: those that would not fit, and why"))),
    next_cursor: v.optional(nextCursor),
  }),
  faults: ["conflict"],
  examples: [
    {
      input: {
        namespace: "orders",
        schema: { type: "object", required: ["status"], properties: { status: { enum: ["open", "paid", "sent"] } } },
        indexes: ["status"],
      },
      output: {
        namespace: "orders",
        schema: { type: "object", required: ["status"], properties: { status: { enum: ["open", "paid", "sent"] } } },
        indexes: [{ field: "status", ready: true }],
        version: "$VERSION",
      },
    },
    {
      input: { namespace: "orders", schema: { type: "object" }, dry_run: true },
      output: { namespace: "orders", checked: 0, failing: [], next_cursor: null },
    },
  ],
  async handle(context, input) {
    const { namespace } = input;
    const wanted = input.schema as JsonObject | null | undefined;
    if (input.dry_run) return { namespace, ...(await dryRun(context, { ...input, schema: wanted })) };
    if (wanted) schemaCheck(wanted);
    await change(context, namespace, (before) => ({
      schema: wanted === undefined ? before.schema : wanted,
      indexes: input.indexes === undefined ? before.indexes : indexesOf(input.indexes, before.indexes),
    }));
    await buildIndexes(context, namespace, { most: AT_ONCE, signal: context.signal });
    return told(namespace, await loadSettings(context, namespace));
  },
});

/** Those that are there already stay as ready as they are. */
function indexesOf(fields: readonly string[], before: readonly Index[]): Index[] {
  return [...new Set(fields)].map((field) => before.find((index) => index.field === field) ?? { field, ready: false });
}

/** Replaces the settings by what `next` makes of them. */
async function change(
  context: Context,
  namespace: string,
  next: (before: Settings) => Pick<Settings, "schema" | "indexes">,
): Promise<void> {
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const before = await loadSettings(context, namespace);
    const { committed } = await context.database.commit([putSettings(namespace, next(before), before.version)]);
    if (committed) return void context.bus.knock([knockOfSettings(namespace)]);
  }
  throw new Fault("conflict", `The declarations of ${namespace} are being changed by others; try again`);
}

async function dryRun(
  context: Context,
  input: { namespace: string; schema: JsonObject | null | undefined; limit: number; cursor?: string | undefined },
) {
  const settings = await loadSettings(context, input.namespace);
  const check = input.schema === undefined ? settings.check : input.schema === null ? null : schemaCheck(input.schema);
  const after = readCursor(input.cursor, v.string());
  const page = await context.database.documents.page({
    realm: USER,
    collection: input.namespace,
    after: after === undefined ? null : { value: "", id: after },
    limit: input.limit,
    bodyBytes: DRY_BYTES,
  });
  const failing = page.documents.flatMap(({ id, body }) => {
    const errors = misfitsOf(check, body!.payload!);
    return errors.length === 0 ? [] : [{ key: id, errors }];
  });
  return {
    checked: page.documents.length,
    failing,
    next_cursor: page.next === null ? null : writeCursor(page.next.id),
  };
}

function misfitsOf(check: Settings["check"], payload: Json): { path: string; problem: string }[] {
  try {
    return check?.(payload) ?? [];
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return [{ path: "", problem: error.message }];
  }
}

function told(namespace: string, { schema, indexes, version }: Settings) {
  return { namespace, schema, indexes: indexes.map(({ field, ready }) => ({ field, ready })), version };
}

export const getDeclared = call({
  summary: "Get a namespace's schema and indexes.",
  http: `GET ${PATH}`,
  tool: "document_get_declared",
  needs: { scope: "documents", access: "read", of: "namespace" },
  limit: "data",
  input: v.strictObject({ namespace }),
  output: v.object(declared),
  faults: ["not_found"],
  examples: [
    {
      input: { namespace: "orders" },
      output: {
        namespace: "orders",
        schema: { type: "object", required: ["status"], properties: { status: { enum: ["open", "paid", "sent"] } } },
        indexes: [{ field: "status", ready: true }],
        version: "$VERSION",
      },
      after: [["documents.declare", 0]],
    },
  ],
  async handle(context, { namespace }) {
    const settings = await loadSettings(context, namespace);
    if (settings.schema === null && settings.indexes.length === 0) throw undeclared(namespace);
    return told(namespace, settings);
  },
});

function undeclared(namespace: string): Fault {
  return new Fault("not_found", `Nothing has been declared of the namespace ${namespace}`, { details: { namespace } });
}

export const removeDeclared = call({
  summary: "Remove a namespace's schema and indexes.",
  details: "The documents stay; what is put from now on is not checked, and lists cannot be filtered.",
  http: `DELETE ${PATH}`,
  tool: "document_remove_declared",
  needs: { scope: "documents", access: "write", of: "namespace" },
  limit: "data",
  input: v.strictObject({ namespace }),
  output: v.object({ namespace: v.string(), removed: v.boolean() }),
  faults: ["conflict"],
  examples: [
    {
      input: { namespace: "orders" },
      output: { namespace: "orders", removed: true },
      after: [["documents.declare", 0]],
    },
  ],
  async handle(context, { namespace }) {
    const { schema, indexes } = await loadSettings(context, namespace);
    const removed = schema !== null || indexes.length > 0;
    if (removed) await change(context, namespace, () => ({ schema: null, indexes: [] }));
    return { namespace, removed };
  },
});
