/** The environment, read once and validated with messages that name the variable and the wanted form. `.env.example` lists every name. */
import * as v from "valibot";
import { type AppName, defaultRateLimits, isAddressBlock, nearest, type RateLimits } from "../core/mod.ts";
import { appNames } from "../core/ports/host.ts";
import { type LogLevel, logLevels } from "../core/ports/log.ts";
import { readNatsAddress } from "./nats_address.ts";

export interface Config {
  host: string;
  /** Ports with the apps each of them serves. */
  listeners: { port: number; apps: ReadonlySet<AppName> }[];
  dataDir: string;
  /** null: the embedded PostgreSQL; "environment": the PG* variables. */
  databaseUrl: string | "environment" | null;
  /** null: knocks travel by the database itself. */
  natsUrl: string | null;
  autoMigrate: boolean;
  allowUnsafeDatabase: boolean;
  s3: { endpoint: string; bucket: string; accessKey: string; secretKey: string; region: string } | null;
  tokenSecretSalt: string | null;
  internalToken: string | null;
  channelBase: string | null;
  restBase: string | null;
  mcpBase: string | null;
  payloadMaxBytes: number;
  payloadInlineMaxBytes: number;
  defaultTtlSeconds: number;
  rateLimits: RateLimits | null;
  allowedOrigins: string[];
  trustedProxies: string[];
  maxStreams: number;
  /** How many batches of appends may be under way at once. */
  lanes: number;
  /** A stop: how long it serves on once it has said that it is not ready, and over how long streams end. */
  drain: { noticeMs: number; overMs: number };
  logLevel: LogLevel;
  version: string;
}

/** What is wrong with the environment, one line a variable. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

/** In the place of a secret. */
const HIDDEN = "[hidden]";

type Environment = { readonly [name: string]: string | undefined };

const whole = (least: number, most: number, initial: string) =>
  v.pipe(
    v.optional(v.string(), initial),
    v.check(
      (text) => /^\d+$/.test(text) && Number(text) >= least && Number(text) <= most,
      `a whole number from ${least} to ${most}`,
    ),
    v.transform(Number),
  );
const oneOf = <const T extends readonly string[]>(names: T, initial: T[number]) =>
  v.optional(v.picklist(names, `one of ${names.join(", ")}`), initial);
const portNumber = v.pipe(
  v.string(),
  v.check((text) => /^\d+$/.test(text) && Number(text) < 65_536, "a port, 0 to 65535"),
  v.transform(Number),
);
const port = v.optional(portNumber);
const url = (what: string) =>
  v.optional(
    v.pipe(
      v.string(),
      v.check((text) => /^https?:\/\/[^/]/.test(text) && URL.canParse(text), what),
      v.transform((text) => text.replace(/\/+$/, "")),
    ),
  );
const list = v.pipe(
  v.optional(v.string(), ""),
  v.transform((text) =>
    text
      .split(",")
      .map((part) => part.trim())
      .filter((part) => part !== ""),
  ),
);
const apps = v.pipe(
  v.optional(v.string(), appNames.join(",")),
  v.transform((text) => text.split(",").map((part) => part.trim())),
  v.array(v.picklist(appNames, `a comma-separated list of ${appNames.join(", ")}`)),
);
const plain = v.optional(v.string());

/** Whether the driver's parser takes a URL of its kind, blanks and an empty host included; on Deno the words of its refusal hold the whole URL. */
function isReadableUrl(text: string): boolean {
  if (!/^postgres(ql)?:/.test(text)) return true;
  return [text, encodeURI(text)].some((form) => URL.canParse(form.replace("@/", "@host/")));
}

/** Every variable we read, in the order of `.env.example`. */
export const variables = {
  PORT: v.optional(portNumber, "8080"),
  HOST: v.optional(v.string(), "0.0.0.0"),
  MILLRACE_APPS: apps,
  PORT_SITE: port,
  PORT_REST: port,
  PORT_MCP: port,
  PORT_CONNECTIONS: port,
  DATA_DIR: v.optional(v.string(), "./data"),
  DATABASE_URL: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^postgres(ql)?:\/\//, "a URL such as postgres://user:password@host:5432/database"),
      v.check(isReadableUrl, "a URL with the special characters of user and password percent-encoded (%40 for @)"),
    ),
  ),
  PGHOST: plain,
  NATS_URL: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) => readNatsAddress(text) !== null,
        "a URL such as nats://user:password@host:4222 or tls://host:4222, or several alike separated by commas",
      ),
    ),
  ),
  AUTO_MIGRATE: oneOf(["true", "false"], "true"),
  MILLRACE_ALLOW_UNSAFE_DATABASE: oneOf(["true", "false"], "false"),
  S3_ENDPOINT: url("a URL such as https://s3.example.org"),
  S3_BUCKET: v.optional(v.string(), "millrace"),
  S3_ACCESS_KEY: plain,
  S3_SECRET_KEY: plain,
  S3_REGION: v.optional(v.string(), "us-east-1"),
  TOKEN_SECRET_SALT: plain,
  INTERNAL_TOKEN: v.optional(v.pipe(v.string(), v.regex(/^\S+$/, "a token without spaces"))),
  CHANNEL_HOSTNAME: v.optional(
    v.pipe(
      v.string(),
      v.regex(/^(https?:\/\/)?[^\s/]+\/?$/, "a host such as channels.example.org, or http(s)://host[:port]"),
    ),
  ),
  REST_URL: url("a URL such as https://api.example.org"),
  MCP_URL: url("a URL such as https://mcp.example.org"),
  PAYLOAD_MAX_BYTES: whole(1, 67_108_864, "1048576"),
  PAYLOAD_INLINE_MAX_BYTES: whole(0, 1_048_576, "16384"),
  DEFAULT_TTL_SECONDS: whole(1, 172_800, "86400"),
  RATE_LIMIT: oneOf(["on", "off"], "on"),
  ALLOWED_ORIGINS: v.pipe(
    list,
    v.everyItem(
      (part) => part === "*" || /^https?:\/\/[^/]+$/.test(part),
      "a comma-separated list of origins, such as https://app.example.org, or *",
    ),
  ),
  TRUSTED_PROXIES: v.pipe(
    list,
    v.everyItem(
      (part) => isAddressBlock(part),
      "a comma-separated list of addresses or CIDR blocks, such as 10.0.0.0/8",
    ),
  ),
  MAX_STREAMS: whole(1, 1_000_000, "20000"),
  DRAIN_LB: whole(0, 600, "3"),
  DRAIN: whole(0, 3_600, "20"),
  MILLRACE_LANES: whole(1, 16, "1"),
  LOG_LEVEL: oneOf(logLevels, "info"),
  VERSION: plain,
} as const;

/** The configuration of an environment; throws ConfigError naming every wrong variable at once. */
export function readConfig(environment: Environment, version: string): Config {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ""),
  );
  const problems = unknownNames(given);
  const parsed = v.safeParse(v.object(variables), given);
  if (!parsed.success) {
    for (const issue of parsed.issues) {
      const name = v.getDotPath(issue)?.split(".")[0] ?? "?";
      problems.push(`${name} is ${shown(name, given[name]!)}; give ${issue.message}`);
    }
  }
  const output = parsed.success ? parsed.output : null;
  if (output !== null) problems.push(...missingNames(output));
  if (problems.length > 0 || output === null) throw new ConfigError(problems.join("\n"));
  return toConfig(output, version);
}

/** Shown by no error, right or wrong. */
const secrets: ReadonlySet<string> = new Set(["TOKEN_SECRET_SALT", "INTERNAL_TOKEN", "S3_ACCESS_KEY", "S3_SECRET_KEY"]);

/** A value as an error may show it, for the words of an error end up in logs. */
function shown(name: string, value: string): string {
  if (secrets.has(name)) return HIDDEN;
  if (name !== "DATABASE_URL" && name !== "NATS_URL")
    return JSON.stringify(value.replace(/:(?!\/\/).*@/s, `:${HIDDEN}@`));
  // Only what is understood: a password may also stand in a query, in `password=…`, or where its @ is forgotten.
  const parts = /^([\w+.-]+:\/\/)(?:([^:@/?#]*)(:.*)?@)?([^:@/?#]*(?::\d+)?(?:\/[^?#@]*)?)([?#].*)?$/s.exec(value);
  if (parts === null) return HIDDEN;
  const [, scheme, user, password, place, query] = parts;
  // NATS takes a name alone for a token.
  const known = name === "NATS_URL" && password === undefined ? HIDDEN : user;
  const login = user === undefined ? "" : `${known}${password === undefined ? "" : `:${HIDDEN}`}@`;
  return JSON.stringify(`${scheme}${login}${place}${query === undefined ? "" : `?${HIDDEN}`}`);
}

type Values = v.InferOutput<v.ObjectSchema<typeof variables, undefined>>;

function unknownNames(given: Environment): string[] {
  return Object.keys(given)
    .filter((name) => name.startsWith("MILLRACE_") && !Object.hasOwn(variables, name))
    .map((name) => {
      const guess = nearest(name, Object.keys(variables));
      return `${name} is not a variable of Millrace${guess === null ? "" : `; did you mean ${guess}?`}`;
    });
}

function missingNames(values: Values): string[] {
  const problems: string[] = [];
  const external = values.DATABASE_URL !== undefined || values.PGHOST !== undefined;
  if (external && values.TOKEN_SECRET_SALT === undefined) {
    problems.push(
      "TOKEN_SECRET_SALT is missing; with DATABASE_URL give a random secret, the same for every process (for example: openssl rand -hex 32)",
    );
  }
  if (values.S3_ENDPOINT !== undefined) {
    for (const name of ["S3_ACCESS_KEY", "S3_SECRET_KEY"] as const) {
      if (values[name] === undefined) problems.push(`${name} is missing; S3_ENDPOINT needs it`);
    }
  }
  return problems;
}

function toConfig(values: Values, version: string): Config {
  const s3 = values.S3_ENDPOINT;
  const base = values.CHANNEL_HOSTNAME?.replace(/\/$/, "");
  return {
    host: values.HOST,
    listeners: listenersOf(values),
    dataDir: values.DATA_DIR,
    databaseUrl: values.DATABASE_URL ?? (values.PGHOST === undefined ? null : "environment"),
    natsUrl: values.NATS_URL ?? null,
    autoMigrate: values.AUTO_MIGRATE === "true",
    allowUnsafeDatabase: values.MILLRACE_ALLOW_UNSAFE_DATABASE === "true",
    s3:
      s3 === undefined
        ? null
        : {
            endpoint: s3,
            bucket: values.S3_BUCKET,
            accessKey: values.S3_ACCESS_KEY!,
            secretKey: values.S3_SECRET_KEY!,
            region: values.S3_REGION,
          },
    tokenSecretSalt: values.TOKEN_SECRET_SALT ?? null,
    internalToken: values.INTERNAL_TOKEN ?? null,
    channelBase: base === undefined ? null : base.includes("://") ? base : `https://${base}`,
    restBase: values.REST_URL ?? null,
    // People give the endpoint itself by this name.
    mcpBase: values.MCP_URL?.replace(/\/mcp$/, "") ?? null,
    payloadMaxBytes: values.PAYLOAD_MAX_BYTES,
    payloadInlineMaxBytes: values.PAYLOAD_INLINE_MAX_BYTES,
    defaultTtlSeconds: values.DEFAULT_TTL_SECONDS,
    rateLimits: values.RATE_LIMIT === "on" ? defaultRateLimits : null,
    allowedOrigins: values.ALLOWED_ORIGINS,
    trustedProxies: values.TRUSTED_PROXIES,
    maxStreams: values.MAX_STREAMS,
    lanes: values.MILLRACE_LANES,
    drain: { noticeMs: values.DRAIN_LB * 1_000, overMs: values.DRAIN * 1_000 },
    logLevel: values.LOG_LEVEL,
    version: values.VERSION ?? version,
  };
}

/** Apps without a port of their own share PORT. */
function listenersOf(values: Values): Config["listeners"] {
  const own = {
    site: values.PORT_SITE,
    rest: values.PORT_REST,
    mcp: values.PORT_MCP,
    connections: values.PORT_CONNECTIONS,
  };
  const byPort = new Map<number, Set<AppName>>();
  for (const app of values.MILLRACE_APPS) {
    const at = own[app] ?? values.PORT;
    byPort.set(at, (byPort.get(at) ?? new Set()).add(app));
  }
  return [...byPort].map(([at, served]) => ({ port: at, apps: served }));
}
