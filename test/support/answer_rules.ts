/**
 * What every answer must keep to, whatever was asked: no 5xx, a status that `/openapi.json` lists for the operation, a body of the declared
 * shape or the one error envelope, nothing of the house's inside, and in time.
 */
import * as v from "valibot";
import type { AnySchema, Operation } from "../../core/kernel/operation.ts";
import { type FaultCode, faultCodes } from "../../core/ports/fault.ts";

/** One request with its answer. */
export interface Exchange {
  method: string;
  path: string;
  status: number;
  headers: Headers;
  text: string;
  ms: number;
}

const RECORD_DROPS = ["constructor", "prototype"];
const SLOWEST_MS = 2_000;

/** What paths and methods beside the description may answer. */
const OUTSIDE = ["200", "202", "204", "400", "403", "404", "405", "413"];

const ownWords: readonly [what: string, pattern: RegExp][] = [
  ["a stack", /\bat .{1,200}:\d+:\d+|\.[tj]s:\d+/],
  ["a path of a file", /node_modules|file:\/\/|\/(?:home|root|usr|var|tmp|work)\/[\w.-]+/],
  ["SQL", /\b(?:SELECT|INSERT INTO|DELETE FROM)\b.{1,200}\b(?:FROM|VALUES|WHERE)\b/],
  [
    "words of the database",
    /syntax error at|violates .{1,50} constraint|relation "|invalid input syntax|SQLSTATE|ECONN/,
  ],
  [
    "words of the runtime",
    /\b(?:TypeError|RangeError|ReferenceError|SyntaxError|Cannot read propert|is not a function|is not iterable)\b/,
  ],
];

const envelope = v.strictObject({
  error: v.strictObject({
    code: v.picklist(Object.keys(faultCodes) as FaultCode[]),
    message: v.pipe(v.string(), v.minLength(10), v.maxLength(1_000)),
    details: v.optional(v.record(v.string(), v.unknown())),
    retryable: v.boolean(),
    request_id: v.pipe(v.string(), v.uuid()),
  }),
});

export type ErrorBody = v.InferOutput<typeof envelope>["error"];

interface Described {
  paths: { [path: string]: { [method: string]: { responses: { [status: string]: unknown } } } };
}

/** Throws, in words, when an answer is not what it must be. */
export interface Rules {
  /** Of every answer; `declared` are the statuses that the description lists. */
  always(exchange: Exchange): void;
  /** Of a refusal: its envelope. */
  refusal(exchange: Exchange): ErrorBody;
  /** Holds a value against a declared schema, unknown members included. */
  shape(schema: AnySchema, value: unknown): void;
}

export function createRules(described: Described, isSecret: (word: string) => boolean): Rules {
  const known = Object.entries(described.paths)
    .map(([path, methods]) => ({ methods, names: path.split("{").length, pattern: patternOf(path) }))
    .sort((left, right) => left.names - right.names);

  /** The statuses listed for the operation at a path, or null when there is none. */
  function listed({ method, path }: Exchange): string[] | null {
    const [where] = path.split("?") as [string];
    const found = known.find(({ pattern }) => pattern.test(where));
    const responses = found?.methods[method === "HEAD" ? "get" : method.toLowerCase()]?.responses;
    return responses === undefined ? null : Object.keys(responses);
  }

  return {
    always(exchange) {
      const { method, path, status, text, ms } = exchange;
      demand(status < 500, `a ${status}`);
      demand(ms < SLOWEST_MS, `it took ${Math.round(ms)} ms`);
      const statuses = listed(exchange) ?? OUTSIDE;
      const nowhere = status === 404 && (method === "HEAD" || text.includes('"There is nothing at '));
      const described = method === "OPTIONS" ? ["204", "404"] : statuses;
      demand(
        nowhere || described.includes(String(status)),
        `${method} ${path.slice(0, 80)} is not described with ${status}, but with ${described}`,
      );
      for (const [what, pattern] of ownWords)
        demand(!pattern.test(text), `${what} in the body: ${pattern.exec(text)?.[0]}`);
      if (status !== 201) demand(!(text.match(/[\w-]{12,}/g) ?? []).some(isSecret), "a secret in the body");
      demand(exchange.headers.get("x-request-id") !== null, "no request id");
    },
    refusal({ status, headers, text }) {
      demand(headers.get("content-type") === "application/json; charset=utf-8", "an error that is no JSON");
      const { error } = v.parse(envelope, JSON.parse(text));
      demand(faultCodes[error.code].status === status, `${error.code} came with the status ${status}`);
      demand(faultCodes[error.code].retryable === error.retryable, "retryable is not that of the code");
      demand(error.request_id === headers.get("x-request-id"), "two request ids");
      if (status === 405) demand(headers.get("allow") !== null, "405 without Allow");
      if (status === 401) demand(headers.get("www-authenticate") !== null, "401 without WWW-Authenticate");
      return error;
    },
    shape(schema, value) {
      const parsed = v.safeParse(schema, value);
      demand(parsed.success, `not of the declared shape: ${parsed.issues?.[0].message}`);
      // Objects drop members that they do not declare, so a difference is such a member; records drop two names for their own safety.
      const [whole, known] = [canonical(value, RECORD_DROPS), canonical(parsed.output, RECORD_DROPS)];
      demand(whole === known, `more than is declared: ${whole} instead of ${known}`.slice(0, 2_000));
    },
  };
}

/** What advice looks like: a refusal must say what to send instead, or name the field. */
export function isHelpful({ message, details }: ErrorBody, operation: Operation): boolean {
  if (
    /\b(send|leave|choose|remove|encode|did you mean|the most is|the least is|deeper than|beyond 2\^53)\b/.test(message)
  )
    return true;
  return details?.field !== undefined || Object.keys(operation.input.entries).some((field) => message.includes(field));
}

/** JSON text in which the order of members says nothing, without members of these names. */
export function canonical(value: unknown, without: readonly string[] = []): string {
  return JSON.stringify(value, (_, inner) => {
    if (typeof inner !== "object" || inner === null || Array.isArray(inner)) return inner;
    const members = Object.entries(inner).filter(([name]) => !without.includes(name));
    return Object.fromEntries(members.sort(([left], [right]) => (left < right ? -1 : 1)));
  });
}

function patternOf(path: string): RegExp {
  const parts = path.split(/\{[^}]+\}/).map((part) => part.replace(/[.*+?^$()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${parts.join("[^/]+")}/?$`);
}

export function demand(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise);
}
