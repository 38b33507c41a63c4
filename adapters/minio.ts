/**
 * Objects in an S3-compatible store, addressed by path. Only PUT, GET, HEAD, DELETE, ListObjectsV2 and multipart uploads are
 * needed of it; a lifecycle rule is set as a backstop where the store knows them. Deadlines and retries stand in minio_call.ts.
 */
import type { IncomingMessage } from "node:http";
import type { Client, LifecycleRule } from "minio";
import { Fault } from "../core/ports/fault.ts";
import type { Log } from "../core/ports/log.ts";
import type { ByteRange, ObjectInfo, Objects } from "../core/ports/objects.ts";
import { openGate } from "./gate.ts";
import { type Call, openCalls, type StoreAddress, storeCode, storeFault } from "./minio_call.ts";
import { putBytes, putStream } from "./minio_upload.ts";
import { checkObjectKey, isObjectKey } from "./object_key.ts";

const PAGE = 1_000;
const IDLE_MS = 9_500;
const UPLOAD_WAIT_MS = 9_500;
/** No object key, so neither `get` nor `list` ever shows it. */
const PROBE = "~ready";

export interface MinioOptions extends StoreAddress {
  bucket: string;
  log: Log;
  /** Whether to set the lifecycle rules; true by default. */
  lifecycle?: boolean;
}

/** Opens the bucket as an object store; it is made when missing. Throws `unavailable` when the store cannot be used. */
export async function openMinio({ bucket, log, lifecycle = true, ...address }: MinioOptions): Promise<Objects> {
  const call = openCalls(address);
  // A part is gathered before it is sent, so the memory of streamed puts is bounded by their number.
  const uploads = openGate({ calls: 16, bytes: Number.POSITIVE_INFINITY, waitingBytes: 1_024 });
  await makeBucket(call, bucket, address.region);
  if (lifecycle) await setLifecycle(call, bucket, log);
  let probing: Promise<unknown> | undefined;

  async function head(key: string): Promise<ObjectInfo | null> {
    const stored = await call((client) => client.statObject(bucket, key)).catch(nullWhenMissing);
    return stored && { key, size: stored.size, modifiedAt: stored.lastModified };
  }

  return {
    async put(key, body) {
      checkObjectKey(key);
      if (body instanceof Uint8Array) return await putBytes({ call, bucket, key }, body);
      const leave = await uploads.enter(1, AbortSignal.timeout(UPLOAD_WAIT_MS));
      return await putStream({ call, bucket, key }, body).finally(leave);
    },
    async get(key, range) {
      checkObjectKey(key);
      if (range && range.end < range.start) return (await head(key)) && emptyStream();
      try {
        return await call(async (client, control) =>
          bodyStream(await requested(client, { bucket, key, range }), control),
        );
      } catch (error) {
        if (storeCode(error) === "InvalidRange") return emptyStream();
        return nullWhenMissing(error);
      }
    },
    async head(key) {
      checkObjectKey(key);
      return await head(key);
    },
    async remove(key) {
      checkObjectKey(key);
      await call((client) => client.removeObject(bucket, key)).catch(nullWhenMissing);
    },
    async list(prefix, after, limit) {
      const found: ObjectInfo[] = [];
      for (let more = limit > 0, token = ""; more; ) {
        const most = Math.min(limit - found.length, PAGE);
        const page = await call((client) => client.listObjectsV2Query(bucket, prefix, token, "", most, after));
        for (const { name, size, lastModified } of page.objects) {
          if (name && lastModified && isObjectKey(name)) found.push({ key: name, size, modifiedAt: lastModified });
        }
        token = page.nextContinuationToken;
        more = page.isTruncated && token !== "" && found.length < limit;
      }
      return found;
    },
    async ready() {
      probing ??= putBytes({ call, bucket, key: PROBE }, new Uint8Array()).finally(() => {
        probing = undefined;
      });
      await probing;
    },
  };
}

async function requested(
  client: Client,
  { bucket, key, range }: { bucket: string; key: string; range: ByteRange | undefined },
): Promise<IncomingMessage> {
  const length = range && Number.isFinite(range.end) ? range.end - range.start + 1 : 0;
  return (await client.getPartialObject(bucket, key, range?.start ?? 0, length)) as IncomingMessage;
}

/** The body of an answer; a store that goes silent or hangs up early ends it with a Fault. */
function bodyStream(response: IncomingMessage, control: AbortController): ReadableStream<Uint8Array> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let left = Number(response.headers["content-length"] ?? Number.NaN);

  async function next(): Promise<Uint8Array | undefined> {
    const read = await within(IDLE_MS, chunks.next());
    if (read.done && left > 0) throw new Error(`the object ends ${left} bytes early`);
    if (read.done) return undefined;
    left -= read.value.byteLength;
    return new Uint8Array(read.value.buffer, read.value.byteOffset, read.value.byteLength);
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        try {
          const chunk = await next();
          if (chunk) controller.enqueue(chunk);
          else controller.close();
        } catch (error) {
          control.abort();
          throw storeFault(error);
        }
      },
      cancel() {
        control.abort();
        response.destroy();
      },
    },
    { highWaterMark: 0 },
  );
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing came for ${ms} ms`)), ms);
  });
  return await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new ReadableStream({ start: (controller) => controller.close() });
}

async function makeBucket(call: Call, bucket: string, region: string): Promise<void> {
  if (await call((client) => client.bucketExists(bucket))) return;
  try {
    await call((client) => client.makeBucket(bucket, region));
  } catch (error) {
    // Another process that starts at the same time may have made it.
    if (!storeCode(error)?.startsWith("BucketAlready")) throw error;
  }
}

async function setLifecycle(call: Call, bucket: string, log: Log): Promise<void> {
  const rules: LifecycleRule[] = [
    // Never below the longest life of a message (48 h) and two days; rows decide, this only catches what they forgot.
    { ID: "millrace-messages", Status: "Enabled", Filter: { Prefix: "m/" }, Expiration: { Days: 4 } },
    {
      ID: "millrace-uploads",
      Status: "Enabled",
      Filter: { Prefix: "" },
      AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 },
    },
  ];
  try {
    const present = await presentRules(call, bucket);
    const missing = rules.filter(({ ID }) => !present.some((rule) => rule.ID === ID));
    if (missing.length === 0) return;
    await call((client) => client.setBucketLifecycle(bucket, { Rule: [...present, ...missing] }));
  } catch (error) {
    log.write("warn", "objects_without_lifecycle", { bucket, reason: storeCode(error) ?? String(error) });
  }
}

/** Setting rules replaces them all, and those of an operator shall stay. */
async function presentRules(call: Call, bucket: string): Promise<LifecycleRule[]> {
  try {
    const config = await call((client) => client.getBucketLifecycle(bucket));
    return [config?.Rule ?? []].flat();
  } catch (error) {
    const code = storeCode(error);
    if (code === "NoSuchLifecycleConfiguration" || code === "NotFound") return [];
    throw error;
  }
}

function nullWhenMissing(error: unknown): null {
  const code = storeCode(error);
  if (error instanceof Fault && (code === "NoSuchKey" || code === "NotFound")) return null;
  throw error;
}
