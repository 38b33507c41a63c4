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
    if (source.ended()) return await putBytes(target, first);
    const size = await putParts(target, { first, next: source.next });
    return { key: target.key, size, modifiedAt: new Date() };
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}

/** Stores bytes in one request. */
export async function putBytes(target: UploadTarget, bytes: Uint8Array): Promise<ObjectInfo> {
  await send(target, bytes);
  return { key: target.key, size: bytes.byteLength, modifiedAt: new Date() };
}

async function putParts(
  target: UploadTarget,
  { first, next }: { first: Uint8Array; next: () => Promise<Uint8Array> },
): Promise<number> {
  const { call, bucket, key } = target;
  const uploadId = await call((client) => client.initiateNewMultipartUpload(bucket, key, {}));
  try {
    const parts: Part[] = [];
    let size = 0;
    for (let bytes = first; bytes.byteLength > 0; bytes = await next()) {
      const part = parts.length + 1;
      const query = `partNumber=${part}&uploadId=${encodeURIComponent(uploadId)}`;
      parts.push({ part, etag: await send(target, bytes, query) });
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

/** One PUT, of an object or with `query` of a part; the etag of what was stored. */
async function send({ call, bucket, key }: UploadTarget, bytes: Uint8Array, query = ""): Promise<string> {
  // Not the client's putObject, which copies the bytes once more.
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headers = { "content-md5": createHash("md5").update(buffer).digest("base64") };
  return await call(
    async (client) => {
      const request = { method: "PUT", bucketName: bucket, objectName: key, query, headers };
      const response = await client.makeRequestAsyncOmit(request, buffer);
      return String(response.headers.etag ?? "").replaceAll('"', "");
    },
    { weight: buffer.byteLength },
  );
}

/** Cuts a stream into parts of equal size, the last one smaller and possibly empty. All are given in one buffer: a part is good until the next is asked for. */
function partSource(reader: ReadableStreamDefaultReader<Uint8Array>) {
  const buffer = Buffer.allocUnsafeSlow(PART_BYTES);
  let rest = new Uint8Array();
  let over = false;

  async function next(): Promise<Uint8Array> {
    let filled = 0;
    while (filled < PART_BYTES) {
      if (rest.byteLength === 0) {
        if (over) break;
        const read = await reader.read();
        over = read.done;
        rest = (read.value as Uint8Array<ArrayBuffer> | undefined) ?? rest;
        continue;
      }
      const piece = rest.subarray(0, PART_BYTES - filled);
      buffer.set(piece, filled);
      filled += piece.byteLength;
      rest = rest.subarray(piece.byteLength);
    }
    return buffer.subarray(0, filled);
  }

  return { next, ended: () => over && rest.byteLength === 0 };
}
