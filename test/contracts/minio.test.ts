/**
 * Objects in an S3 store keep the contract. The store is a real one, named by TEST_S3_ENDPOINT, TEST_S3_ACCESS_KEY,
 * TEST_S3_SECRET_KEY and TEST_S3_REGION (see scripts/radosgw.sh), in a bucket of the run's own; without it only the stub is asked.
 */
import process from "node:process";
import { Client } from "minio";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type MinioOptions, openMinio } from "../../adapters/minio.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { bytesOf, failing, patterned, streamed } from "../support/byte_streams.ts";
import { eventually } from "../support/eventually.ts";
import { openS3Stub, type S3Stub } from "../support/s3_stub.ts";
import { objectsContract } from "./objects.ts";

const endpoint = process.env.TEST_S3_ENDPOINT;
const bucket = `millrace-test-${crypto.randomUUID()}`;
const log = memoryLog();
const address = {
  accessKey: process.env.TEST_S3_ACCESS_KEY ?? "key",
  secretKey: process.env.TEST_S3_SECRET_KEY ?? "secret",
  region: process.env.TEST_S3_REGION ?? "us-east-1",
};

async function faultOf(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof Fault, `expected a Fault, got ${String(error)}`);
  return error;
}

if (endpoint) {
  realStore({ ...address, endpoint, bucket, log });
} else {
  console.log("skipped: TEST_S3_ENDPOINT is not set, so no real S3 server was asked");
}
faultyStore();

function realStore(options: MinioOptions): void {
  const url = new URL(options.endpoint);
  const operator = new Client({
    ...{ endPoint: url.hostname, port: Number(url.port) || 80, useSSL: url.protocol === "https:" },
    ...address,
  });

  objectsContract("minio", async () => {
    const prefix = `${crypto.randomUUID()}/`;
    const objects = await openMinio(options);
    return {
      objects,
      prefix,
      async close() {
        for (const { key } of await objects.list(prefix, "", 1_000)) await objects.remove(key);
      },
    };
  });

  const tests = suite("minio, a real store");

  tests("the backstop expires messages after four days and keeps an operator's rules", async () => {
    const own = { ID: "own", Status: "Enabled", Filter: { Prefix: "logs/" }, Expiration: { Days: 9 } };
    await operator.setBucketLifecycle(bucket, { Rule: [own] });
    for (let opened = 0; opened < 2; opened += 1) await openMinio(options);
    const rules = (await operator.getBucketLifecycle(bucket))?.Rule ?? [];
    const found = rules.map(({ ID, Status, Filter, Expiration }) => [ID, Status, Filter?.Prefix, Expiration?.Days]);
    assert.equal(found.sort(), [
      ["millrace-messages", "Enabled", "m/", 4],
      ["millrace-uploads", "Enabled", undefined, undefined],
      ["own", "Enabled", "logs/", 9],
    ]);
    assert.equal(log.lines, []);
  });

  tests("several processes may make the bucket at once", async () => {
    const shared = `millrace-test-${crypto.randomUUID()}`;
    const opened = await Promise.all([1, 2, 3].map(() => openMinio({ ...options, bucket: shared })));
    await Promise.all(opened.map((objects) => objects.ready()));
    await operator.removeObject(shared, "~ready");
    await operator.removeBucket(shared);
  });

  tests("what the adapter stores for itself is not listed", async () => {
    const objects = await openMinio(options);
    await objects.ready();
    await operator.putObject(bucket, "not/a key", "x");
    await objects.put("z", patterned(0, 1));
    assert.equal(
      (await objects.list("", "", 1)).map(({ key }) => key),
      ["z"],
    );
    await operator.removeObject(bucket, "not/a key");
    await objects.remove("z");
  });

  tests("a failed stream leaves no unfinished upload", async () => {
    const objects = await openMinio(options);
    await objects.put("big/broken", failing(20_000_000)).catch(() => undefined);
    // The client asks for the parts of each upload it lists, and fails when one goes away meanwhile.
    await eventually("the upload is gone", async () => (await unfinished().catch(() => [1])).length === 0);
    assert.equal(await objects.list("big/", "", 10), []);
  });

  tests("two streams put under one key at once leave one of them, whole", async () => {
    const objects = await openMinio(options);
    await Promise.all([objects.put("race", streamed(17_000_000)), objects.put("race", streamed(18_000_000))]);
    const bytes = await bytesOf(await objects.get("race"));
    assert.ok(bytes && [17_000_000, 18_000_000].includes(bytes.length));
    assert.ok(bytes.every((byte, index) => index % 4_096 !== 0 || byte === patterned(index, 1)[0]));
    await objects.remove("race");
  });

  tests("a wrong secret is said to be one, without the secret", async () => {
    const fault = await faultOf(openMinio({ ...options, secretKey: "wrong-secret" }));
    assert.is(fault.code, "unavailable");
    assert.match(fault.message, "credentials");
    assert.not.match(fault.message, "wrong-secret");
  });

  tests.after(async () => {
    for await (const { name } of operator.listObjectsV2(bucket, "", true))
      if (name) await operator.removeObject(bucket, name);
    await operator.removeBucket(bucket);
  });

  async function unfinished(): Promise<unknown[]> {
    const uploads: unknown[] = [];
    const listed = operator.listIncompleteUploads(bucket, "", true);
    for await (const upload of listed) uploads.push(upload);
    return uploads;
  }

  tests.run();
}

function faultyStore(): void {
  const tests = suite("minio, a faulty store");
  let stub: S3Stub;
  tests.before.each(async () => {
    stub = await openS3Stub();
  });
  tests.after.each(() => stub.close());
  const open = (more: Partial<MinioOptions> = {}) =>
    openMinio({ ...address, endpoint: stub.endpoint, bucket: "bucket", log, lifecycle: false, ...more });

  tests("a frozen store fails every call within 10 s and is used again when it thaws", async () => {
    const objects = await open();
    stub.answer((_, response) => {
      response.setHeader("content-length", "1000");
      response.write("x".repeat(10));
    });
    const silent = await objects.get("a");
    stub.answer(() => {});
    const started = performance.now();
    const calls = [
      bytesOf(silent),
      objects.put("a", patterned(0, 10)),
      objects.put("a", streamed(9_000_000)),
      objects.get("a"),
      objects.head("a"),
      objects.remove("a"),
      objects.list("", "", 10),
      objects.ready(),
    ];
    const faults = await Promise.all(calls.map(faultOf));
    for (const fault of faults) assert.is(fault.code, "unavailable");
    assert.ok(performance.now() - started < 10_000, `it took ${performance.now() - started} ms`);
    stub.answer((_, response) => response.end());
    await objects.put("a", patterned(0, 10));
  });

  tests("a frozen store holds a bounded number of bytes: what is too much is turned away at once", async () => {
    const objects = await open();
    const started = performance.now();
    const puts = Array.from({ length: 60 }, async () => {
      const { code } = await faultOf(objects.put("a", patterned(0, 1_048_576)));
      return { code, ms: performance.now() - started };
    });
    const failed = await Promise.all(puts);
    assert.ok(failed.every(({ code, ms }) => code === "unavailable" && ms < 14_000));
    // At most 24 MiB are on their way and 16 MiB wait.
    const atOnce = failed.filter(({ ms }) => ms < 5_000).length;
    assert.ok(atOnce >= 60 - 24 - 16 && atOnce < 60, `${atOnce} of 60 were turned away`);
  });

  tests("a call that fails for a moment is sent again, three times at most", async () => {
    const objects = await open();
    let failures = 2;
    stub.answer((_, response) => {
      response.statusCode = failures > 0 ? 503 : 200;
      failures -= 1;
      response.end();
    });
    await objects.put("a", patterned(0, 10));
    stub.requests.length = 0;
    failures = 99;
    assert.is((await faultOf(objects.put("a", patterned(0, 10)))).code, "unavailable");
    assert.is(stub.requests.length, 3);
  });

  tests("a body that ends early ends the stream with a Fault", async () => {
    const objects = await open();
    stub.answer((_, response) => {
      response.setHeader("content-length", "1000");
      response.write("x".repeat(10), () => response.destroy());
    });
    const reading = await objects.get("a");
    assert.is((await faultOf(bytesOf(reading))).code, "unavailable");
  });

  tests("an answer that is no S3 is unavailable, and its words stay inside", async () => {
    const objects = await open();
    stub.answer((_, response) => {
      response.statusCode = 418;
      response.end("<html>secret teapot</html>");
    });
    for (const call of [
      () => objects.get("a"),
      () => objects.put("a", patterned(0, 1)),
      () => objects.list("", "", 5),
    ]) {
      const fault = await faultOf(call());
      assert.is(fault.code, "unavailable");
      assert.not.match(fault.message, "teapot");
    }
  });

  tests("a store without lifecycle rules is used all the same, with one warning", async () => {
    stub.answer((request, response) => {
      response.statusCode = request.url?.includes("lifecycle") ? 501 : 200;
      response.end();
    });
    const warned = memoryLog();
    const started = performance.now();
    const objects = await open({ lifecycle: true, log: warned });
    assert.ok(performance.now() - started < 5_000, "it waited for more than the answer");
    await objects.put("a", patterned(0, 1));
    assert.equal(
      warned.lines.map(({ level, event }) => [level, event]),
      [["warn", "objects_without_lifecycle"]],
    );
  });

  tests("a store that is not there is unavailable", async () => {
    const { endpoint: gone } = stub;
    await stub.close();
    assert.is((await faultOf(openMinio({ ...address, endpoint: gone, bucket: "bucket", log }))).code, "unavailable");
    stub = await openS3Stub();
  });

  tests("a key that is no key is refused and never sent", async () => {
    const objects = await open();
    stub.requests.length = 0;
    for (const key of ["", "../other/a", "a//b", "/a", "a?b", "a".repeat(513)]) {
      for (const call of [() => objects.put(key, patterned(0, 1)), () => objects.get(key), () => objects.head(key)]) {
        assert.is((await faultOf(call())).code, "invalid_input");
      }
    }
    assert.equal(stub.requests, []);
  });

  tests.run();
}
