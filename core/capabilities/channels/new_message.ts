/**
 * Messages on their way in: from what was sent to journal entries. All are measured before anything is stored; then the large payloads go to the
 * object store, outside every lock, and either all of them are there or none is.
 */
import type { Context } from "../../kernel/context.ts";
import { toHex } from "../../kernel/credential.ts";
import type { Settings } from "../../kernel/settings.ts";
import { createTurns } from "../../kernel/turns.ts";
import { Fault } from "../../ports/fault.ts";
import type { Blob, NewEntry } from "../../ports/journal.ts";
import type { Json, JsonObject } from "../../ports/json.ts";
import { type Form, objectPrefix, sumOf, toBase64 } from "./message.ts";

/** A message as it was sent; its payload is a JSON value, or bytes as they came. */
export interface NewMessage {
  payload: Json | Uint8Array;
  metadata?: JsonObject | undefined;
  ttl_seconds?: number | undefined;
}

/** A message that has been written and measured, and may be stored. */
export interface Draft {
  form: Form;
  /** The payload as text; JSON text for the form `json`. Null for `base64`. */
  plain: string | null;
  /** The payload's bytes; null where they are too few to be worth counting. */
  bytes: Uint8Array | null;
  /** The bytes, which are then at hand, go to the object store. */
  isLarge: boolean;
  /** JSON text. */
  metadata: string;
  ttlSeconds: number;
}

export const METADATA_MAX_BYTES = 16_384;

/** How many objects of one request are put at once. */
const PUTS_AT_ONCE = 8;

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** Writes and measures a message; throws `too_large`. `at` is its place in a batch, null when it is alone. */
export function draftOf(
  { payload, metadata, ttl_seconds }: NewMessage,
  { settings, ttlSeconds, at }: { settings: Settings; ttlSeconds: number; at: number | null },
): Draft {
  const { payloadMaxBytes, payloadInlineMaxBytes } = settings;
  const { form, plain } = written(payload);
  const uncounted = Math.min(payloadMaxBytes, payloadInlineMaxBytes);
  const bytes =
    payload instanceof Uint8Array ? payload : surelyWithin(plain!, uncounted) ? null : encoder.encode(plain!);
  const size = bytes?.length ?? 0;
  if (size > payloadMaxBytes) throw tooLarge("payload", at, { size, most: payloadMaxBytes });
  const isLarge = size > payloadInlineMaxBytes || payloadInlineMaxBytes === 0;
  return { form, plain, bytes, isLarge, metadata: about(metadata, at), ttlSeconds: ttl_seconds ?? ttlSeconds };
}

function written(payload: Json | Uint8Array): { form: Form; plain: string | null } {
  if (typeof payload === "string") return { form: "text", plain: payload };
  if (!(payload instanceof Uint8Array)) return { form: "json", plain: JSON.stringify(payload) };
  const plain = asText(payload);
  return { form: plain === null ? "base64" : "text", plain };
}

/** Whether the text cannot have more than `most` bytes as UTF-8, told without encoding it; never for 0, which stands for every text. */
function surelyWithin(text: string, most: number): boolean {
  return most > 0 && text.length * 3 <= most;
}

function about(metadata: JsonObject | undefined, at: number | null): string {
  if (metadata === undefined) return "null";
  const text = JSON.stringify(metadata);
  if (surelyWithin(text, METADATA_MAX_BYTES)) return text;
  const size = encoder.encode(text).length;
  if (size > METADATA_MAX_BYTES) throw tooLarge("metadata", at, { size, most: METADATA_MAX_BYTES });
  return text;
}

function tooLarge(
  what: "payload" | "metadata",
  at: number | null,
  { size, most }: { size: number; most: number },
): Fault {
  const field = at === null ? what : `messages[${at}].${what}`;
  const words =
    what === "metadata"
      ? `${field} has ${size} bytes as JSON, the most is ${most}; put the rest into the payload`
      : `${at === null ? "the payload" : field} has ${size} bytes, the most is ${most}; send a smaller one or a link`;
  return new Fault("too_large", `Cannot publish: ${words}`, { details: { field, limit_bytes: most } });
}

/** The bytes as text when they are valid UTF-8 without NUL; else null. */
function asText(bytes: Uint8Array): string | null {
  if (bytes.includes(0)) return null;
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

/** The journal entries of the drafts; their large payloads are in the object store, durably, when this resolves. */
export async function toEntries(drafts: readonly Draft[], context: Context): Promise<NewEntry[]> {
  const blobs = drafts.some(({ isLarge }) => isLarge) ? await store(drafts, context) : [];
  return drafts.map((draft, index) => {
    const { form, metadata, ttlSeconds } = draft;
    const blob = blobs[index] ?? null;
    const data = blob === null ? inline(draft) : `{"form":"${form}","metadata":${metadata}}`;
    return { data, blob, ttlMs: ttlSeconds * 1000 };
  });
}

function inline({ form, plain, bytes, metadata }: Draft): string {
  if (form === "base64") return `{"payload":"${toBase64(bytes!)}","payload_encoding":"base64","metadata":${metadata}}`;
  return `{"payload":${form === "json" ? plain : JSON.stringify(plain)},"metadata":${metadata}}`;
}

/** What an idempotency key was used for: equal for drafts that were sent alike, and of one kind. */
export async function fingerprint(drafts: readonly Draft[], kind: string): Promise<string> {
  let said = kind;
  for (const { form, plain, bytes, metadata, ttlSeconds } of drafts) {
    const payload = plain ?? toBase64(bytes!);
    // With its length, so that no payload can pass for the beginning of the next message.
    said += `\n${form} ${ttlSeconds} ${metadata} ${payload.length} ${payload}`;
  }
  return sumOf(encoder.encode(said));
}

/** Puts the large payloads, all or none; the others' places are empty. */
async function store(drafts: readonly Draft[], context: Context): Promise<(Blob | undefined)[]> {
  const prefix = await objectPrefix(context);
  const hour = context.clock.now().toISOString().slice(0, 13).replace(/\D/g, "");
  const turns = createTurns(PUTS_AT_ONCE);
  const blobs: Blob[] = [];
  const errors: unknown[] = [];

  async function put(bytes: Uint8Array, index: number): Promise<void> {
    // All or none: where one has failed, no more are begun.
    if (errors.length > 0) return;
    const key = `${prefix}${hour}/${toHex(context.ids.bytes(16))}`;
    const sha256 = await sumOf(bytes);
    // Noted before it is put: a put that fails may have stored it all the same.
    blobs[index] = { key, size: bytes.length, sha256 };
    await context.objects.put(key, bytes).catch((error) => errors.push(error));
  }

  await Promise.all(drafts.map(({ isLarge, bytes }, index) => (isLarge ? turns(() => put(bytes!, index)) : null)));
  if (errors.length === 0) return blobs;
  // Not awaited: a store that has just failed may keep the caller waiting as long again.
  void removeObjects(blobs, context);
  throw errors[0];
}

/** Removes objects to which nobody will ever refer, as far as the store allows now; what is left is swept later. */
export async function discard(entries: readonly NewEntry[], context: Context): Promise<void> {
  await removeObjects(
    entries.flatMap(({ blob }) => blob ?? []),
    context,
  );
}

async function removeObjects(blobs: readonly Blob[], { objects }: Context): Promise<void> {
  const turns = createTurns(PUTS_AT_ONCE);
  await Promise.all(Object.values(blobs).map(({ key }) => turns(() => objects.remove(key).catch(() => undefined))));
}
