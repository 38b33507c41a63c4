/** The environment, read once and validated with messages that name the variable and the wanted form. Which there are: `variables.ts`. */
import * as v from "valibot";
import { type AppName, defaultRateLimits, nearest, type RateLimits } from "../core/mod.ts";
import type { LogLevel } from "../core/ports/log.ts";
import { secrets, variables } from "./variables.ts";

export { variables } from "./variables.ts";

export interface Config {
  host: string;
  /** Ports with the apps each of them serves. */
  listeners: { port: number; apps: ReadonlySet<AppName> }[];
  dataDir: string;
  /** Where temporary files are kept on disk; null: with the other objects. */
  fileTempDir: string | null;
  /** null: the embedded PostgreSQL; "environment": the PG* variables. */
  databaseUrl: string | "environment" | null;
  /** null: knocks travel by the database itself. */
  natsUrl: string | null;
  autoMigrate: boolean;
  allowUnsafeDatabase: boolean;
  s3: { endpoint: string; bucket: string; accessKey: string; secretKey: string; region: string } | null;
  tokenSecretSalt: string | null;
  internalToken: string | null;
  datastoreToken: string | null;
  channelBase: string | null;
  restBase: string | null;
  mcpBase: string | null;
  payloadMaxBytes: number;
  payloadInlineMaxBytes: number;
  fileMaxBytes: number;
  documentMaxBytes: number;
  fileQuotaBytes: number;
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
    if (values.FILE_TEMP_DIR !== undefined)
      problems.push("FILE_TEMP_DIR is set although S3_ENDPOINT keeps the files; leave one of the two out");
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
    fileTempDir: values.FILE_TEMP_DIR ?? null,
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
    datastoreToken: values.DATASTORE_TOKEN ?? null,
    channelBase: base === undefined ? null : base.includes("://") ? base : `https://${base}`,
    restBase: values.REST_URL ?? null,
    // People give the endpoint itself by this name.
    mcpBase: values.MCP_URL?.replace(/\/mcp$/, "") ?? null,
    payloadMaxBytes: values.PAYLOAD_MAX_BYTES,
    payloadInlineMaxBytes: values.PAYLOAD_INLINE_MAX_BYTES,
    fileMaxBytes: values.FILE_MAX_BYTES,
    documentMaxBytes: values.DOCUMENT_MAX_BYTES,
    fileQuotaBytes: values.FILE_QUOTA_BYTES,
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
