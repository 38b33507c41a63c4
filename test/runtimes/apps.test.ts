/** Apps on ports of their own: each answers where it was put, and only there; what belongs to all answers everywhere. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createClient } from "../support/client.ts";
import { openEvents } from "../support/event_stream.ts";
import { freePorts } from "../support/free_ports.ts";
import { runtimeName } from "../support/runtime.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const test = suite(`apps on ${runtimeName}`);

test("four apps on four ports answer each its own paths", async () => {
  const directory = await temporaryDirectory();
  const [site, rest, mcp, connections] = (await freePorts(4)) as [number, number, number, number];
  const env = {
    PORT: "",
    PORT_SITE: `${site}`,
    PORT_REST: `${rest}`,
    PORT_MCP: `${mcp}`,
    PORT_CONNECTIONS: `${connections}`,
  };
  const server = await startServerProcess({ dataDir: directory.path, env: { ...env, INTERNAL_TOKEN: "internal" } });
  try {
    const at = (port: number) => createClient(`http://localhost:${port}`);
    const channel = await at(rest).createChannel();
    const owner = { "X-Publish-Token": channel.publish_token };
    const initialize = {
      jsonrpc: "2.0",
      id: 1,
      method: "initialize",
      params: { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "test", version: "1" } },
    };
    const paths: [home: number, method: string, path: string, options: Parameters<ReturnType<typeof at>["send"]>[2]][] =
      [
        [site, "GET", "/", {}],
        [rest, "GET", `/v1/channels/${channel.id}`, { headers: owner }],
        [rest, "POST", `/v1/channels/${channel.id}/publish`, { body: { payload: 1 }, headers: owner }],
        [mcp, "POST", "/mcp", { body: initialize }],
        [mcp, "POST", "/sse", { body: initialize }],
        [mcp, "GET", "/.well-known/mcp-server", {}],
        [
          connections,
          "GET",
          `/internal/v1/channels/${channel.id}/messages`,
          { headers: { Authorization: "Bearer internal" } },
        ],
      ];
    for (const [home, method, path, options] of paths) {
      for (const port of [site, rest, mcp, connections]) {
        const { status, body } = await at(port).send(method, path, options);
        const where = `${method} ${path} on ${port}, at home on ${home}`;
        if (port === home) assert.ok(status === 200 || status === 201, `${where}: ${status}`);
        else assert.equal([status, body.error?.code], [404, "not_found"], where);
      }
    }
    for (const port of [site, rest, mcp]) {
      const { status, body } = await at(port).send("GET", `/v1/public/${channel.id}`);
      assert.equal([status, body.error.code], [404, "not_found"]);
    }
    const stream = await openEvents(`${channel.url}?from=earliest`);
    await at(rest).publish(channel, "across ports");
    assert.equal(
      (await stream.until(2)).map(({ data }) => JSON.parse(data).payload),
      [1, "across ports"],
    );
    stream.close();
    assert.is(channel.url, `http://localhost:${connections}/channel/v1/public/${channel.id}`);
    for (const port of [site, rest, mcp, connections]) {
      for (const path of ["/healthz", "/readyz", "/openapi.json"])
        assert.is((await at(port).send("GET", path)).status, 200, `${path} on ${port}`);
    }
    for (const port of [site, rest, mcp, connections]) assert.match(server.output(), `http://localhost:${port}`);
    assert.match(server.output(), `curl -s http://localhost:${rest}/v1/channels -d`);
    assert.match(server.output(), `curl -N "http://localhost:${connections}/channel/v1/public/$ID`);
    assert.match(server.output(), `millrace http://localhost:${mcp}/mcp`);
  } finally {
    assert.is((await server.end("SIGTERM")).code, 0);
    await directory.remove();
  }
});

test("MILLRACE_APPS leaves the others out, and PORT_MCP puts one beside the rest", async () => {
  const directory = await temporaryDirectory();
  const [mcp] = (await freePorts(1)) as [number];
  const server = await startServerProcess({
    dataDir: directory.path,
    env: { MILLRACE_APPS: "rest,mcp", PORT_MCP: `${mcp}` },
  });
  try {
    const rest = createClient(server.url);
    const channel = await rest.createChannel();
    for (const path of ["/", "/mcp", `/v1/public/${channel.id}`, "/.well-known/mcp-server"])
      assert.is((await rest.send("GET", path)).status, 404, path);
    const other = createClient(`http://localhost:${mcp}`);
    assert.is((await other.send("GET", "/.well-known/mcp-server")).status, 200);
    assert.is((await other.send("GET", "/")).status, 404);
    assert.not.match(server.output(), /curl -N/);
  } finally {
    assert.is((await server.end("SIGTERM")).code, 0);
    await directory.remove();
  }
});

test.run();
