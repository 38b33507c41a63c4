import { suite } from "uvu";
import * as assert from "uvu/assert";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import { openApp } from "../support/memory_app.ts";
import { logText, memoryPorts } from "../support/memory_house.ts";

const test = suite("faces/router");

const ID = "0190163d-8694-439b-aea5-966c26f8ad91";

const allowed: [path: string, allow: string, wrong: string][] = [
  ["/v1/channels", "OPTIONS, POST", "GET"],
  [`/v1/channels/${ID}`, "DELETE, GET, HEAD, OPTIONS", "PUT"],
  [`/v1/channels/${ID}/publish`, "OPTIONS, POST", "PUT"],
  [`/v1/channels/${ID}/read-grants`, "OPTIONS, POST", "DELETE"],
  [`/v1/channels/${ID}/read-grants/${ID}/revoke`, "OPTIONS, POST", "GET"],
  [`/v1/public/${ID}`, "GET, HEAD, OPTIONS", "POST"],
  [`/channel/v1/private/${ID}`, "GET, HEAD, OPTIONS", "PATCH"],
  [`/internal/v1/channels/${ID}/messages`, "GET, HEAD, OPTIONS", "POST"],
  ["/healthz", "GET, HEAD, OPTIONS", "POST"],
  ["/readyz", "GET, HEAD, OPTIONS", "DELETE"],
];

for (const [path, allow, wrong] of allowed) {
  test(`${wrong} ${path.replaceAll(ID, ":id")} answers 405 with Allow, before anything else`, async () => {
    const { client } = openApp();
    const { status, headers, body } = await client.send(wrong, path, wrong === "GET" ? {} : { raw: "{" });
    assert.equal([status, body.error.code], [405, "method_not_allowed"]);
    assert.is(headers.get("allow"), allow);
    assert.is(body.error.message, `${wrong} is not possible at this path; use ${allow}`);
  });

  test(`OPTIONS ${path.replaceAll(ID, ":id")} tells what is possible`, async () => {
    const { client } = openApp();
    const { status, headers, body } = await client.send("OPTIONS", path);
    assert.equal([status, headers.get("allow"), body], [204, allow, ""]);
    assert.is(headers.get("access-control-allow-origin"), null);
  });
}

test("an unknown path is 404 for every method", async () => {
  const { client } = openApp();
  const paths = [
    "/nothing",
    "/v1",
    "/v1/channel",
    `/v1/channels/${ID}/nothing`,
    `/v1/secret/${ID}`,
    `/v1/public/${ID}/x`,
    "//v1/channels",
    "/v1//channels",
    "/%2e%2e/etc/passwd",
    `/V1/channels/${ID}`,
  ];
  for (const path of paths) {
    for (const method of ["GET", "POST", "OPTIONS"]) {
      const { status, body } = await client.send(method, path);
      assert.equal([status, body.error.code], [404, "not_found"], `${method} ${path}`);
      assert.match(body.error.message, "see /reference for what there is");
    }
  }
});

test("a slash at the end changes nothing", async () => {
  const { client } = openApp();
  assert.is((await client.send("GET", "/healthz/")).status, 200);
  assert.is((await client.send("POST", "/v1/channels/", { body: { name: "a", visibility: "public" } })).status, 201);
});

test("a path that is not valid percent-encoding is refused", async () => {
  const { client } = openApp();
  const { status, body } = await client.send("GET", "/v1/channels/%ff");
  assert.equal([status, body.error.code], [400, "invalid_input"]);
});

test("a query that is not valid percent-encoding is refused wherever a query is read, and passed over where none is", async () => {
  const { client } = openApp();
  for (const query of ["wait=eq.%FF", "%C3=1", "a=%ED%A0%80", "a=100%", "a=%zz", "a=%C3%28"]) {
    for (const [method, path] of [
      ["GET", `/v1/public/${ID}`],
      ["POST", "/v1/channels"],
    ] as const) {
      const { status, body } = await client.send(method, `${path}?${query}`, method === "POST" ? { body: {} } : {});
      assert.equal([status, body.error.code], [400, "invalid_input"], `${method} ${path}?${query}`);
      if (method === "GET")
        assert.match(body.error.message, /The query is not valid percent-encoding; encode it as UTF-8/);
    }
    // Marks of others, on links and probes.
    assert.is((await client.send("GET", `/healthz?${query}`)).status, 200);
    assert.is((await client.send("GET", `/nothing?${query}`)).status, 404);
  }
});

test("an error has one shape: code, message, whether to try again, and the id that the log has", async () => {
  const { client, ports } = openApp();
  const { headers, body } = await client.send("GET", `/v1/channels/${ID}`);
  const { error } = body;
  assert.equal(Object.keys(body), ["error"]);
  assert.equal(error, {
    code: "unauthorized",
    message: error.message,
    retryable: false,
    request_id: headers.get("x-request-id"),
  });
  assert.is(headers.get("content-type"), "application/json; charset=utf-8");
  assert.is(headers.get("cache-control"), "no-store");
  assert.match(logText(ports.log), error.request_id);
});

test("every answer has a request id of its own", async () => {
  const { client } = openApp();
  const replies = await Promise.all(
    ["/healthz", "/healthz", "/nothing", "/v1/channels"].map((path) => client.send("GET", path)),
  );
  const ids = replies.map(({ headers }) => headers.get("x-request-id"));
  assert.is(new Set(ids).size, 4);
  for (const id of ids) assert.match(id!, /^[0-9a-f-]{36}$/);
});

test("HEAD answers like GET without a body", async () => {
  const { client, fetcher } = openApp();
  const channel = await client.createChannel();
  const headers = { "X-Publish-Token": channel.publish_token };
  for (const path of ["/healthz", "/readyz", "/", `/v1/channels/${channel.id}`, "/nothing", "/v1/channels"]) {
    const [get, head] = await Promise.all(
      ["GET", "HEAD"].map((method) => fetcher(new Request(client.base + path, { method, headers }))),
    );
    assert.is(head!.status, get!.status, path);
    assert.is(head!.headers.get("content-type"), get!.headers.get("content-type"));
    assert.is(await head!.text(), "");
  }
});

test("what fails unforeseen is internal, without a word of what it was", async () => {
  const ports = memoryPorts();
  const { documents } = ports.database;
  const get = () => Promise.reject(new Error('relation "documents" does not exist at 10.0.0.7'));
  const { client } = openApp({
    ports: { ...ports, database: { ...ports.database, documents: { ...documents, get } } },
  });
  const channel = await client.createChannel();
  const { status, body } = await client.send("GET", `/v1/channels/${channel.id}`, {
    headers: { "X-Publish-Token": channel.publish_token },
  });
  assert.is(status, 500);
  assert.equal(body.error, {
    code: "internal",
    message: `Something went wrong on our side; it is in the log as ${body.error.request_id}`,
    retryable: true,
    request_id: body.error.request_id,
  });
  assert.match(logText(ports.log), "10.0.0.7");
});

test("a listener serves its apps and what belongs to all", async () => {
  const ports = memoryPorts();
  const site = openApp({ ports, apps: ["site"] });
  const rest = openApp({ ports, apps: ["rest"] });
  const connections = openApp({ ports, apps: ["connections"] });
  for (const server of [site, rest, connections]) assert.is((await server.client.send("GET", "/healthz")).status, 200);
  const channel = await rest.client.createChannel();
  for (const server of [site, connections]) {
    assert.is((await server.client.send("POST", "/v1/channels", { body: {} })).status, 404);
    assert.is((await server.client.send("OPTIONS", "/v1/channels")).status, 404);
  }
  assert.is((await rest.client.send("GET", `/v1/public/${channel.id}`)).status, 404);
  const reader = await connections.events(`/v1/public/${channel.id}`);
  assert.is(reader.response.status, 200);
  await rest.client.publish(channel, "across");
  await reader.until(1);
  reader.close();
  assert.is((await site.client.send("GET", "/")).status, 200);
  assert.is((await rest.client.send("GET", "/")).status, 404);
});

test("a server that retires serves everything, and asks callers to use another connection", async () => {
  const { app, client, events } = openApp();
  const channel = await client.createChannel();
  assert.is((await client.publish(channel, "before")).headers.get("connection"), null);
  app.retire();
  const published = await client.publish(channel, "after");
  assert.equal([published.status, published.headers.get("connection")], [201, "close"]);
  const refused = await client.send("GET", "/nothing");
  assert.equal([refused.status, refused.headers.get("connection")], [404, "close"]);
  const reader = await events(`/v1/public/${channel.id}?from=earliest`);
  await reader.until(2);
  assert.is(app.streams(), 1);
  reader.close();
});

test("a server that stops does nothing new: 503 with Retry-After, and a stream is asked to come back", async () => {
  const { app, client, events } = openApp();
  const channel = await client.createChannel();
  await app.stop();
  const tries: [method: string, path: string][] = [
    ["POST", "/v1/channels"],
    ["POST", `/v1/channels/${channel.id}/publish`],
    ["GET", `/v1/channels/${channel.id}`],
    ["POST", "/mcp"],
    ["GET", "/"],
    ["GET", "/reference"],
  ];
  for (const [method, path] of tries) {
    const { status, headers, body } = await client.send(method, path, method === "POST" ? { raw: "{" } : {});
    assert.equal([status, body.error.code, body.error.retryable], [503, "unavailable", true], `${method} ${path}`);
    assert.match(headers.get("retry-after")!, /^[1-3]$/);
    assert.is(headers.get("connection"), "close");
  }
  const reader = await events(`/v1/public/${channel.id}`);
  await reader.ended();
  assert.equal([reader.response.status, reader.events], [200, []]);
  assert.is(reader.response.headers.get("connection"), "close");
  assert.ok(reader.retries.every((ms) => ms >= 1_000 && ms <= 5_000) && reader.retries.length === 1);
});

test("what a store cannot do now says when to come back, not everybody at once", async () => {
  const ports = memoryPorts();
  const append = () => Promise.reject(new Fault("unavailable", "The database is behind"));
  const { client } = openApp({
    ports: { ...ports, database: { ...ports.database, journal: { ...ports.database.journal, append } } },
  });
  const channel = await client.createChannel();
  const waits = new Set<string | null>();
  for (let index = 0; index < 40; index += 1) {
    const { status, headers } = await client.publish(channel, "x");
    assert.equal([status, headers.get("connection")], [503, null]);
    waits.add(headers.get("retry-after"));
  }
  assert.equal([...waits].sort(), ["1", "2", "3"]);
});

const HERE = "https://app.example";

test("a page of an allowed origin may call, read the answer and its limits", async () => {
  const { client } = openApp({ settings: { allowedOrigins: [HERE, "https://other.example"] } });
  for (const path of ["/healthz", "/nothing", `/v1/channels/${ID}`]) {
    const { headers } = await client.send("GET", path, { headers: { Origin: HERE } });
    assert.is(headers.get("access-control-allow-origin"), HERE);
    assert.is(headers.get("vary"), "Origin");
    assert.match(headers.get("access-control-expose-headers")!, /Retry-After.*X-Request-Id/);
    assert.is(headers.get("access-control-allow-credentials"), null);
  }
});

test("a preflight of an allowed origin tells methods and headers", async () => {
  const { client } = openApp({ settings: { allowedOrigins: [HERE] } });
  const headers = {
    Origin: HERE,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-publish-token",
  };
  const reply = await client.send("OPTIONS", `/v1/channels/${ID}/publish`, { headers });
  assert.is(reply.status, 204);
  assert.is(reply.headers.get("access-control-allow-origin"), HERE);
  assert.is(reply.headers.get("access-control-allow-methods"), "OPTIONS, POST");
  for (const name of ["Content-Type", "Authorization", "X-Publish-Token", "X-Read-Token", "Last-Event-ID"]) {
    assert.match(reply.headers.get("access-control-allow-headers")!, name);
  }
});

test("a page of another origin gets no permission", async () => {
  const origins: [allowed: string[], origin: string][] = [
    [[], HERE],
    [[HERE], "https://app.example.evil.example"],
    [[HERE], "http://app.example"],
    [[HERE], "null"],
    [[HERE], "https://app.example:8443"],
  ];
  for (const [allowedOrigins, origin] of origins) {
    const { client } = openApp({ settings: { allowedOrigins } });
    for (const method of ["GET", "OPTIONS"]) {
      const { headers } = await client.send(method, "/healthz", { headers: { Origin: origin } });
      for (const name of ["origin", "methods", "headers"])
        assert.is(headers.get(`access-control-allow-${name}`), null, `${method} ${origin}`);
    }
  }
});

test("a star allows every origin, streams included", async () => {
  const { client, events } = openApp({ settings: { allowedOrigins: ["*"] } });
  const channel = await client.createChannel();
  const reader = await events(`/v1/public/${channel.id}`, { Origin: HERE });
  assert.is(reader.response.headers.get("access-control-allow-origin"), "*");
  reader.close();
});

test("limits go by the address behind trusted proxies, and nobody can choose his own", async () => {
  const rateLimits = {
    ...defaultRateLimits,
    create: { count: 2, perMs: 60_000 },
    publish: { count: 100, perMs: 1_000 },
    other: { count: 300, perMs: 60_000 },
  };
  const tries: [trustedProxies: string[], headers: (index: number) => string, last: number][] = [
    [[], (index) => `198.51.100.${index}`, 429],
    [["192.0.2.1"], (index) => `198.51.100.${index}`, 201],
    [["192.0.2.1"], (index) => `10.0.0.${index}, 198.51.100.7`, 429],
    [["192.0.2.1"], (index) => `2001:db8::${index}`, 429],
  ];
  for (const [trustedProxies, forwarded, last] of tries) {
    const { client } = openApp({ settings: { rateLimits, trustedProxies } });
    const statuses: number[] = [];
    for (let index = 1; index <= 3; index += 1) {
      const headers = { "X-Forwarded-For": forwarded(index) };
      statuses.push(
        (await client.send("POST", "/v1/channels", { body: { name: "a", visibility: "public" }, headers })).status,
      );
    }
    assert.equal(statuses, [201, 201, last]);
  }
});

test.run();
