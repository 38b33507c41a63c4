/** Publishing: what REST and both MCP tools do with one message or with many. */
import type { Context } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import { PUT_MOST_MS } from "../../kernel/orphans.ts";
import { notFound } from "../../kernel/permit.ts";
import type { Plan } from "../../kernel/plan.ts";
import { Fault } from "../../ports/fault.ts";
import type { AppendedEntry, JournalOutcome, NewEntry } from "../../ports/journal.ts";
import { appending, appendMessages } from "./append.ts";
import { type Draft, discard, draftOf, fingerprint, type NewMessage, toEntries } from "./new_message.ts";

/** Where to publish, and the key that makes a retry safe. */
export interface Target {
  channel_id: string;
  idempotency_key?: string | undefined;
}

type Appended = Extract<JournalOutcome, { status: "appended" }>;

/** What the publisher learns of a stored message. */
export interface Published {
  id: string;
  created_at: string;
  expires_at: string;
}

/** Publishes one message. */
export async function publishOne(context: Context, target: Target, message: NewMessage): Promise<Published> {
  const [published] = await publishDrafts(context, target, {
    kind: "message",
    drafts: [draft(context, message, null)],
  });
  return published!;
}

/** Publishes messages in their order, all or none of them. */
export async function publishMany(
  context: Context,
  target: Target,
  messages: readonly NewMessage[],
): Promise<{ messages: Published[] }> {
  const drafts = messages.map((message, at) => draft(context, message, at));
  return { messages: await publishDrafts(context, target, { kind: "batch", drafts }) };
}

function draft({ settings, principal }: Context, message: NewMessage, at: number | null): Draft {
  return draftOf(message, { settings, at, ttlSeconds: principal!.facts.default_ttl_seconds as number });
}

/** A key belongs to the kind, too: a message and a batch of one are answered in different shapes. */
interface What {
  kind: "message" | "batch";
  drafts: readonly Draft[];
}

async function publishDrafts(context: Context, target: Target, { kind, drafts }: What): Promise<Published[]> {
  const { channel_id, idempotency_key } = target;
  const used =
    idempotency_key === undefined ? null : { key: idempotency_key, fingerprint: await fingerprint(drafts, kind) };
  const entries = await entriesOf(context, drafts);
  const appended = await appendMessages(context, channel_id, entries, used);
  // Not stored for certain, so nobody will ever refer to the objects.
  if (appended.status !== "appended") await discard(entries, context);
  if (appended.status === "closed") throw notFound("channel", channel_id);
  if (appended.status === "mismatch") throw reused(idempotency_key!);
  if (appended.status === "replayed") context.reply({ headers: { "Idempotency-Replayed": "true" } });
  return told(appended.entries);
}

/** One message as a part of a larger unit. */
export async function publishPlan(
  context: Context,
  { channel_id, ...message }: { channel_id: string } & NewMessage,
): Promise<Plan<Published>> {
  const entries = await entriesOf(context, [draft(context, message, null)]);
  return {
    commands: [appending(channel_id, entries, null)],
    answer: ([appended]) => told((appended as Appended).entries)[0]!,
    refusal: () => notFound("channel", channel_id),
    discard: () => discard(entries, context),
  };
}

/** The entries of the drafts, with large payloads put. */
async function entriesOf(context: Context, drafts: readonly Draft[]): Promise<NewEntry[]> {
  const { clock } = context;
  const began = clock.elapsed();
  const entries = await toEntries(drafts, context);
  if (clock.elapsed() - began <= PUT_MOST_MS) return entries;
  await discard(entries, context);
  throw new Fault("unavailable", "Cannot publish: storing the payload took too long; try again");
}

function told(entries: readonly AppendedEntry[]): Published[] {
  const times = new Map<number, string>();
  return entries.map(({ id, createdAt, expiresAt }) => ({
    id,
    created_at: written(createdAt, times),
    expires_at: written(expiresAt!, times),
  }));
}

/** Times are alike within a batch, and to write one out costs more than all else that is told of a message. */
function written(time: Date, times: Map<number, string>): string {
  const ms = time.getTime();
  const known = times.get(ms);
  if (known !== undefined) return known;
  const text = time.toISOString();
  times.set(ms, text);
  return text;
}

function reused(key: string): Fault {
  return new Fault(
    "idempotency_mismatch",
    `The Idempotency-Key ${quote(key)} was used for something else in this channel; send a new key for a new message`,
    { details: { field: "idempotency_key" } },
  );
}
