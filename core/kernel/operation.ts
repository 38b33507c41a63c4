/**
 * The shape of an operation: the one declaration that REST, SSE, MCP, OpenAPI, the reference and the tests read.
 * `call`, `feed`, `poll` and `page` only infer types; they register nothing.
 */
import type * as v from "valibot";
import type { FaultCode } from "../ports/fault.ts";
import type { AppName } from "../ports/host.ts";
import type { Json, JsonObject } from "../ports/json.ts";
import type { Context } from "./context.ts";
import type { CredentialKind } from "./credential.ts";
import type { Feed } from "./feed.ts";
import type { Settings } from "./settings.ts";

export type InputSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

export type AnySchema = v.GenericSchema;

/**
 * Who may call: anybody; the holder of a credential for the subject named by the input field `of` (with `optional`, a missing credential is the
 * handler's decision, a wrong one never is); or the holder of the configured internal token.
 */
export type Needs = "nobody" | CredentialNeed | "internal";

export interface CredentialNeed {
  credential: CredentialKind;
  of: string;
  optional?: true;
  /** A ticket in the query may stand in for the credential: for callers that can send no header. */
  ticket?: true;
  /** The query field that names further subjects: then several credentials may come, with commas between, each for one of the subjects. */
  several?: string;
}

/** A run-through for the reference and the tests. `$NAME` strings stand for values of earlier steps, for example `$CHANNEL_ID`. */
export interface Example {
  input: JsonObject;
  output: Json;
}

/** How a body is read. Left out: a JSON object of at most 64 KiB. */
export interface BodyRule {
  /** This input field takes a body of any other content type, byte for byte; the other fields then come from the query. */
  raw?: string;
  /** The most bytes read, for a JSON and for a raw body. */
  most(settings: Settings): { json: number; raw: number };
}

interface Declaration<I extends InputSchema> {
  /** One sentence in the imperative, for people and for models. */
  summary: string;
  /** What else a caller should know; plain text. */
  details?: string;
  /** "METHOD /path/:name", one or several; false: not on HTTP. */
  http: string | readonly string[] | false;
  /** "all" for what every process answers. Default by kind: page → site, feed → connections, call → rest. */
  app?: AppName | "all";
  needs: Needs;
  limit: "create" | "publish" | "other" | "unlimited";
  input: I;
  /** Input field → request header that may carry it on HTTP. */
  headers?: { [field: string]: string };
  /** Codes beyond those that every operation may answer. */
  faults?: readonly FaultCode[];
  examples?: readonly Example[];
}

interface CallDeclaration<I extends InputSchema, O extends AnySchema> extends Declaration<I> {
  /** The MCP tool's name; false: not a tool. */
  tool: string | false;
  /** What it does to data, for MCP hints. Default by method: GET → read, DELETE → destroy, else write. */
  effect?: "read" | "write" | "destroy";
  /** Repeating a write changes nothing more. */
  idempotent?: boolean;
  /** The answer carries text that others wrote. */
  openWorld?: boolean;
  body?: BodyRule;
  /** Status of success; default 200. */
  status?: 200 | 201;
  /** Another status that carries the same output, with what it means. */
  otherwise?: { status: number; words: string };
  output: O;
  handle(context: Context, input: v.InferOutput<I>): Promise<v.InferInput<O>>;
}

interface FeedDeclaration<I extends InputSchema, E extends AnySchema> extends Declaration<I> {
  /** Schema of each event's data. */
  event: E;
  /** The other form of the same URLs. */
  poll?: Poll;
  handle(context: Context, input: v.InferOutput<I>): Promise<Feed>;
}

/** One answer as JSON instead of a feed, when the query has `field`; with an input of its own, of which `field` is part. */
interface PollDeclaration<I extends InputSchema, O extends AnySchema>
  extends Pick<Declaration<I>, "summary" | "details" | "input" | "examples"> {
  field: string;
  output: O;
  handle(context: Context, input: v.InferOutput<I>): Promise<v.InferInput<O>>;
}

/** What a page operation answers. */
export interface Page {
  /** Media type with charset. */
  type: string;
  body: string;
}

interface PageDeclaration<I extends InputSchema> extends Declaration<I> {
  handle(context: Context, input: v.InferOutput<I>): Promise<Page>;
}

interface Named {
  /** Folder and export, for example "channels.publish". */
  name: string;
}

export type Poll = PollDeclaration<InputSchema, AnySchema>;
export type CallOperation = { kind: "call" } & CallDeclaration<InputSchema, AnySchema>;
export type FeedOperation = { kind: "feed" } & FeedDeclaration<InputSchema, AnySchema>;
export type PageOperation = { kind: "page" } & PageDeclaration<InputSchema>;
export type Declared = CallOperation | FeedOperation | PageOperation;
export type Operation = Declared & Named;

export function call<I extends InputSchema, O extends AnySchema>(declaration: CallDeclaration<I, O>): CallOperation {
  return { kind: "call", ...declaration } as unknown as CallOperation;
}

export function feed<I extends InputSchema, E extends AnySchema>(declaration: FeedDeclaration<I, E>): FeedOperation {
  return { kind: "feed", ...declaration } as unknown as FeedOperation;
}

export function poll<I extends InputSchema, O extends AnySchema>(declaration: PollDeclaration<I, O>): Poll {
  return declaration as unknown as Poll;
}

export function page<I extends InputSchema>(declaration: PageDeclaration<I>): PageOperation {
  return { kind: "page", ...declaration } as unknown as PageOperation;
}

/** The other form of a feed as an operation of its own, and the query field that asks for it; null when it has none. */
export function pollOf(operation: Operation): { field: string; operation: CallOperation & Named } | null {
  if (operation.kind !== "feed" || operation.poll === undefined) return null;
  const { field, ...form } = operation.poll;
  const { event: _, poll: __, details: ___, examples: ____, ...shared } = operation;
  const app = operation.app ?? defaultApps.feed;
  const name = `${operation.name}?${field}`;
  return { field, operation: { ...shared, app, ...form, name, kind: "call", tool: false } };
}

/** A method and path of an operation, with the apps that serve it. */
export interface Endpoint {
  method: string;
  /** With `:name` segments; a segment may limit its values: `:visibility{public|private}`. */
  path: string;
  app: AppName | "all";
}

const defaultApps = { call: "rest", feed: "connections", page: "site" } as const;

/** Where an operation answers on HTTP; the first endpoint is the one that documentation shows. */
export function endpointsOf(operation: Declared): Endpoint[] {
  if (operation.http === false) return [];
  const list = typeof operation.http === "string" ? [operation.http] : operation.http;
  return list.map((endpoint) => {
    const [method, path] = endpoint.split(" ") as [string, string];
    return { method, path, app: operation.app ?? defaultApps[operation.kind] };
  });
}

/** The `:names` of a path. */
export function namesIn(path: string): string[] {
  return Array.from(path.matchAll(/:([a-z_]+)/g), (match) => match[1]!);
}
