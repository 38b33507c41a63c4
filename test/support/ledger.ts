/** A small capability whose operations take part in batches in every way that a plan allows: what batches promise is tested on it. */
import * as v from "valibot";
import type { Capability } from "../../core/kernel/capability.ts";
import type { Context } from "../../core/kernel/context.ts";
import { call } from "../../core/kernel/operation.ts";
import { carryOut, type Plan } from "../../core/kernel/plan.ts";
import { Fault } from "../../core/ports/fault.ts";
import type { Json } from "../../core/ports/json.ts";

const REALM = "ledger";

const payload = v.custom<Json>((value) => value !== undefined);
const namespace = v.pipe(v.string(), v.regex(/^[a-z]{1,20}$/, "is no name; send 1 to 20 of a-z"));

interface Put {
  namespace: string;
  key: string;
  payload: Json;
  if_version?: number | undefined;
}

/** One document, and an entry of a feed in the same unit. */
async function putPlan(_: Context, { namespace, key, payload, if_version }: Put): Promise<Plan<{ version: number }>> {
  return {
    commands: [
      {
        op: "document.put",
        realm: REALM,
        collection: namespace,
        id: key,
        body: { payload },
        ...(if_version === undefined ? {} : { ifVersion: if_version }),
      },
      { op: "journal.append", realm: REALM, subject: namespace, entries: [{ data: JSON.stringify(key), ttlMs: null }] },
    ],
    answer: ([put]) => ({ version: put && "version" in put ? put.version : 0 }),
    refusal: (outcome) =>
      new Fault("precondition_failed", `if_version is ${if_version}, which is not the current version`, {
        details: { field: "if_version", current_version: "version" in outcome ? outcome.version : 0 },
      }),
  };
}

/** A job, and an event that tells its id, which is known only then. */
async function pushPlan(_: Context, { name, payload }: { name: string; payload: Json }): Promise<Plan<{ id: string }>> {
  const idOf = (outcome: unknown) => (outcome as { jobs: { id: string }[] }).jobs[0]!.id;
  return {
    commands: [{ op: "queue.push", realm: REALM, queue: name, jobs: [{ payload: JSON.stringify(payload) }] }],
    further: ([pushed]) => [
      {
        op: "journal.append",
        realm: REALM,
        subject: `pushed-${name}`,
        entries: [{ data: JSON.stringify(idOf(pushed)), ttlMs: null }],
      },
    ],
    answer: ([pushed]) => ({ id: idOf(pushed) }),
    refusal: () => new Fault("conflict", "the queue took nothing"),
    knocks: [`ledger/${name}`],
  };
}

/** What the next plans of `ledger.count` go through; each notes itself. */
export interface Trace {
  made: number;
  discarded: number;
  /** Runs after the version was read and before the plan is carried out. */
  meanwhile: (() => Promise<void>) | null;
  /** Thrown by the plan. */
  fails: unknown;
}

/** A counter that reads before it writes: its plan is outdated when others were quicker. */
async function countPlan(
  context: Context,
  trace: Trace,
  { namespace }: { namespace: string },
): Promise<Plan<{ count: number }>> {
  trace.made += 1;
  if (trace.fails !== null) throw trace.fails;
  const held = await context.database.documents.get(REALM, namespace, "count");
  const { meanwhile } = trace;
  trace.meanwhile = null;
  await meanwhile?.();
  const count = ((held?.body.count as number | undefined) ?? 0) + 1;
  return {
    commands: [
      {
        op: "document.put",
        realm: REALM,
        collection: namespace,
        id: "count",
        body: { count },
        ifVersion: held?.version ?? 0,
      },
    ],
    answer: () => ({ count }),
    refusal: () => new Fault("conflict", "the counter is being changed by others"),
    isOutdated: () => true,
    async discard() {
      trace.discarded += 1;
    },
  };
}

/** The capability, and what its counter goes through. */
export function ledger(): { capability: Capability; trace: Trace } {
  const trace: Trace = { made: 0, discarded: 0, meanwhile: null, fails: null };
  const shared = { http: false, limit: "data", output: v.unknown(), tool: false } as const;
  const put = call({
    ...shared,
    summary: "Put an entry.",
    needs: { scope: "documents", access: "write", of: "namespace" },
    input: v.strictObject({
      namespace,
      key: v.string(),
      payload,
      if_version: v.optional(v.pipe(v.number(), v.integer())),
    }),
    batch: { op: "ledger.put", plan: putPlan },
    handle: (context, input) => carryOut(context, () => putPlan(context, input)),
  });
  const push = call({
    ...shared,
    summary: "Push a job.",
    needs: { scope: "queues", access: "write", of: "name" },
    input: v.strictObject({ name: namespace, payload, note: v.optional(v.string()) }),
    batch: { op: "ledger.push", fields: { name: "queue", note: null }, plan: pushPlan },
    handle: (context, input) => carryOut(context, () => pushPlan(context, input)),
  });
  const count = call({
    ...shared,
    summary: "Count.",
    needs: { scope: "documents", access: "write", of: "namespace" },
    input: v.strictObject({ namespace }),
    batch: { op: "ledger.count", plan: (context, input) => countPlan(context, trace, input) },
    handle: (context, input) => carryOut(context, () => countPlan(context, trace, input)),
  });
  const capability: Capability = {
    name: "ledger",
    title: "Ledger",
    about: "For tests.",
    operations: { put, push, count },
    duties: [],
  };
  return { capability, trace };
}
