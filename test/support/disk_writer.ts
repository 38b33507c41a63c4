/**
 * A process that begins a put into `disk_writer.ts <directory>` and never comes to its end, for tests that kill it.
 */
import process from "node:process";
import { openDisk } from "../../adapters/disk.ts";
import { patterned } from "./byte_streams.ts";

const objects = await openDisk({ directory: process.argv[2] ?? "" });

const endless = new ReadableStream<Uint8Array>({
  async pull(controller) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    controller.enqueue(patterned(0, 1_000));
  },
});

await objects.put("never/ends", endless);
