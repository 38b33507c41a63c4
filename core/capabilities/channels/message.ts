/**
 * Messages as they are stored and read. Small payloads stand in the journal entry; large ones in the object store, with key, size and SHA-256 in the
 * entry. The sum is checked at every read. How a message comes in: `new_message.ts`.
 */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { toHex } from "../../kernel/credential.ts";
import { Fault } from "../../ports/fault.ts";
import type { Blob, Entry } from "../../ports/journal.ts";
import type { Json } from "../../ports/json.ts";

/** How a stored payload reads: as text, as JSON, or as base64 of bytes that are neither. */
export type Form = "text" | "json" | "base64";

/** Prefix of this installation's payload objects: several may share a bucket or a directory. */
export async function objectPrefix({ database }: Pick<Context, "database">): Promise<string> {
  return `m/${await database.installation()}/`;
}

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

type Reading = Pick<Context, "objects" | "log" | "once">;

/**
 * JSON text of the message, on one line. A payload that is gone or damaged is named in `payload_error`; one that cannot be fetched now makes it
 * reject with `unavailable`, since it is not lost.
 */
export function toJson(entry: Entry, context: Reading): string | Promise<string> {
  const { data, blob } = entry;
  if (blob === null) return around(entry, data.slice(1, -1));
  return context
    .once(`channels/payload/${blob.key}`, () => fetched(data, blob, context))
    .then((inside) => around(entry, inside));
}

function around({ id, createdAt, expiresAt }: Entry, inside: string): string {
  const expires = expiresAt === null ? "null" : `"${expiresAt.toISOString()}"`;
  return `{"id":"${id}",${inside},"created_at":"${createdAt.toISOString()}","expires_at":${expires}}`;
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

/** SHA-256 as lower-case hex. */
export async function sumOf(bytes: Uint8Array): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes as Uint8Array<ArrayBuffer>)));
}

export function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += 0x8000)
    binary += String.fromCharCode(...bytes.subarray(start, start + 0x8000));
  return btoa(binary);
}
