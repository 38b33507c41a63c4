/** Changing a document in part: JSON Merge Patch (RFC 7396). */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { refuseUnsafe } from "../../kernel/json_text.ts";
import { call } from "../../kernel/operation.ts";
import { notFound } from "../../kernel/permit.ts";
import { carryOut, type Plan } from "../../kernel/plan.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { namespace } from "./namespace.ts";
import { planOfPut, type Stored } from "./plan.ts";
import { ifMatch, matches, preconditionFailed } from "./precondition.ts";
import { most, told } from "./put.ts";
import { expiresAt, expiryFrom, ifVersion, key, recordFields, ttlSeconds } from "./record.ts";

/** How often a patch that met other changes is tried in all. */
const TRIES = 100;

const input = v.strictObject({
  namespace,
  key,
  patch: v.pipe(
    v.unknown(),
    v.description("What changes: members with their new values, null removes a member; what is no object replaces all"),
  ),
  expires_at: v.optional(expiresAt),
  ttl_seconds: v.optional(ttlSeconds),
  if_version: v.optional(ifVersion),
  if_match: v.optional(ifMatch),
});

type PatchInput = v.InferOutput<typeof input>;

export const patch = call({
  summary: "Patch a document.",
  details:
    "Merges the body into the newest version by JSON Merge Patch (RFC 7396): members given are set, null removes one, objects are merged, all else, lists too, is replaced. Patches at the same time all take effect, one after the other. The time at which the document goes stays unless another one is given.",
  http: "PATCH /document/:namespace/:key",
  tool: "document_patch",
  needs: {
    scope: "documents",
    access: "write",
    of: "namespace",
    also: {
      words: "patching needs documents:read too, since the answer shows what is stored",
      scopes: ({ namespace }) => [{ mode: "documents", access: "read", name: namespace as string }],
    },
  },
  limit: "data",
  input,
  headers: { if_match: "If-Match" },
  body: { whole: "patch", most },
  output: v.object(recordFields),
  faults: ["not_found", "precondition_failed", "too_large", "conflict"],
  examples: [
    {
      input: { namespace: "orders", key: "1042", patch: { status: "sent", total: null } },
      output: { namespace: "orders", key: "1042", version: 3, payload: { status: "sent" }, created_at: "$TIME" },
      after: [["documents.put", 1]],
    },
  ],
  async handle(context, input) {
    const isConditional = input.if_version !== undefined || input.if_match !== undefined;
    for (let tries = 1; ; tries += 1) {
      const stored = await attempt(context, input);
      if (stored instanceof Fault) {
        if (isConditional) throw stored;
        if (tries < TRIES) continue;
        throw new Fault("conflict", `The document ${input.key} is changed by others all the time; try again`);
      }
      return told(context, stored);
    }
  },
});

/** One try; a fault when another change came first. */
async function attempt(context: Context, input: PatchInput): Promise<Stored | Fault> {
  try {
    return await carryOut(context, () => patchPlan(context, input));
  } catch (error) {
    if (error instanceof Fault && error.code === "precondition_failed") return error;
    throw error;
  }
}

async function patchPlan(context: Context, input: PatchInput): Promise<Plan<Stored>> {
  const { namespace, key } = input;
  const document = await context.database.documents.get(USER, namespace, key);
  if (document === null) throw notFound("document", key);
  const { if_version, if_match } = input;
  if (if_version !== undefined && if_match !== undefined)
    throw new Fault("invalid_input", "Cannot patch a document: if_version stands beside If-Match; send one of the two");
  if ((if_version ?? document.version) !== document.version || (if_match !== undefined && !matches(if_match, document)))
    throw preconditionFailed(input, document.version);
  const payload = merged(document.body.payload!, input.patch as Json);
  refuseUnsafe(payload);
  const until = expiryFrom(input, context.clock.now()) ?? document.expiresAt;
  return planOfPut(context, { namespace, key, payload, expiresAt: until, wanted: { ifVersion: document.version } });
}

/** The target with the patch merged in, by the algorithm of RFC 7396; neither is changed. */
export function merged(target: Json, change: Json): Json {
  if (!isObject(change)) return change;
  const result: JsonObject = isObject(target) ? { ...target } : {};
  for (const [member, value] of Object.entries(change)) {
    if (value === null) delete result[member];
    else result[member] = merged(Object.hasOwn(result, member) ? result[member]! : null, value);
  }
  return result;
}

function isObject(value: Json): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
