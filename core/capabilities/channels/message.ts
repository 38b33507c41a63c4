/**
 * Messages: how a payload becomes a journal entry and an entry becomes a message again. Small payloads stand in the entry; large ones in
 * the object store, with key, size and SHA-256 in the entry. The sum is checked at every read.
 */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { toHex } from "../../kernel/credential.ts";
import { Fault } from "../../ports/fault.ts";
import type { Blob, Entry, NewEntry } from "../../ports/journal.ts";
import type { Json, JsonObject } from "../../ports/json.ts";

/** How a stored payload reads: as text, as JSON, or as base64 of bytes that are neither. */
type Form = "text" | "json" | "base64";

export interface NewMessage {
  /** Bytes as they came, or a JSON value. */
  payload: Json | Uint8Array;
  metadata: JsonObject | null;
  ttlSeconds: number;
}

/** Prefix of this installation's payload objects: several may share a bucket or a directory. */
export async function objectPrefix({ database }: Pick<Context, "database">): Promise<string> {
  return `m/${await database.installation()}/`;
}

export const METADATA_MAX_BYTES = 16_384;

export const messageSchema = v.object({
  id: v.pipe(v.string(), v.description("UUIDv7; ids of a channel strictly increase, so an id is a cursor")),
  payload: v.pipe(v.unknown(), v.description("Text or JSON as published; null when payload_error is set")),
  payload_encoding: v.optional(
    v.pipe(v.literal("base64"), v.description("The payload is base64 of bytes that are not text")),
  ),
  payload_error: v.optional(
    v.pipe(v.picklist(["missing", "corrupt"]), v.description("The stored payload is gone or damaged")),
  ),
  metadata: v.nullable(v.record(v.string(), v.unknown())),
  created_at: v.string(),
  expires_at: v.string(),
});

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** The journal entry of a message; a large payload is in the object store, durably, when this resolves. */
export async function toEntry(message: NewMessage, context: Context): Promise<NewEntry> {
  const { settings } = context;
  const { form, bytes, text } = read(message.payload);
  if (bytes.length > settings.payloadMaxBytes) {
    throw new Fault(
      "too_large",
      `Cannot publish: the payload has ${bytes.length} bytes, the most is ${settings.payloadMaxBytes}; send a smaller one or a link`,
      {
        details: { field: "payload", limit_bytes: settings.payloadMaxBytes },
      },
    );
  }
  const metadata = JSON.stringify(message.metadata);
  const metadataBytes = encoder.encode(metadata).length;
  if (metadataBytes > METADATA_MAX_BYTES) {
    throw new Fault(
      "too_large",
      `Cannot publish: metadata has ${metadataBytes} bytes as JSON, the most is ${METADATA_MAX_BYTES}; put the rest into the payload`,
      {
        details: { field: "metadata", limit_bytes: METADATA_MAX_BYTES },
      },
    );
  }
  const ttlMs = message.ttlSeconds * 1000;
  if (bytes.length > settings.payloadInlineMaxBytes || settings.payloadInlineMaxBytes === 0) {
    const blob = await store(bytes, context);
    return { data: `{"form":"${form}","metadata":${metadata}}`, blob, ttlMs };
  }
  const encoding = form === "base64" ? `,"payload_encoding":"base64"` : "";
  return { data: `{"payload":${text}${encoding},"metadata":${metadata}}`, blob: null, ttlMs };
}

/** The payload's form, its bytes as they count and are stored, and its JSON text as it is read. */
function read(payload: Json | Uint8Array): { form: Form; bytes: Uint8Array; text: string } {
  if (payload instanceof Uint8Array) {
    const plain = asText(payload);
    if (plain === null) return { form: "base64", bytes: payload, text: `"${toBase64(payload)}"` };
    return { form: "text", bytes: payload, text: JSON.stringify(plain) };
  }
  const text = JSON.stringify(payload);
  if (typeof payload === "string") return { form: "text", bytes: encoder.encode(payload), text };
  return { form: "json", bytes: encoder.encode(text), text };
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

async function store(bytes: Uint8Array, context: Context): Promise<Blob> {
  const hour = context.clock.now().toISOString().slice(0, 13).replace(/\D/g, "");
  const key = `${await objectPrefix(context)}${hour}/${toHex(context.ids.bytes(16))}`;
  const sha256 = await sumOf(bytes);
  await context.objects.put(key, bytes);
  return { key, size: bytes.length, sha256 };
}

type Reading = Pick<Context, "objects" | "log" | "once">;

/**
 * JSON text of the message, on one line. A payload that is gone or damaged is named in `payload_error`; one that cannot be fetched now makes it
 * reject with `unavailable`, since it is not lost.
 */
export async function toJson(entry: Entry, context: Reading): Promise<string> {
  const expires = entry.expiresAt === null ? "null" : `"${entry.expiresAt.toISOString()}"`;
  const { data, blob } = entry;
  const inside =
    blob === null
      ? data.slice(1, -1)
      : await context.once(`channels/payload/${blob.key}`, () => fetched(data, blob, context));
  return `{"id":"${entry.id}",${inside},"created_at":"${entry.createdAt.toISOString()}","expires_at":${expires}}`;
}

async function fetched(data: string, blob: Blob, context: Reading): Promise<string> {
  const { form, metadata } = JSON.parse(data) as { form: Form; metadata: Json };
  const about = `"metadata":${JSON.stringify(metadata)}`;
  const bytes = await load(blob, context);
  if (typeof bytes === "string") {
    context.log.write("error", "payload_unreadable", { key: blob.key, error: bytes });
    return `"payload":null,"payload_error":"${bytes}",${about}`;
  }
  if (form === "base64") return `"payload":"${toBase64(bytes)}","payload_encoding":"base64",${about}`;
  const text = decoder.decode(bytes);
  return `"payload":${form === "json" ? text : JSON.stringify(text)},${about}`;
}

/** The object's bytes, or what is wrong with them for good. */
async function load(blob: Blob, { objects }: Reading): Promise<Uint8Array | "missing" | "corrupt"> {
  let bytes: Uint8Array;
  try {
    const stream = await objects.get(blob.key);
    if (stream === null) return "missing";
    bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (cause) {
    throw new Fault("unavailable", "A payload cannot be fetched from the object store now; try again", { cause });
  }
  return bytes.length === blob.size && (await sumOf(bytes)) === blob.sha256 ? bytes : "corrupt";
}

/** What an idempotency key was used for: equal for messages that were sent alike. */
export async function fingerprint({ payload, metadata, ttlSeconds }: NewMessage): Promise<string> {
  const { form, bytes } = read(payload);
  const about = encoder.encode(`${form} ${ttlSeconds} ${JSON.stringify(metadata)} ${await sumOf(bytes)}`);
  return await sumOf(about);
}

async function sumOf(bytes: Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  return btoa(binary);
}
