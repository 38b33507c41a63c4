/**
 * Memory of a server through which large files go: to disk, and to the S3 store that the TEST_S3_ variables name. TEST_FILE_MIB says how large (256 by
 * default). What counts is how far the process rises above what it held at rest after small files.
 * A radosgw whose days last seconds (`rgw lc debug interval`) aborts uploads of more than a few of them, by our own rule for what was never finished.
 */
import { createHash } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMinio } from "../../adapters/minio.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import type { PutFile } from "../support/file_client.ts";
import { peakMiB, residentMiB } from "../support/resident.ts";
import { runtimeName } from "../support/runtime.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const TOKEN = "the-service-token";
const MIB = 1_048_576;
const SIZE = (Number(process.env.TEST_FILE_MIB) || 256) * MIB;
/** Less than the smallest file that is sent here, however large the file is: room for what a collector has not got round to. */
const MOST_MIB = 192;
const PIECE = Buffer.alloc(MIB, "0123456789abcdef\n");

/** Sends `size` bytes as fast as the server takes them, without a length. */
function upload(server: ServerProcess, size: number): Promise<PutFile> {
  return new Promise((resolve, reject) => {
    const headers = { Authorization: `Bearer ${TOKEN}`, "Transfer-Encoding": "chunked" };
    const sending = request(`${server.url}/files/temp`, { method: "POST", headers }, (answer) => {
      let text = "";
      answer.on("data", (chunk) => (text += String(chunk)));
      answer.on("end", () => (answer.statusCode === 201 ? resolve(JSON.parse(text)) : reject(new Error(text))));
    });
    sending.on("error", reject);
    let left = size;
    const flow = () => {
      while (left > 0) {
        const piece = PIECE.subarray(0, Math.min(left, PIECE.length));
        left -= piece.length;
        if (!sending.write(piece)) return void sending.once("drain", flow);
      }
      sending.end();
    };
    flow();
  });
}

/** Fetches a file; with `slow` at a few MiB/s, and only for that many milliseconds. */
function download(url: string, slow: number | null = null): Promise<{ size: number; sha256: string }> {
  return new Promise((resolve, reject) => {
    const hash = createHash("sha256");
    let size = 0;
    const asking = request(url, (answer) => {
      const done = () => resolve({ size, sha256: hash.digest("hex") });
      answer.on("data", (chunk) => {
        size += chunk.length;
        hash.update(chunk);
        if (slow === null) return;
        answer.pause();
        setTimeout(() => answer.resume(), 20);
      });
      answer.on("end", done);
      answer.on("error", reject);
      const leave = () => {
        answer.removeAllListeners();
        answer.on("error", () => undefined);
        answer.destroy();
        done();
      };
      if (slow !== null) setTimeout(leave, slow);
    });
    asking.on("error", reject);
    asking.end();
  });
}

interface Store {
  store: string;
  env: Record<string, string>;
  /** Gives back what the files have taken. */
  clean(): Promise<void>;
}

function measured({ store, env, clean }: Store): void {
  const test = suite(`files: memory on ${runtimeName}, ${store}`);
  let server: ServerProcess;
  let directory: { path: string; remove(): Promise<void> };
  let idle: number;
  let file: PutFile;

  test.before(async () => {
    directory = await temporaryDirectory();
    const dataDir = join(directory.path, "data");
    const limits = { FILE_MAX_BYTES: String(4 * SIZE), FILE_QUOTA_BYTES: String(64 * SIZE), LOG_LEVEL: "warn" };
    server = await startServerProcess({ dataDir, env: { DATASTORE_TOKEN: TOKEN, DRAIN: "1", ...limits, ...env } });
    for (let round = 0; round < 20; round += 1) await download((await upload(server, 65_536)).url);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    idle = await residentMiB(server.child.pid!);
  });

  test.after(async () => {
    await server.end("SIGTERM");
    await clean();
    await directory.remove();
  });

  async function stays(what: string, work: () => Promise<unknown>): Promise<void> {
    const began = performance.now();
    const rise = (await peakMiB(server.child.pid!, work)) - idle;
    const seconds = (performance.now() - began) / 1_000;
    const words = `${what} of ${SIZE / MIB} MiB, ${store}, ${runtimeName}: ${rise.toFixed(0)} MiB above ${idle.toFixed(0)} at rest, ${seconds.toFixed(1)} s`;
    console.log(words);
    assert.ok(rise < MOST_MIB, words);
  }

  test("an upload is not held", () =>
    stays("upload", async () => {
      file = await upload(server, SIZE);
      assert.is(file.size, SIZE);
    }));

  test("a download is not held", () =>
    stays("download", async () => {
      const { size, sha256 } = await download(file.url);
      assert.equal([size, sha256], [SIZE, file.sha256]);
    }));

  test("a slow reader makes the server wait, not gather", () =>
    stays("slow download", async () => {
      const { size } = await download(file.url, 4_000);
      assert.ok(size < SIZE, "it was not slow");
    }));

  test.run();
}

measured({ store: "disk", env: {}, clean: async () => undefined });

const { TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY = "", TEST_S3_SECRET_KEY = "", TEST_S3_REGION = "" } = process.env;
if (TEST_S3_ENDPOINT === undefined) console.log("skipped: TEST_S3_ENDPOINT is not set, so no S3 server was asked");
else {
  const bucket = `files-${crypto.randomUUID()}`;
  const keys = { accessKey: TEST_S3_ACCESS_KEY, secretKey: TEST_S3_SECRET_KEY, region: TEST_S3_REGION };
  measured({
    store: "S3",
    env: {
      S3_ENDPOINT: TEST_S3_ENDPOINT,
      S3_BUCKET: bucket,
      S3_ACCESS_KEY: keys.accessKey,
      S3_SECRET_KEY: keys.secretKey,
      S3_REGION: keys.region,
    },
    async clean() {
      const objects = await openMinio({ endpoint: TEST_S3_ENDPOINT, bucket, ...keys, log: memoryLog() });
      for (const { key } of await objects.list("", "", 1_000)) await objects.remove(key);
    },
  });
}
