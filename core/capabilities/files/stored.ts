/** Storing a file: the object first, then the row that refers to it, so that whatever goes wrong between leaves nothing that anybody would be given. */
import type { Context } from "../../kernel/context.ts";
import { orderedId } from "../../kernel/ordered_id.ts";
import { PUT_MOST_MS } from "../../kernel/orphans.ts";
import { Fault } from "../../ports/fault.ts";
import { fileJson, newObjectKey, urlOf } from "./file.ts";
import { incoming } from "./incoming.ts";

export interface NewFile {
  bytes: ReadableStream<Uint8Array>;
  name: string;
  contentType: string;
  ttlSeconds: number;
  maxDownloads: number | null;
  /** The sum that the bytes must have. */
  sha256: string | undefined;
}

/** Stores the bytes as they come in, for the caller; the answer has the secret, for this once. */
export async function store(context: Context, file: NewFile) {
  const { database, objects, clock, settings } = context;
  const owner = context.principal!.id;
  const quota = settings.fileQuotaBytes;
  const used = await database.files.used(owner);
  if (used >= quota) throw full(quota, used);
  const room = quota - used;
  const isRoomLess = room < settings.fileMaxBytes;
  const coming = incoming(file.bytes, context, {
    most: isRoomLess ? room : settings.fileMaxBytes,
    tooLarge: () => (isRoomLess ? full(quota, used) : tooLarge(settings.fileMaxBytes)),
    sha256: file.sha256,
  });

  const objectKey = await newObjectKey(context);
  await objects.put(objectKey, coming.body);
  const { size, sha256, at } = coming.seen();
  const discard = () => objects.remove(objectKey).catch(() => undefined);
  if (context.signal.aborted || clock.elapsed() - at > PUT_MOST_MS) {
    void discard();
    throw new Fault("unavailable", "Storing the file took too long, or its sender has gone; send it again");
  }

  const { secret, hash } = await context.credentials.mintFileSecret();
  const { name, contentType, maxDownloads } = file;
  const id = orderedId(context);
  const shown = { id, name, contentType, size, sha256, maxDownloads };
  const row = { ...shown, owner, objectKey, secretHash: hash, ttlMs: file.ttlSeconds * 1_000 };
  const added = await database.files.add(row, quota);
  if (added.status === "full") {
    void discard();
    throw full(quota, added.used);
  }
  return { ...fileJson({ ...shown, ...added }), url: urlOf(context, { id, secret }) };
}

function tooLarge(most: number): Fault {
  return new Fault("too_large", `The file is larger than ${most} bytes, which is the most; send a smaller one`, {
    details: { limit_bytes: most },
    headers: { Connection: "close" },
  });
}

function full(quota: number, used: number): Fault {
  return new Fault(
    "too_large",
    `Your files have ${used} of ${quota} bytes, and this one does not fit; delete one, or wait until one expires`,
    { details: { quota_bytes: quota, used_bytes: used }, headers: { Connection: "close" } },
  );
}
