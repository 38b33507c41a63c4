/**
 * The shape of an operation: the one declaration that REST, SSE, MCP, OpenAPI, the reference and the tests read.
 * `call`, `feed`, `poll`, `content` and `page` only infer types; they register nothing.
 */
import type * as v from "valibot";
import type { FaultCode } from "../ports/fault.ts";
import type { AppName } from "../ports/host.ts";
import type { Json, JsonObject } from "../ports/json.ts";
import type { Context } from "./context.ts";
import type { CredentialKind } from "./credential.ts";
import type { Feed } from "./feed.ts";
import type { Plan } from "./plan.ts";
import type { Access, Mode, Scope } from "./scope.ts";
import type { Settings } from "./settings.ts";

export type InputSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;

export type AnySchema = v.GenericSchema;

/**
 * Who may call: anybody; the holder of a credential for the subject named by the input field `of` (with `optional`, a missing credential is the
 * handler's decision, a wrong one never is); the holder of a token with a scope; or the holder of the configured internal token. `each`: its parts are
 * operations with needs of their own; a bearer that comes with it must be a token, and may be left out where no part needs it.
 */
export type Needs = "nobody" | CredentialNeed | ScopeNeed | "internal" | "each";

export interface ScopeNeed {
  scope: Mode;
  access: Access;
  /** The input field with the name that the scope must include. Left out: a scope that is limited to names does not do. */
  of?: string;
  /** An input field with a secret of what is asked for: who sends it needs no token, and whether it is right is the handler's decision. */
  unless?: string;
  /** Rights that some inputs need besides: to read what the answer shows though others wrote it, or to what is referred to. */
  also?: FurtherNeed;
}

/** `words` say when and which, for people; `scopes` are those of one input, held against the caller before it is handled. */
export interface FurtherNeed {
  words: string;
  scopes(input: Readonly<Record<string, unknown>>): readonly Scope[];
}

/** The need of a credential that belongs to one subject; null for any other. */
export function credentialNeedOf(needs: Needs): CredentialNeed | null {
  return typeof needs === "object" && "credential" in needs ? needs : null;
}

/** The need of a token with a scope; null for any other. */
export function scopeNeedOf(needs: Needs): ScopeNeed | null {
  return typeof needs === "object" && "scope" in needs ? needs : null;
}

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
  /** Examples that must have run before this one, beside those that give its names: operation and the example's place among its own. */
  after?: readonly (readonly [operation: string, example: number])[];
}

/** How a body is read. Left out: a JSON object of at most 64 KiB. Where the body is one field, the other fields come from the query. */
export interface BodyRule {
  /** This input field takes a body of any other content type, byte for byte. */
  raw?: string;
  /** The whole JSON body, of whatever type, is this input field. */
  whole?: string;
  /** A JSON body that is an array is this input field. */
  list?: string;
  /** This input field is the body as a `ReadableStream`, not read yet: its reader counts. */
  stream?: string;
  /** The most bytes read, for a JSON and for a raw body. */
  most?(settings: Settings): { json: number; raw: number };
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
  limit: "create" | "publish" | "data" | "other" | "unlimited";
  input: I;
  /** Input field → request header that may carry it on HTTP. */
  headers?: { [field: string]: string };
  /** Input fields that travel in the query although the request has a body. */
  query?: readonly string[];
  /** The input field, a list of texts, that takes each query pair of an undeclared name as `name=value`, in order. */
  rest?: string;
  /** Codes beyond those that every operation may answer. */
  faults?: readonly FaultCode[];
  examples?: readonly Example[];
}

/** How an operation takes part in a batch (see `faces/batch.ts`): with its own input, needs and words. */
export interface BatchForm<I extends InputSchema> {
  /** What it is called there, for example "document.put". */
  op: string;
  /** Input fields that have another name there; null: that a batch does not take. */
  fields?: { readonly [field: string]: string | null };
  /** What it is going to store, before any of it is. */
  plan(context: Context, input: v.InferOutput<I>): Promise<Plan<unknown>>;
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
  batch?: BatchForm<I>;
  /** Status of success; default 200. */
  status?: 200 | 201;
  /** Another status that carries the same output, with what it means. */
  otherwise?: { status: number; words: string };
  /** How far the work is, as the handler tells it by `context.progress`: faces that can, tell it on while the work goes on. */
  progress?: AnySchema;
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

/** What a content operation answers: bytes as they are. */
export interface Content {
  /** Default 200. */
  status?: number;
  /** `Content-Type` among them. */
  headers: Record<string, string>;
  body: ReadableStream<Uint8Array> | Uint8Array<ArrayBuffer> | string | null;
}

interface ContentDeclaration<I extends InputSchema> extends Declaration<I> {
  body?: BodyRule;
  /** The media type of the answer, for the documentation. */
  produces: string;
  handle(context: Context, input: v.InferOutput<I>): Promise<Content>;
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
export type ContentOperation = { kind: "content" } & ContentDeclaration<InputSchema>;
export type Declared = CallOperation | FeedOperation | PageOperation | ContentOperation;
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

export function content<I extends InputSchema>(declaration: ContentDeclaration<I>): ContentOperation {
  return { kind: "content", ...declaration } as unknown as ContentOperation;
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

/** How the operation reads a body. */
export function bodyRuleOf(operation: Declared): BodyRule | undefined {
  return operation.kind === "call" || operation.kind === "content" ? operation.body : undefined;
}

const defaultApps = { call: "rest", content: "rest", feed: "connections", page: "site" } as const;

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

/** The summary as it stands in "Cannot …": without capital and full stop. */
export function actionOf(operation: Declared): string {
  const { summary } = operation;
  return summary.charAt(0).toLowerCase() + summary.slice(1).replace(/\.$/, "");
}
