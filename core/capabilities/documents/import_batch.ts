/** One batch of an import as one unit; made again when the namespace has been declared anew, or a key that was to be kept free has been taken. */

import { commitAndHand } from "../../kernel/commit.ts";
import type { Context } from "../../kernel/context.ts";
import { USER } from "../../kernel/realm.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import { knockOfSettings, loadSettings, type Settings, unchanged } from "./namespace.ts";
import { changeOf, putCommand, refuseMisfit } from "./plan.ts";

export interface Item {
  /** Where it came from, from 1. */
  line: number;
  key: string;
  payload: Json;
  expiresAt: Date | null;
}

export interface Batch {
  items: Item[];
  bytes: number;
  /** How many lines were read up to its end. */
  lines: number;
}

export interface BatchReport {
  stored: number;
  kept: number;
  errors: { line: number; error: string }[];
}

const TRIES = 10;

/** Stores the batch's documents, all or none but for those that are kept or no longer fit. */
export async function storeBatch(
  context: Context,
  { namespace, existing, atomic }: { namespace: string; existing: "replace" | "keep"; atomic: boolean },
  { batch, settings: given }: { batch: Batch; settings: Settings },
): Promise<BatchReport> {
  let settings = given;
  let items: readonly Item[] = batch.items;
  const errors: BatchReport["errors"] = [];
  for (let tries = 1; tries <= TRIES; tries += 1) {
    const fresh = existing === "keep" ? await unstored(context, namespace, items) : items;
    if (fresh.length === 0) return { stored: 0, kept: items.length, errors };
    const wanted = existing === "keep" ? { ifVersion: 0 } : {};
    const now = settings;
    const puts = fresh.map((item) => putCommand({ namespace, ...item, wanted }, now));
    const result = await commitAndHand(context, [unchanged(namespace, settings), ...puts, changeOf(namespace, puts)]);
    if (result.committed) return { stored: fresh.length, kept: items.length - fresh.length, errors };
    if (result.outcome.status !== "changed") continue;
    context.bus.knock([knockOfSettings(namespace)]);
    settings = await loadSettings(context, namespace);
    items = items.filter((item) => fits(item, { settings, atomic, errors }));
  }
  throw new Fault("conflict", `The namespace ${namespace} is being changed by others; try again`);
}

/** By the settings as they are now; what fits no longer is told. */
function fits(
  { line, payload }: Item,
  { settings, atomic, errors }: { settings: Settings; atomic: boolean; errors: BatchReport["errors"] },
): boolean {
  try {
    refuseMisfit(payload, settings);
    return true;
  } catch (error) {
    if (!(error instanceof Fault) || atomic) throw error;
    errors.push({ line, error: error.message.replace(/^Cannot put the document: /, "") });
    return false;
  }
}

/** Those whose key is free, and of several with one key the first. */
async function unstored({ database }: Context, namespace: string, items: readonly Item[]): Promise<Item[]> {
  const keys = [...new Set(items.map(({ key }) => key))];
  const seen = new Set((await database.documents.getMany(USER, namespace, keys)).map(({ id }) => id));
  return items.filter(({ key }) => !seen.has(key) && seen.add(key));
}
