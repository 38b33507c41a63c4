import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import { memoryPorts } from "../support/memory_house.ts";
import { memorySite } from "../support/memory_site.ts";
import { faultsOfHtml, textOf } from "../support/page_reading.ts";

const never = () => new Promise<never>(() => {});
const fail = (error: unknown) => () => Promise.reject(error);

// biome-ignore lint/suspicious/noExplicitAny: answers of many shapes
const jsonOf = (response: Response) => response.json() as Promise<any>;

const health = suite("GET /healthz");

health("answers with the version and touches no store", async () => {
  const ports = memoryPorts();
  const untouchable = new Proxy({}, { get: () => assert.unreachable("a store was touched") });
  Object.assign(ports.objects, { ready: never });
  Object.assign(ports.database, { ready: never, documents: untouchable, journal: untouchable });
  const response = await memorySite({ ports, settings: { version: "1.2.3" } }).send("/healthz");
  assert.is(response.status, 200);
  assert.equal(await response.json(), { status: "ok", version: "1.2.3" });
});

health("answers on every app and is never limited", async () => {
  const rate = { count: 1, perMs: 60_000 };
  const { send } = memorySite({
    apps: ["connections"],
    settings: { rateLimits: { ...defaultRateLimits, create: rate, publish: rate, other: rate } },
  });
  for (let index = 0; index < 5; index += 1) assert.is((await send("/healthz")).status, 200);
});

const ready = suite("GET /readyz");

ready("says that all is ready, with the schema", async () => {
  const { ports, send } = memorySite();
  const { schema } = await ports.database.ready();
  const response = await send("/readyz");
  assert.is(response.status, 200);
  assert.equal(await response.json(), {
    ready: true,
    checks: {
      server: { ready: true },
      database: { ready: true },
      objects: { ready: true },
      migrations: { ready: true, schema },
    },
  });
});

ready("answers 503 and names a database that is away", async () => {
  const ports = memoryPorts();
  ports.database.ready = async () => ({ ready: false, schema: null, reason: "The database does not answer" });
  const response = await memorySite({ ports }).send("/readyz");
  assert.is(response.status, 503);
  const reason = "The database does not answer";
  assert.equal(await response.json(), {
    ready: false,
    checks: {
      server: { ready: true },
      database: { ready: false, reason },
      objects: { ready: true },
      migrations: { ready: false, schema: null, reason },
    },
  });
});

ready("tells missing migrations from a missing database", async () => {
  const ports = memoryPorts();
  ports.database.ready = async () => ({ ready: false, schema: "0001", reason: "0002 is not applied" });
  const { checks } = await jsonOf(await memorySite({ ports }).send("/readyz"));
  assert.equal(checks.database, { ready: true });
  assert.equal(checks.migrations, { ready: false, schema: "0001", reason: "0002 is not applied" });
});

ready("names an object store that is away, and keeps foreign words in the log", async () => {
  const ports = memoryPorts();
  ports.objects.ready = fail(new Fault("unavailable", "The object store does not answer"));
  const site = memorySite({ ports });
  const response = await site.send("/readyz");
  assert.is(response.status, 503);
  assert.equal((await jsonOf(response)).checks.objects, { ready: false, reason: "The object store does not answer" });
  ports.objects.ready = fail(new Error("secret words of a driver"));
  const text = await (await site.send("/readyz")).text();
  assert.not.match(text, "secret");
  assert.match(text, "the log says why");
  assert.match(JSON.stringify(ports.log.lines), "secret words of a driver");
});

ready("waits for a frozen store no longer than 3 s", async () => {
  const ports = memoryPorts();
  ports.database.ready = never;
  ports.objects.ready = never;
  const answering = memorySite({ ports }).send("/readyz");
  // The request first has to come to where it waits.
  await ports.clock.advance(0);
  await ports.clock.advance(3_000);
  const response = await answering;
  assert.is(response.status, 503);
  const late = { ready: false, reason: "No answer within 3 s" };
  assert.equal((await jsonOf(response)).checks, {
    server: { ready: true },
    database: late,
    objects: late,
    migrations: { ...late, schema: null },
  });
});

ready("counts a database that breaks the rules as not ready", async () => {
  const ports = memoryPorts();
  ports.database.ready = fail(new Error("secret words of a driver"));
  const response = await memorySite({ ports }).send("/readyz");
  assert.is(response.status, 503);
  assert.not.match(await response.text(), "secret");
});

ready("says no from the moment the server is about to stop, with the reason, while the server lives", async () => {
  const { app, send } = memorySite();
  app.retire();
  for (const stop of [() => undefined, () => app.stop()]) {
    await stop();
    const response = await send("/readyz");
    assert.is(response.status, 503);
    const { ready: all, checks } = await jsonOf(response);
    assert.equal([all, checks.server, checks.database], [false, { ready: false, reason: "stopping" }, { ready: true }]);
    assert.is((await send("/healthz")).status, 200);
  }
});

const landing = suite("GET /");

landing("shows lines for the origin that the caller used", async () => {
  const text = textOf(await (await memorySite().send("/")).text());
  assert.match(text, "curl -s http://millrace.test/v1/channels -d");
  assert.match(text, "claude mcp add --transport http millrace http://millrace.test/mcp");
  assert.match(text, '"url": "http://millrace.test/mcp"');
});

landing("shows the configured bases", async () => {
  const settings = { restBase: "https://api.test", mcpBase: "https://mcp.test" };
  const html = await (await memorySite({ settings }).send("/")).text();
  assert.match(html, 'data-rest="https://api.test"');
  assert.match(textOf(html), "claude mcp add --transport http millrace https://mcp.test/mcp");
});

landing("says which limits are set", async () => {
  const rateLimits = {
    ...defaultRateLimits,
    create: { count: 7, perMs: 60_000 },
    publish: { count: 8, perMs: 1_000 },
    other: { count: 9, perMs: 5_000 },
  };
  const settings = { rateLimits, payloadMaxBytes: 2_048, defaultTtlSeconds: 3_600 };
  const text = textOf(await (await memorySite({ settings }).send("/")).text());
  assert.match(text, "at most 2 KiB and is kept for 1 hour");
  assert.match(text, "7 new channels per minute, 8 published messages per second, 9 other requests per 5 seconds");
  assert.match(textOf(await (await memorySite().send("/")).text()), "not limited in number");
});

landing("is well-formed, names no other host and runs nothing inline", async () => {
  const response = await memorySite().send("/");
  assert.is(response.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(response.headers.get("content-security-policy")!, "default-src 'none'");
  assert.equal(faultsOfHtml(await response.text()), []);
});

landing("belongs to the site", async () => {
  assert.is((await memorySite({ apps: ["rest"] }).send("/")).status, 404);
});

health.run();
ready.run();
landing.run();
