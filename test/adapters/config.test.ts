/** The environment becomes a configuration, or an error that names the variable, its value and the wanted form. */
import { readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Config, ConfigError, readConfig, variables } from "../../adapters/config.ts";
import { defaultRateLimits } from "../../core/mod.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("adapters/config");

type Environment = Record<string, string>;

const read = (environment: Environment = {}): Config => readConfig(environment, "1.2.3");

/** The lines of the error that an environment gets. */
function problems(environment: Environment): string[] {
  try {
    read(environment);
  } catch (error) {
    assert.instance(error, ConfigError);
    return (error as Error).message.split("\n");
  }
  throw new Error(`${JSON.stringify(environment)} was taken`);
}

test("an empty environment is the embedded default on port 8080", () => {
  assert.equal(read(), {
    host: "0.0.0.0",
    listeners: [{ port: 8080, apps: new Set(["site", "rest", "mcp", "connections"]) }],
    dataDir: "./data",
    fileTempDir: null,
    databaseUrl: null,
    natsUrl: null,
    autoMigrate: true,
    allowUnsafeDatabase: false,
    s3: null,
    tokenSecretSalt: null,
    internalToken: null,
    datastoreToken: null,
    channelBase: null,
    restBase: null,
    mcpBase: null,
    payloadMaxBytes: 1_048_576,
    payloadInlineMaxBytes: 16_384,
    fileMaxBytes: 1_073_741_824,
    fileQuotaBytes: 10_737_418_240,
    documentMaxBytes: 1_048_576,
    defaultTtlSeconds: 86_400,
    rateLimits: defaultRateLimits,
    allowedOrigins: [],
    trustedProxies: [],
    maxStreams: 20_000,
    lanes: 1,
    drain: { noticeMs: 3_000, overMs: 20_000 },
    logLevel: "info",
    version: "1.2.3",
  });
});

test("an empty or blank variable is one that is not set", () => {
  const empty = Object.fromEntries(Object.keys(variables).map((name, index) => [name, index % 2 === 0 ? "" : "  "]));
  assert.equal(read(empty), read());
});

const NATS_WANTED =
  "a URL such as nats://user:password@host:4222 or tls://host:4222, or several alike separated by commas";

const wrong: [name: string, value: string, wanted: string][] = [
  ["PORT", "eighty", "a port, 0 to 65535"],
  ["PORT", "65536", "a port, 0 to 65535"],
  ["PORT", "-1", "a port, 0 to 65535"],
  ["PORT_SITE", "80a", "a port, 0 to 65535"],
  ["PORT_REST", "99999", "a port, 0 to 65535"],
  ["PORT_MCP", "1.5", "a port, 0 to 65535"],
  ["PORT_CONNECTIONS", "0x50", "a port, 0 to 65535"],
  ["MILLRACE_APPS", "rest,pages", "a comma-separated list of site, rest, mcp, connections"],
  ["DATABASE_URL", "mysql://host/db", "a URL such as postgres://user:password@host:5432/database"],
  ["NATS_URL", "ws://host:4222", NATS_WANTED],
  ["AUTO_MIGRATE", "no", "one of true, false"],
  ["MILLRACE_ALLOW_UNSAFE_DATABASE", "1", "one of true, false"],
  ["S3_ENDPOINT", "s3.example.org", "a URL such as https://s3.example.org"],
  ["CHANNEL_HOSTNAME", "a b", "a host such as channels.example.org, or http(s)://host[:port]"],
  ["CHANNEL_HOSTNAME", "channels.example.org/path", "a host such as channels.example.org, or http(s)://host[:port]"],
  ["REST_URL", "api.example.org", "a URL such as https://api.example.org"],
  ["MCP_URL", "ftp://mcp.example.org", "a URL such as https://mcp.example.org"],
  ["PAYLOAD_MAX_BYTES", "0", "a whole number from 1 to 67108864"],
  ["PAYLOAD_MAX_BYTES", "1e6", "a whole number from 1 to 67108864"],
  ["PAYLOAD_INLINE_MAX_BYTES", "1048577", "a whole number from 0 to 1048576"],
  ["DOCUMENT_MAX_BYTES", "1023", "a whole number from 1024 to 16777216"],
  ["FILE_MAX_BYTES", "0", "a whole number from 1 to 68719476736"],
  ["FILE_QUOTA_BYTES", "1 GiB", "a whole number from 1 to 9007199254740991"],
  ["DEFAULT_TTL_SECONDS", "172801", "a whole number from 1 to 172800"],
  ["RATE_LIMIT", "none", "one of on, off"],
  ["MAX_STREAMS", "0", "a whole number from 1 to 1000000"],
  ["MAX_STREAMS", "unlimited", "a whole number from 1 to 1000000"],
  ["DRAIN_LB", "3s", "a whole number from 0 to 600"],
  ["DRAIN_LB", "-1", "a whole number from 0 to 600"],
  ["DRAIN", "3601", "a whole number from 0 to 3600"],
  ["MILLRACE_LANES", "0", "a whole number from 1 to 16"],
  ["MILLRACE_LANES", "1.5", "a whole number from 1 to 16"],
  ["LOG_LEVEL", "verbose", "one of debug, info, warn, error"],
];

for (const [name, value, wanted] of wrong) {
  test(`${name}=${value} is refused in words`, () => {
    assert.equal(problems({ [name]: value, TOKEN_SECRET_SALT: "a salt" }), [
      `${name} is ${JSON.stringify(value)}; give ${wanted}`,
    ]);
  });
}

test("every variable that can be wrong has a case here", () => {
  const free = [
    "HOST",
    "DATA_DIR",
    "FILE_TEMP_DIR",
    "PGHOST",
    "S3_BUCKET",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "S3_REGION",
    "TOKEN_SECRET_SALT",
  ];
  const open = [...free, "INTERNAL_TOKEN", "DATASTORE_TOKEN", "ALLOWED_ORIGINS", "TRUSTED_PROXIES", "VERSION"];
  const named = new Set([...open, ...wrong.map(([name]) => name)]);
  assert.equal([...named].sort(), Object.keys(variables).sort());
});

test("files have a directory of their own on disk, and none beside an S3 store", () => {
  assert.is(read({ FILE_TEMP_DIR: "/mnt/files" }).fileTempDir, "/mnt/files");
  const s3 = { S3_ENDPOINT: "http://localhost:9000", S3_ACCESS_KEY: "a", S3_SECRET_KEY: "b" };
  assert.equal(problems({ ...s3, FILE_TEMP_DIR: "/mnt/files" }), [
    "FILE_TEMP_DIR is set although S3_ENDPOINT keeps the files; leave one of the two out",
  ]);
});

test("everything that is wrong is said at once", () => {
  const said = problems({ PORT: "x", LOG_LEVEL: "loud", MILLRACE_APP: "rest", MILLRACE_APPS: "none" });
  assert.equal(said.length, 4);
  for (const name of ["PORT", "LOG_LEVEL", "MILLRACE_APP", "MILLRACE_APPS"])
    assert.is(said.filter((line) => line.startsWith(`${name} is `)).length, 1, said.join("\n"));
});

test("a MILLRACE_ name that nobody knows is an error, with the one that was meant", () => {
  assert.equal(problems({ MILLRACE_APP: "rest" }), [
    "MILLRACE_APP is not a variable of Millrace; did you mean MILLRACE_APPS?",
  ]);
  assert.equal(problems({ MILLRACE_ALLOW_UNSAVE_DATABASE: "true" }), [
    "MILLRACE_ALLOW_UNSAVE_DATABASE is not a variable of Millrace; did you mean MILLRACE_ALLOW_UNSAFE_DATABASE?",
  ]);
  assert.equal(problems({ MILLRACE_Q: "1" }).length, 1);
  assert.equal(read({ MILLRACE_APPS_: "", SOMETHING_ELSE: "1", MILLRACE: "1" }), read());
});

test("an error never repeats a secret", () => {
  const secrets = {
    TOKEN_SECRET_SALT: "salt-salt-salt",
    INTERNAL_TOKEN: "internal-internal",
    DATASTORE_TOKEN: "datastore-datastore",
    S3_SECRET_KEY: "key-key-key",
  };
  const said = problems({ ...secrets, DATABASE_URL: "mysql://user:hunter2@host/db", PORT: "x" }).join("\n");
  for (const secret of [...Object.values(secrets), "hunter2"]) assert.not.ok(said.includes(secret), said);
  assert.match(said, 'DATABASE_URL is "mysql://user:[hidden]@host/db"; give');
});

test("a secret that is wrong itself is named and not shown", () => {
  assert.match(problems({ INTERNAL_TOKEN: "hunter2 hunter2" }).join("\n"), /^INTERNAL_TOKEN is \[hidden\]; give /);
});

test("no form of DATABASE_URL gives its password away", () => {
  const forms: [given: string, shown: string][] = [
    ["mysql://user:hunter2@host:3306/db", '"mysql://user:[hidden]@host:3306/db"'],
    ["mysql://user:hun/ter2@hunter2@host", '"mysql://user:[hidden]@host"'],
    ["mysql://user:hunter2\n@host", '"mysql://user:[hidden]@host"'],
    ["jdbc:postgresql://host/db?user=u&password=hunter2", "[hidden]"],
    ["mysql://host/db?password=hunter2", '"mysql://host/db?[hidden]"'],
    ["mysql://user:hunter2", "[hidden]"],
    ["host=db user=u password=hunter2", "[hidden]"],
    ["postgres:/user:hunter2@host", "[hidden]"],
    ["hunter2", "[hidden]"],
  ];
  for (const [given, shown] of forms) {
    const [line, ...others] = problems({ DATABASE_URL: given, TOKEN_SECRET_SALT: "a salt" });
    assert.is(line, `DATABASE_URL is ${shown}; give a URL such as postgres://user:password@host:5432/database`);
    assert.equal(others, []);
  }
});

test("a NATS_URL is one address, or several alike", () => {
  for (const taken of [
    "nats://127.0.0.1:4222",
    "tls://u:p%40w@nats.example.org",
    "nats://token@[::1]:4222/",
    "nats://a:4222, nats://b:4222",
  ]) {
    assert.is(read({ NATS_URL: taken }).natsUrl, taken);
  }
});

test("no form of NATS_URL gives its password or token away", () => {
  const forms: [given: string, shown: string][] = [
    ["ws://user:hunter2@host:4222", '"ws://user:[hidden]@host:4222"'],
    ["ws://hunter2@host:4222", '"ws://[hidden]@host:4222"'],
    ["nats://hunter2@host:4222/path", '"nats://[hidden]@host:4222/path"'],
    ["nats://host:4222?token=hunter2", '"nats://host:4222?[hidden]"'],
    ["nats://hunter2@a,nats://hunter2b@b", "[hidden]"],
    ["nats://a:4222,tls://b:4222", "[hidden]"],
    ["nats://:hunter2@host", '"nats://:[hidden]@host"'],
    ["nats://u:hun%zzter2@host", '"nats://u:[hidden]@host"'],
    ["hunter2", "[hidden]"],
  ];
  for (const [given, shown] of forms) {
    assert.equal(problems({ NATS_URL: given }), [`NATS_URL is ${shown}; give ${NATS_WANTED}`]);
  }
});

test("a DATABASE_URL that the driver would refuse is refused first, without the driver's words", () => {
  for (const given of [
    "postgres://u:hunter2@ho st:99999/db",
    "postgres://u:hun/ter2@h/db",
    "postgres://u:hunter#2@h",
  ]) {
    const said = problems({ DATABASE_URL: given, TOKEN_SECRET_SALT: "a salt" }).join("\n");
    assert.match(said, /^DATABASE_URL is .*; give a URL with the special characters .* percent-encoded/);
    assert.not.match(said, /hun|ter2|#2/);
  }
  for (const taken of ["postgres://u:p w@h/d", "postgres://u@/d?host=/run/sock", "postgres://u:%40@[::1]:5432/d"]) {
    assert.is(read({ DATABASE_URL: taken, TOKEN_SECRET_SALT: "a salt" }).databaseUrl, taken);
  }
});

test("a database of one's own needs TOKEN_SECRET_SALT", () => {
  for (const own of [{ DATABASE_URL: "postgres://u@h/d" }, { PGHOST: "db" }] as Environment[]) {
    assert.match(
      problems(own).join("\n"),
      /^TOKEN_SECRET_SALT is missing; with DATABASE_URL give a random secret.*openssl rand/,
    );
  }
  assert.is(read({ DATABASE_URL: "postgresql://u@h/d", TOKEN_SECRET_SALT: "s" }).databaseUrl, "postgresql://u@h/d");
  assert.is(read({ PGHOST: "db", TOKEN_SECRET_SALT: "s" }).databaseUrl, "environment");
  assert.is(
    read({ PGHOST: "db", DATABASE_URL: "postgres://u@h/d", TOKEN_SECRET_SALT: "s" }).databaseUrl,
    "postgres://u@h/d",
  );
});

test("an object store needs both of its keys", () => {
  const S3_ENDPOINT = "https://s3.example.org";
  assert.equal(problems({ S3_ENDPOINT }), [
    "S3_ACCESS_KEY is missing; S3_ENDPOINT needs it",
    "S3_SECRET_KEY is missing; S3_ENDPOINT needs it",
  ]);
  assert.equal(problems({ S3_ENDPOINT, S3_ACCESS_KEY: "a" }), ["S3_SECRET_KEY is missing; S3_ENDPOINT needs it"]);
  const keys = { S3_ACCESS_KEY: "a", S3_SECRET_KEY: "b" };
  assert.equal(read({ S3_ENDPOINT, ...keys }).s3, {
    endpoint: S3_ENDPOINT,
    bucket: "millrace",
    accessKey: "a",
    secretKey: "b",
    region: "us-east-1",
  });
  assert.is(read(keys).s3, null);
});

test("CHANNEL_HOSTNAME is a host, taken as https, or a scheme and a host", () => {
  const forms: [given: string, base: string][] = [
    ["channels.example.org", "https://channels.example.org"],
    ["channels.example.org/", "https://channels.example.org"],
    ["channels.example.org:8443", "https://channels.example.org:8443"],
    ["http://localhost:8070", "http://localhost:8070"],
    ["https://channels.example.org/", "https://channels.example.org"],
  ];
  for (const [given, base] of forms) assert.is(read({ CHANNEL_HOSTNAME: given }).channelBase, base, given);
});

test("public addresses lose the slash at their end", () => {
  const { restBase, mcpBase } = read({ REST_URL: "https://api.example.org/", MCP_URL: "https://example.org/tools//" });
  assert.equal([restBase, mcpBase], ["https://api.example.org", "https://example.org/tools"]);
});

test("a stop is timed in seconds, and may be at once", () => {
  assert.equal(read({ DRAIN_LB: "5", DRAIN: "60" }).drain, { noticeMs: 5_000, overMs: 60_000 });
  assert.equal(read({ DRAIN_LB: "0", DRAIN: "0" }).drain, { noticeMs: 0, overMs: 0 });
});

test("the number of streams and of lanes is what was given", () => {
  const { maxStreams, lanes } = read({ MAX_STREAMS: "7", MILLRACE_LANES: "4" });
  assert.equal([maxStreams, lanes], [7, 4]);
});

test("lists are split at commas, blanks around them dropped", () => {
  const { allowedOrigins, trustedProxies } = read({
    ALLOWED_ORIGINS: "https://a.example, https://b.example,",
    TRUSTED_PROXIES: "10.0.0.0/8 ,::1",
  });
  assert.equal(allowedOrigins, ["https://a.example", "https://b.example"]);
  assert.equal(trustedProxies, ["10.0.0.0/8", "::1"]);
});

test("an app with a port of its own has a listener, the others share PORT", () => {
  const listeners = (environment: Environment) =>
    read(environment).listeners.map(({ port, apps }) => [port, [...apps].join(" ")]);
  assert.equal(listeners({ PORT: "80" }), [[80, "site rest mcp connections"]]);
  assert.equal(listeners({ PORT: "80", PORT_MCP: "90" }), [
    [80, "site rest connections"],
    [90, "mcp"],
  ]);
  assert.equal(listeners({ PORT_SITE: "1", PORT_REST: "2", PORT_MCP: "3", PORT_CONNECTIONS: "4" }), [
    [1, "site"],
    [2, "rest"],
    [3, "mcp"],
    [4, "connections"],
  ]);
  assert.equal(listeners({ PORT_REST: "5", PORT_SITE: "5" }), [
    [5, "site rest"],
    [8080, "mcp connections"],
  ]);
  assert.equal(listeners({ MILLRACE_APPS: "rest, mcp", PORT_SITE: "1" }), [[8080, "rest mcp"]]);
});

test("switches, limits and the version are what the environment says", () => {
  const config = read({
    AUTO_MIGRATE: "false",
    MILLRACE_ALLOW_UNSAFE_DATABASE: "true",
    RATE_LIMIT: "off",
    PAYLOAD_INLINE_MAX_BYTES: "0",
    LOG_LEVEL: "debug",
    VERSION: "9.9.9",
  });
  assert.equal([config.autoMigrate, config.allowUnsafeDatabase, config.rateLimits], [false, true, null]);
  assert.equal([config.payloadInlineMaxBytes, config.logLevel, config.version], [0, "debug", "9.9.9"]);
});

/** The variables of `.env.example` with what it gives them, in order. */
function example(): [name: string, value: string][] {
  const text = readFileSync(new URL("../../.env.example", import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]);
}

test(".env.example lists exactly the variables that are read", () => {
  assert.equal(
    example()
      .map(([name]) => name)
      .sort(),
    Object.keys(variables).sort(),
  );
});

test(".env.example gives every variable its default", () => {
  assert.equal(read(Object.fromEntries(example())), read());
});

test("MILLRACE_APPS=rest serves nothing of the other apps", async () => {
  const [listener] = read({ MILLRACE_APPS: "rest" }).listeners;
  const { client } = openApp({ apps: [...listener!.apps] });
  const channel = await client.createChannel();
  for (const [method, path] of [
    ["POST", "/mcp"],
    ["POST", "/sse"],
    ["GET", "/.well-known/mcp-server"],
    ["GET", "/"],
    ["GET", `/v1/public/${channel.id}`],
    ["GET", `/channel/v1/public/${channel.id}`],
  ] as const) {
    const { status, body } = await client.send(method, path);
    assert.equal([path, status, body.error.code], [path, 404, "not_found"]);
  }
  for (const path of ["/healthz", "/readyz", "/openapi.json"]) assert.is((await client.send("GET", path)).status, 200);
});

test.run();
