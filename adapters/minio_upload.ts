/**
 * A put of a stream whose size nobody knows: in one request when it fits a part, else as a multipart upload.
 * The client's own way is not used: it goes on with an upload that somebody else began under the same key, leaves a failed one
 * behind, and crashes the process when the source fails.
 */
import { createHash } from "node:crypto";
import type { ObjectInfo } from "../core/ports/objects.ts";
import type { Call } from "./minio_call.ts";

const PART_BYTES = 8 * 1024 * 1024;

export interface UploadTarget {
  call: Call;
  bucket: string;
  key: string;
}

interface Part {
  part: number;
  etag: string;
}

/** Stores what the stream brings. An error of the stream is thrown as it is, and nothing is left in the store. */
export async function putStream(target: UploadTarget, body: ReadableStream<Uint8Array>): Promise<ObjectInfo> {
  const reader = body.getReader();
  const source = partSource(reader);
  try {
    const first = await source.next();
    const size = source.ended() ? await putWhole(target, first) : await putParts(target, { first, next: source.next });
    return { key: target.key, size, modifiedAt: new Date() };
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

async function putWhole({ call, bucket, key }: UploadTarget, bytes: Buffer): Promise<number> {
  const weight = bytes.byteLength;
  await call((client) => client.putObject(bucket, key, bytes, bytes.byteLength), { weight });
  return bytes.byteLength;
}

async function putParts(
  target: UploadTarget,
  { first, next }: { first: Buffer; next: () => Promise<Buffer> },
): Promise<number> {
  const { call, bucket, key } = target;
  const uploadId = await call((client) => client.initiateNewMultipartUpload(bucket, key, {}));
  try {
    const parts: Part[] = [];
    let size = 0;
    for (let bytes = first; bytes.byteLength > 0; bytes = await next()) {
      parts.push(await putPart(target, { uploadId, part: parts.length + 1, bytes }));
      size += bytes.byteLength;
    }
    await call((client) => client.completeMultipartUpload(bucket, key, uploadId, parts), { once: true });
    return size;
  } catch (error) {
    // Not awaited: with a frozen store the caller would wait for two deadlines. What stays behind, the lifecycle rule removes.
    void call((client) => client.abortMultipartUpload(bucket, key, uploadId)).catch(() => {});
    throw error;
  }
}

async function putPart(
  { call, bucket, key }: UploadTarget,
  { uploadId, part, bytes }: { uploadId: string; part: number; bytes: Buffer },
): Promise<Part> {
  const md5 = createHash("md5").update(bytes).digest("base64");
  const query = `partNumber=${part}&uploadId=${encodeURIComponent(uploadId)}`;
  return await call(
    async (client) => {
      const request = { method: "PUT", bucketName: bucket, objectName: key, query, headers: { "content-md5": md5 } };
      const response = await client.makeRequestAsyncOmit(request, bytes);
      return { part, etag: String(response.headers.etag ?? "").replaceAll('"', "") };
    },
    { weight: bytes.byteLength },
  );
}

/** Cuts a stream into parts of equal size, the last one smaller and possibly empty. */
function partSource(reader: ReadableStreamDefaultReader<Uint8Array>) {
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  let over = false;

  async function next(): Promise<Buffer> {
    while (!over && heldBytes < PART_BYTES) {
      const read = await reader.read();
      over = read.done;
      if (!read.value) continue;
      held.push(read.value);
      heldBytes += read.value.byteLength;
    }
    const [only] = held;
    const all = only && held.length === 1 ? bufferOf(only) : Buffer.concat(held, heldBytes);
    const part = all.subarray(0, PART_BYTES);
    const rest = all.subarray(part.byteLength);
    held = rest.byteLength > 0 ? [rest] : [];
    heldBytes = rest.byteLength;
    return part;
  }

  return { next, ended: () => over && heldBytes === 0 };
}

/** The same bytes as a Buffer, which is what the client takes. */
export function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
