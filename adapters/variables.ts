/** The environment variables: their names, the form each must have, in words for errors, and their defaults. `.env.example` says what each is for. */
import * as v from "valibot";
import { isAddressBlock } from "../core/mod.ts";
import { appNames } from "../core/ports/host.ts";
import { logLevels } from "../core/ports/log.ts";
import { readNatsAddress } from "./nats_address.ts";

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
  FILE_TEMP_DIR: plain,
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
  DATASTORE_TOKEN: v.optional(v.pipe(v.string(), v.regex(/^\S+$/, "a token without spaces"))),
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
  DOCUMENT_MAX_BYTES: whole(1_024, 16_777_216, "1048576"),
  FILE_MAX_BYTES: whole(1, 68_719_476_736, "1073741824"),
  FILE_QUOTA_BYTES: whole(1, 9_007_199_254_740_991, "10737418240"),
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

/** Variables whose values are shown by no error, right or wrong. */
export const secrets: ReadonlySet<string> = new Set([
  "TOKEN_SECRET_SALT",
  "INTERNAL_TOKEN",
  "DATASTORE_TOKEN",
  "S3_ACCESS_KEY",
  "S3_SECRET_KEY",
]);
