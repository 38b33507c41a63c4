/**
 * A real S3 server that stops in the middle of its work: TEST_S3_PID is the process that is sent SIGSTOP, so nothing else may use
 * the server meanwhile.
 */
import process from "node:process";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openMinio } from "../../adapters/minio.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryLog } from "../../core/ports/memory/log.ts";
import { bytesOf, patterned, streamed } from "../support/byte_streams.ts";

const endpoint = process.env.TEST_S3_ENDPOINT;
const pid = Number(process.env.TEST_S3_PID);

const tests = suite("minio, a frozen server");

if (endpoint && pid > 0) {
  tests("puts fail within 10 s while it is frozen, and work again afterwards", async () => {
    const objects = await openMinio({
      endpoint,
      bucket: "millrace-test-frozen",
      accessKey: process.env.TEST_S3_ACCESS_KEY ?? "",
      secretKey: process.env.TEST_S3_SECRET_KEY ?? "",
      region: process.env.TEST_S3_REGION ?? "us-east-1",
      log: memoryLog(),
    });
    await objects.put("frozen/before", patterned(0, 100));
    process.kill(pid, "SIGSTOP");
    try {
      const started = performance.now();
      const puts = [objects.put("frozen/bytes", patterned(0, 100)), objects.put("frozen/stream", streamed(20_000_000))];
      const results = await Promise.allSettled([...puts, objects.ready(), objects.get("frozen/before")]);
      assert.ok(performance.now() - started < 10_000, `it took ${performance.now() - started} ms`);
      for (const result of results) {
        assert.is(result.status, "rejected");
        assert.ok(
          result.status === "rejected" && result.reason instanceof Fault && result.reason.code === "unavailable",
        );
      }
    } finally {
      process.kill(pid, "SIGCONT");
    }
    await objects.put("frozen/after", patterned(0, 100));
    assert.equal(await bytesOf(await objects.get("frozen/before")), patterned(0, 100));
    for (const { key } of await objects.list("frozen/", "", 100)) await objects.remove(key);
  });
} else {
  console.log("skipped: TEST_S3_PID is not set, so no S3 server was frozen");
}

tests.run();
