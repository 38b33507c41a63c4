/**
 * What puts and deletions are going to store: the document, and in the same unit the namespace's settings unchanged and an entry in its feed of changes. The
 * operations carry these plans out one by one, a batch many together.
 */
import type { Context } from "../../kernel/context.ts";
import { notFound } from "../../kernel/permit.ts";
import type { Plan } from "../../kernel/plan.ts";
import { USER } from "../../kernel/realm.ts";
import type { Outcome } from "../../ports/database.ts";
import type { PutDocument, RemoveDocument } from "../../ports/documents.ts";
import { Fault } from "../../ports/fault.ts";
import type { AppendEntries } from "../../ports/journal.ts";
import type { Json } from "../../ports/json.ts";
import { entriesOf } from "./index_fields.ts";
import { knockOfSettings, REALM, type Settings, settingsOf, unchanged } from "./namespace.ts";
import { type Conditions, preconditionFailed, type Wanted, wantedVersion } from "./precondition.ts";
import { expiryFrom, expiryOf, type Record, refuseLarge, tagOf, toBody, VERSIONS_KEPT } from "./record.ts";

/** How long changes are held in a namespace's feed, in milliseconds (48 h). */
export const CHANGES_KEPT_MS = 48 * 3_600_000;

export interface PutInput extends Conditions {
  namespace: string;
  key: string;
  payload: unknown;
  expires_at?: string | undefined;
  ttl_seconds?: number | undefined;
}

/** What was put: the record as it is answered, its entity tag, and whether the document came to be by it. */
export interface Stored {
  record: Record;
  tag: string;
  isNew: boolean;
}

/** The plan of a put; throws for a payload that does not fit. */
export async function putPlan(context: Context, input: PutInput): Promise<Plan<Stored>> {
  const expiresAt = expiryFrom(input, context.clock.now());
  const payload = input.payload as Json;
  const wanted = await wantedVersion(context, input, input);
  return planOfPut(context, { ...input, payload, expiresAt, wanted });
}

interface Put {
  namespace: string;
  key: string;
  payload: Json;
  expiresAt: Date | null;
  wanted: Wanted;
}

/** The same with everything decided. */
export async function planOfPut(context: Context, put: Put): Promise<Plan<Stored>> {
  const { namespace, key, payload, expiresAt, wanted } = put;
  refuseLarge(payload, context.settings);
  const settings = await settingsOf(context, namespace);
  refuseMisfit(payload, settings);
  const command = putCommand(put, settings);
  return {
    commands: [unchanged(namespace, settings), command, changeOf(namespace, [command])],
    answer([, outcome]) {
      if (outcome?.status !== "put") throw new Error(`the put of ${key} has the outcome ${outcome?.status}`);
      const { version, isNew, updatedAt } = outcome;
      const record = {
        namespace,
        key,
        version,
        payload,
        created_at: updatedAt.toISOString(),
        ...expiryOf({ expiresAt }),
      };
      return { record, tag: tagOf(outcome), isNew };
    },
    refusal: (outcome) => refusalOf(put, outcome),
    isOutdated: (outcome) => isOutdated(context, { namespace, wanted }, outcome),
  };
}

/** The command that puts a payload which fits. */
export function putCommand({ namespace, key, payload, expiresAt, wanted }: Put, settings: Settings): PutDocument {
  return {
    op: "document.put",
    realm: USER,
    collection: namespace,
    id: key,
    body: toBody(payload),
    versions: VERSIONS_KEPT,
    keys: entriesOf(
      payload,
      settings.indexes.map(({ field }) => field),
    ),
    ...(expiresAt === null ? {} : { expiresAt }),
    ...(wanted.ifVersion === undefined ? {} : { ifVersion: wanted.ifVersion }),
  };
}

/** Throws unless the payload fits the namespace's schema; the words name each field that does not, and what is wanted there. */
export function refuseMisfit(payload: Json, { check }: Settings): void {
  const misfits = check?.(payload) ?? [];
  if (misfits.length === 0) return;
  const words = misfits.map(({ path, problem }) => `${path === "" ? "the payload" : path}: ${problem}`);
  throw new Fault(
    "invalid_input",
    `Cannot put the document: it does not fit the namespace's schema. ${words.join("; ")}`,
    {
      details: { field: "payload", errors: misfits.map(({ path, problem }) => ({ path, problem })) },
    },
  );
}

export interface DeleteInput extends Pick<Conditions, "if_version" | "if_match"> {
  namespace: string;
  key: string;
}

export interface Deleted {
  namespace: string;
  key: string;
  deleted: true;
  /** The newest version there was. */
  version: number;
}

/** The plan of a deletion of all versions; what is not there is `not_found`. */
export async function deletePlan(context: Context, input: DeleteInput): Promise<Plan<Deleted>> {
  const { namespace, key } = input;
  const wanted = await wantedVersion(context, input, input);
  const command: RemoveDocument = {
    op: "document.remove",
    realm: USER,
    collection: namespace,
    id: key,
    mustExist: true,
    ...(wanted.ifVersion === undefined ? {} : { ifVersion: wanted.ifVersion }),
  };
  return {
    commands: [command, changeOf(namespace, [command])],
    answer([outcome]) {
      if (outcome?.status !== "removed") throw new Error(`the deletion of ${key} has the outcome ${outcome?.status}`);
      return { namespace, key, deleted: true, version: outcome.version };
    },
    refusal: (outcome) =>
      wanted.ifVersion === undefined || isMissing(outcome) ? notFound("document", key) : refusalOf(input, outcome),
    isOutdated: (outcome) => isOutdated(context, { namespace, wanted }, outcome),
  };
}

function isMissing(outcome: Outcome): boolean {
  return outcome.status === "stale" && outcome.version === 0;
}

/** The entries in the namespace's feed of changes that tell of these commands. */
export function changeOf(namespace: string, commands: readonly (PutDocument | RemoveDocument)[]): AppendEntries {
  const entries = commands.map((command) => {
    const put = command.op === "document.put" ? command : null;
    const change = {
      key: command.id,
      op: put === null ? "delete" : "put",
      ...expiryOf({ expiresAt: put?.expiresAt ?? null }),
    };
    return { data: JSON.stringify(change), ttlMs: CHANGES_KEPT_MS, versionOf: command };
  });
  return { op: "journal.append", realm: REALM, subject: namespace, entries };
}

function refusalOf(at: { namespace: string; key: string }, outcome: Outcome): Fault {
  if (outcome.status === "stale") return preconditionFailed(at, outcome.version);
  return new Fault("conflict", `The declarations of ${at.namespace} are being changed; nothing was stored. Try again`);
}

/** Whether the settings, or the version that was looked up for a condition that any would meet, have changed meanwhile. */
export function isOutdated(
  context: Context,
  { namespace, wanted }: { namespace: string; wanted: Wanted },
  outcome: Outcome,
): boolean {
  // What this process remembers of the namespace is not true any more.
  if (outcome.status === "changed") context.bus.knock([knockOfSettings(namespace)]);
  return outcome.status === "changed" || (outcome.status === "stale" && wanted.anyWillDo === true);
}
