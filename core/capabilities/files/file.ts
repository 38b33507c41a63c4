/** A temporary file as it is stored and shown: its place among the objects, its fields, and who may open it. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { fileKind, toHex } from "../../kernel/credential.ts";
import { uuid } from "../../kernel/fields.ts";
import { notFound } from "../../kernel/permit.ts";
import { publicBase } from "../../kernel/public_base.ts";
import { Fault } from "../../ports/fault.ts";
import { FILES_PREFIX, type StoredFile } from "../../ports/files.ts";

/** How long a file is kept when nobody says: a day; and at most: 30 days, in seconds. */
export const TTL_DEFAULT = 86_400;
export const TTL_MOST = 2_592_000;

export const DOWNLOADS_MOST = 1_000_000;

export const fileId = uuid("the file's id");

export const fileSecret = v.pipe(
  v.string(),
  v.maxLength(200),
  v.description(
    `The file's secret, ${fileKind.prefix}_…, as it stands in the file's URL: it does in place of a token, and for this file alone`,
  ),
);

/** What is shown of a file. */
export const fileFields = {
  id: v.pipe(v.string(), v.description("The file's id")),
  name: v.pipe(v.string(), v.description("The name that a download suggests; data, never a path")),
  content_type: v.pipe(
    v.string(),
    v.description("The type that a download has: a neutral one unless it is known to do no harm"),
  ),
  size: v.pipe(v.number(), v.description("Bytes")),
  sha256: v.pipe(v.string(), v.description("SHA-256 of the bytes, lower-case hex")),
  created_at: v.string(),
  expires_at: v.pipe(v.string(), v.description("When the file goes by itself")),
  max_downloads: v.pipe(
    v.nullable(v.number()),
    v.description("How often it may be downloaded; null: any number of times"),
  ),
};

/** What is shown of a file, as a schema. */
export const fileShape = v.object(fileFields);

export function fileJson(file: Omit<StoredFile, "owner" | "secretHash" | "objectKey" | "downloads">) {
  return {
    id: file.id,
    name: file.name,
    content_type: file.contentType,
    size: file.size,
    sha256: file.sha256,
    created_at: file.createdAt.toISOString(),
    expires_at: file.expiresAt.toISOString(),
    max_downloads: file.maxDownloads,
  };
}

/** Where the file is for whoever has its secret. */
export function urlOf({ origin, settings }: Context, { id, secret }: { id: string; secret: string }): string {
  return `${publicBase("rest", origin, settings)}/files/temp/${id}?${fileKind.query}=${secret}`;
}

/**
 * Prefix of this installation's files among the objects. It is not that of message payloads, which a rule of the object store removes after days.
 */
export async function objectPrefix({ database }: Pick<Context, "database">): Promise<string> {
  return `${FILES_PREFIX}${await database.installation()}/`;
}

/** A key for a new object, made of nothing that a caller says. */
export async function newObjectKey(context: Context): Promise<string> {
  const hour = context.clock.now().toISOString().slice(0, 13).replace(/\D/g, "");
  return `${await objectPrefix(context)}${hour}/${toHex(context.ids.bytes(16))}`;
}

/** The file, for a caller whom the corridor let in or who has its secret. A wrong secret looks like a missing file. */
export async function openFile(
  { database, credentials }: Context,
  { id, secret }: { id: string; secret?: string | undefined },
): Promise<StoredFile> {
  const file = await database.files.get(id);
  if (file === null) throw notFound("file", id);
  if (secret !== undefined && !(await credentials.isFileSecret(secret, file.secretHash))) throw notFound("file", id);
  return file;
}

/** Whether the file has been downloaded as often as it may. */
export function isSpent({ downloads, maxDownloads }: StoredFile): boolean {
  return maxDownloads !== null && downloads >= maxDownloads;
}

/** The refusal of a file that is spent. */
export function spent({ id, maxDownloads }: StoredFile): Fault {
  const times = maxDownloads === 1 ? "once, which is all it was" : `${maxDownloads} times, which is all it was`;
  return new Fault("gone", `The file ${id} has been downloaded ${times} meant for; ask its owner to send it again`, {
    details: { file_id: id },
  });
}
