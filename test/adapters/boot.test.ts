/** What a server is made of: stores that are not asked too often. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { portsOf } from "../../adapters/boot.ts";
import { createApp } from "../../core/mod.ts";
import { appNames } from "../../core/ports/host.ts";
import { streamResponse } from "../../core/ports/stream.ts";
import { memoryPorts, memorySettings } from "../support/memory_house.ts";

const ready = suite("GET /readyz on the ports of a server");

ready("asked 64 times at once, asks each store once", async () => {
  const { database, bus, objects, log } = memoryPorts();
  const asked = { database: 0, objects: 0 };
  const counting = {
    database: {
      ...database,
      async ready() {
        asked.database += 1;
        return await database.ready();
      },
    },
    objects: {
      ...objects,
      async ready() {
        asked.objects += 1;
        return await objects.ready();
      },
    },
  };
  const ports = portsOf({ database: counting.database, bus }, counting.objects, log);
  const app = createApp(ports, memorySettings());
  const host = { address: "192.0.2.1", apps: new Set(appNames), stream: streamResponse };
  const ask = () => app.fetch(new Request("http://millrace.test/readyz"), host);
  const answers = await Promise.all(Array.from({ length: 64 }, ask));
  assert.ok(answers.every(({ status }) => status === 200));
  assert.is((await ask()).status, 200);
  assert.equal(asked, { database: 1, objects: 1 });
  await app.stop();
});

ready.run();
