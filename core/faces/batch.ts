/**
 * One atomic batch: operations of several capabilities, carried out as one unit of work. Each walks the corridor as if it came alone (who is calling,
 * may they, is the input right), and gives a plan instead of an effect; the plans are committed together.
 */
import { batchInput, batchOutput } from "../kernel/batch_schema.ts";
import type { Call } from "../kernel/call.ts";
import type { Capability } from "../kernel/capability.ts";
import type { Context } from "../kernel/context.ts";
import { quote } from "../kernel/fields.ts";
import { fingerprintOf, keeping, keptAnswer, type UsedKey } from "../kernel/idempotency.ts";
import { callOf } from "../kernel/invoke.ts";
import { call, type Example, type Operation } from "../kernel/operation.ts";
import { carryOut, joined, type Plan } from "../kernel/plan.ts";
import { createTurns } from "../kernel/turns.ts";
import { Fault } from "../ports/fault.ts";
import type { Json, JsonObject } from "../ports/json.ts";
import { type Part, partExample, partOf, partSchema, type Sent } from "./batch_part.ts";

/** The most bytes of a batch as JSON, unless a single payload may be larger. */
const BYTES_MAX = 8 * 1024 * 1024;

/** How many plans are made at once: some put objects. */
const PLANS_AT_ONCE = 8;

/** Walks the corridor without being counted or logged: see `createInnerCorridor`. */
type Inner = (operation: Operation, call: Call) => Promise<unknown>;

/** One operation of a batch that may be done: who does it, and with what input. */
interface Admitted {
  part: Part;
  context: Context;
  input: never;
}

/** The batch over the operations that declare a part in it; null when none does. */
export function batchOf(operations: readonly Operation[], inner: Inner): Capability | null {
  const parts = new Map(operations.flatMap(partOf).map((part) => [part.op, part]));
  if (parts.size === 0) return null;
  return {
    name: "batch",
    title: "Batch",
    about: "Writes to documents, tables, queues and channels in one unit: all of them take effect, or none does.",
    operations: { commit: declared(parts, inner) },
    duties: [],
  };
}

function declared(parts: ReadonlyMap<string, Part>, inner: Inner) {
  return call({
    summary: "Carry out several operations as one: all of them or none.",
    details: `Each is an object with op (${[...parts.keys()].join(", ")}) and the fields of that operation; its preconditions hold for the whole. They take effect in this order: tables, queues, documents, channels; among their like in the order sent. Rights are those of each operation: the scopes of the bearer token, and for channel.publish the publish_token beside it (a batch of channel.publish alone needs no bearer). When one is refused, nothing is stored, and details.index says which. The body may be the list itself.`,
    http: "POST /batch",
    tool: "batch",
    effect: "destroy",
    needs: "each",
    limit: "data",
    input: batchInput(Array.from(parts.values(), partSchema)),
    headers: { idempotency_key: "Idempotency-Key" },
    body: {
      list: "operations",
      most: ({ payloadMaxBytes }) => ({ json: Math.max(2 * payloadMaxBytes + 65_536, BYTES_MAX), raw: 0 }),
    },
    output: batchOutput,
    faults: ["not_found", "conflict", "precondition_failed", "idempotency_mismatch"],
    examples: examplesOf(parts),
    async handle(context, { operations, idempotency_key }) {
      const admitted = await admitAll(context, { operations, parts, inner });
      countOnce(context, admitted);
      if (idempotency_key === undefined) return commitAll(context, admitted, null);
      const fingerprint = await fingerprintOf(operations);
      return commitOnce(context, admitted, { holder: holderOf(context, admitted), key: idempotency_key, fingerprint });
    },
  });
}

/** What two of them show alone, as one. */
function examplesOf(parts: ReadonlyMap<string, Part>): Example[] {
  const modes = new Map([...parts.values()].reverse().map((part) => [part.op.split(".")[0], part]));
  const shown = [...modes.values()].reverse().flatMap(partExample).slice(0, 2);
  if (shown.length < 2) return [];
  const input = { operations: shown.map((example) => example.input) };
  return [{ input, output: { results: shown.map((example) => example.output) } }];
}

/** One after the other, so that the first that is refused ends it. */
async function admitAll(
  context: Context,
  { operations, parts, inner }: { operations: readonly JsonObject[]; parts: ReadonlyMap<string, Part>; inner: Inner },
): Promise<Admitted[]> {
  const outer = callOf(context);
  const admitted: Admitted[] = [];
  for (const [index, { op, ...sent }] of operations.entries()) {
    const part = typeof op === "string" ? parts.get(op) : undefined;
    if (part === undefined) {
      const words = `operations[${index}].op is ${op === undefined ? "missing" : quote(op)}; send ${[...parts.keys()].join(", ")}`;
      throw new Fault("invalid_input", words, { details: { index, field: `operations[${index}].op` } });
    }
    try {
      const given = part.read(sent);
      admitted.push({ part, ...((await inner(part.admission, callWithin(outer, given))) as Omit<Admitted, "part">) });
    } catch (error) {
      throw blamed(error, index, part);
    }
  }
  return admitted;
}

function callWithin(outer: Call, { fields, secret }: Sent): Call {
  const { face, requestId, address, origin } = outer;
  return {
    ...{ face, requestId, address, origin },
    get signal() {
      return outer.signal;
    },
    secret: () => secret,
    bearer: () => outer.bearer(),
    query: () => null,
    early: fields,
    read: async () => fields,
  };
}

/** A batch counts as one request of each credential in it; its own bearer has been counted. */
function countOnce({ limiter, principal }: Context, admitted: readonly Admitted[]): void {
  const counted = new Set<string>();
  for (const { part, context } of admitted) {
    const { limit } = part.operation;
    const { id } = context.principal!;
    if (limit === "unlimited" || id === principal?.id || counted.has(`${limit} ${id}`)) continue;
    counted.add(`${limit} ${id}`);
    limiter.take(limit, id);
  }
}

/** Whose the idempotency key is: the bearer's, or without one that of whoever does the first operation. */
function holderOf({ principal }: Context, admitted: readonly Admitted[]): string {
  return (principal ?? admitted[0]!.context.principal!).id;
}

interface Results {
  results: unknown[];
}

async function commitOnce(context: Context, admitted: readonly Admitted[], used: UsedKey): Promise<Results> {
  const replayed = async () => {
    const kept = await keptAnswer(context, used);
    if (kept !== null) context.reply({ headers: { "Idempotency-Replayed": "true" } });
    return kept;
  };
  const before = await replayed();
  if (before !== null) return before.answer as unknown as Results;
  try {
    return await commitAll(context, admitted, used);
  } catch (error) {
    // The same request may have been carried out meanwhile: then that is why this one was refused.
    const meanwhile = await replayed();
    if (meanwhile === null) throw error;
    return meanwhile.answer as unknown as Results;
  }
}

async function commitAll(context: Context, admitted: readonly Admitted[], used: UsedKey | null): Promise<Results> {
  return carryOut(context, async () => {
    const plans = await plansOf(admitted);
    const whole = joined(plans, (fault, at) => blamed(fault, at, admitted[at]!.part) as Fault);
    const plan: Plan<Results> = { ...whole, answer: (outcomes) => ({ results: whole.answer(outcomes) }) };
    return used === null ? plan : keptPlan(plan, (answer) => keeping(context, used, answer as unknown as Json));
  });
}

/** All plans or none: what some have prepared is taken back when another cannot be made. */
async function plansOf(admitted: readonly Admitted[]): Promise<Plan<unknown>[]> {
  const turns = createTurns(PLANS_AT_ONCE);
  let failed = false;
  const settled = await Promise.allSettled(
    admitted.map(({ part, context, input }) =>
      turns(async () => {
        if (failed) return null;
        return part.plan(context, input).catch((error: unknown) => {
          failed = true;
          throw error;
        });
      }),
    ),
  );
  const plans = settled.flatMap((result) => (result.status === "fulfilled" && result.value ? [result.value] : []));
  const at = settled.findIndex(({ status }) => status === "rejected");
  if (at < 0) return plans;
  // Not awaited: a store that has just failed may keep the caller waiting as long again.
  for (const plan of plans) void plan.discard?.();
  throw blamed((settled[at] as PromiseRejectedResult).reason, at, admitted[at]!.part);
}

/** The plan, and with it in the same unit the answer that a retry is to get. */
function keptPlan(plan: Plan<Results>, keep: (answer: Results) => ReturnType<typeof keeping>): Plan<Results> {
  let ownCount = plan.commands.length;
  return {
    ...plan,
    further(outcomes) {
      const more = plan.further?.(outcomes) ?? [];
      ownCount = plan.commands.length + more.length;
      return [...more, keep(plan.answer(outcomes))];
    },
    refusal(outcome, index) {
      if (index < ownCount) return plan.refusal(outcome, index);
      return new Fault("conflict", "The Idempotency-Key is in use by another request just now; send it again");
    },
    isOutdated: (outcome, index) => index < ownCount && (plan.isOutdated?.(outcome, index) ?? false),
  };
}

/** The fault with the place of the operation that it is about; what is no fault stays as it is. */
function blamed(error: unknown, index: number, { op }: Part): unknown {
  if (!(error instanceof Fault)) return error;
  const { code, message, details = {}, headers, cause } = error;
  const at = `operations[${index}]`;
  const field = typeof details.field === "string" ? { field: `${at}.${details.field}` } : {};
  return new Fault(code, `${at} (${op}): ${message}`, { details: { ...details, ...field, index, op }, headers, cause });
}
