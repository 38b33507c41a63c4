/**
 * Requests that are wrong in one way each, with the answer they must get: the same list for the server in memory and for real ones. What only a raw
 * socket can send is not here.
 */
import type { FaultCode } from "../../core/ports/fault.ts";
import type { CreatedChannel } from "./client.ts";
import { nested } from "./schema_values.ts";

/** What the requests may refer to; all of it exists. */
export interface Scene {
  public: CreatedChannel;
  private: CreatedChannel;
  deleted: CreatedChannel;
  internalToken: string;
  payloadMaxBytes: number;
}

export interface Sent {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
}

export interface BrokenRequest {
  name: string;
  send(scene: Scene): Sent;
  code: FaultCode;
  /** What the message must say. */
  says: RegExp;
}

const JSON_TYPE = { "Content-Type": "application/json" };
const NOWHERE = "0190163d-8694-439b-aea5-966c26f8ad91";
const utf8 = (text: string) => new TextEncoder().encode(text);

type Row = [name: string, send: (scene: Scene) => Sent, code: FaultCode, says: RegExp];

const create = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = JSON_TYPE) => () => ({
  method: "POST",
  path: "/v1/channels",
  headers,
  body: typeof body === "string" ? utf8(body) : body,
});

const publish =
  (body: string | ((scene: Scene) => string), headers: Record<string, string> = JSON_TYPE, query = "") =>
  (scene: Scene) => ({
    method: "POST",
    path: `/v1/channels/${scene.public.id}/publish${query}`,
    headers: { "X-Publish-Token": scene.public.publish_token, ...headers },
    body: utf8(typeof body === "string" ? body : body(scene)),
  });

const show = (token: (scene: Scene) => Record<string, string>, id?: (scene: Scene) => string) => (scene: Scene) => ({
  method: "GET",
  path: `/v1/channels/${id === undefined ? scene.public.id : id(scene)}`,
  headers: token(scene),
});

const owner = (scene: Scene) => ({ "X-Publish-Token": scene.public.publish_token });

const follow = (query: string, headers: Record<string, string> = {}) => (scene: Scene) => ({
  method: "GET",
  path: `/v1/public/${scene.public.id}${query}`,
  headers,
});

const channel = (fields: object) => JSON.stringify({ name: "a", visibility: "public", ...fields });

const json: Row[] = [
  ["a body that ends too early", create('{"name": "a"'), "invalid_json", /send a JSON object/],
  ["a trailing comma", create('{"name": "a",}'), "invalid_json", /send a JSON object/],
  ["single quotes", create("{'name': 'a'}"), "invalid_json", /send a JSON object/],
  ["NaN", create('{"name": NaN}'), "invalid_json", /send a JSON object/],
  ["two values", create("{}{}"), "invalid_json", /send a JSON object/],
  ["an empty body", create(""), "invalid_json", /empty; send/],
  ["a blank body", create(" \r\n\t "), "invalid_json", /empty; send/],
  ["bad UTF-8", create(Uint8Array.of(0x22, 0xc3, 0x28, 0x22)), "invalid_json", /UTF-8/],
  ["UTF-16", create(Uint8Array.of(0xff, 0xfe, 0x7b, 0, 0x7d, 0)), "invalid_json", /UTF-8/],
  ["an array as the body", create("[]"), "invalid_input", /an array; send a JSON object with name/],
  ["null as the body", create("null"), "invalid_input", /null; send a JSON object with name/],
  ["a number as the body", create("7"), "invalid_input", /a number; send a JSON object with name/],
  ["a text as the body", create('"name"'), "invalid_input", /a string; send a JSON object with name/],
  ["a form as the body", create("name=a&visibility=public", { "Content-Type": "application/x-www-form-urlencoded" }), "invalid_json", /send a JSON object/],
  ["a million open brackets", publish(`{"payload": ${"[".repeat(1_000_000)}`), "invalid_json", /send a JSON object/],
];

const fields: Row[] = [
  ["a missing field", create('{"visibility": "public"}'), "invalid_input", /name is missing; send a string/],
  ["a number for a text", create(channel({ name: 7 })), "invalid_input", /name is 7; send a string/],
  ["a text for a number", create(channel({ default_ttl_seconds: "60" })), "invalid_input", /default_ttl_seconds is "60"; send a number/],
  ["no choice of the list", create(channel({ visibility: "secret" })), "invalid_input", /visibility is "secret"; send "public" or "private"/],
  ["a fraction for a whole number", create(channel({ default_ttl_seconds: 1.5 })), "invalid_input", /default_ttl_seconds is 1.5; send a whole number/],
  ["a number that is too great", create(channel({ default_ttl_seconds: 172_801 })), "invalid_input", /default_ttl_seconds is 172801, the most is 172800/],
  ["a number that is too small", create(channel({ default_ttl_seconds: 0 })), "invalid_input", /default_ttl_seconds is 0, the least is 1/],
  ["a number beyond 2^53", create('{"name": "a", "visibility": "public", "default_ttl_seconds": 1e400}'), "invalid_input", /default_ttl_seconds.*2\^53/],
  ["a blank name", create(channel({ name: " " })), "invalid_input", /name is empty; send/],
  ["a name of two lines", create(channel({ name: "a\r\nSet-Cookie: b=c" })), "invalid_input", /name contains control characters; send/],
  ["a name that is too long", create(channel({ name: "x".repeat(201) })), "invalid_input", /name has 201 characters, the most is 200/],
  ["a field with a slip of the pen", create(channel({ nmae: "b" })), "invalid_input", /"nmae" is unknown; did you mean name\?/],
  ["a field that nobody knows", create(channel({ "'; DROP TABLE documents; --": 1 })), "invalid_input", /is unknown; send name, visibility/],
  ["a field named constructor", create(channel({ constructor: 1 })), "invalid_input", /"constructor" is unknown/],
  ["a list for an object", publish('{"payload": 1, "metadata": [1]}'), "invalid_input", /metadata is \[1\]; send an object/],
  ["no payload", publish("{}"), "invalid_input", /payload.*send text or any JSON value/],
  ["a field of the path in the body", publish(`{"payload": 1, "channel_id": "${NOWHERE}"}`), "invalid_input", /channel_id stands in the path/],
  ["a grant that ends in the past", (scene) => grants(scene, { expires_at: "2001-01-01T00:00:00Z" }), "invalid_input", /expires_at is 2001.*send a future time/],
  ["a grant that ends on 30 February", (scene) => grants(scene, { expires_at: "2099-02-30T00:00:00Z" }), "invalid_input", /expires_at is "2099-02-30.*RFC 3339/],
];

const grants = (scene: Scene, body: object) => ({
  method: "POST",
  path: `/v1/channels/${scene.private.id}/read-grants`,
  headers: { "X-Publish-Token": scene.private.publish_token, ...JSON_TYPE },
  body: JSON.stringify(body),
});

const unsafe: Row[] = [
  ["U+0000 in a name", create(channel({ name: "a\u0000b" })), "invalid_input", /name contains the character U\+0000/],
  ["U+0000 in a payload", publish('{"payload": {"a": ["\\u0000"]}}'), "invalid_input", /payload\.a\.0 contains the character U\+0000/],
  ["U+0000 in a key", publish('{"payload": {"a\\u0000": 1}}'), "invalid_input", /U\+0000/],
  ["half of a surrogate pair", create('{"name": "\\ud83d", "visibility": "public"}'), "invalid_input", /name contains half of a surrogate pair/],
  ["half of a surrogate pair in a key", publish('{"payload": {"\\udc00": 1}}'), "invalid_input", /surrogate/],
  ["a field __proto__", create('{"name": "a", "visibility": "public", "__proto__": {"admin": true}}'), "invalid_input", /__proto__ is not allowed/],
  ["a key __proto__", publish('{"payload": {"a": {"__proto__": {"admin": true}}}}'), "invalid_input", /__proto__ is not allowed/],
  ["a number that would be rounded", publish('{"payload": 9007199254740993}'), "invalid_input", /payload is beyond 2\^53.*send it as a string/],
  ["a payload 65 levels deep", publish(JSON.stringify({ payload: nested(65) })), "invalid_input", /deeper than 64 levels; send a flatter one/],
  ["a payload 100,000 levels deep", publish(`{"payload": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`), "invalid_input", /deeper than 64 levels/],
  ["more than 10,000 elements", publish(`{"payload": [${"0,".repeat(10_000)}0]}`), "invalid_input", /more than 10000 keys/],
  ["a body that is too large", create(channel({ description: "x".repeat(70_000) })), "too_large", /the most is 65536; send a smaller/],
  ["a payload that is too large", publish((scene) => "x".repeat(scene.payloadMaxBytes + 1), { "Content-Type": "text/plain" }), "too_large", /the most is 1048576; send a smaller/],
  ["metadata that is too large", publish(JSON.stringify({ payload: 1, metadata: { a: "x".repeat(20_000) } })), "too_large", /metadata has .* the most is 16384/],
  ["a compressed body", create("{}", { ...JSON_TYPE, "Content-Encoding": "gzip" }), "invalid_input", /Content-Encoding gzip.*send the body uncompressed/],
];

const idsAndCursors: Row[] = [
  ...["7", NOWHERE.toUpperCase(), `${NOWHERE}0`, NOWHERE.replaceAll("-", ""), "'%20OR%201=1", "%22%3E%3Cscript%3E", "a".repeat(3_000)].map(
    (id): Row => [`the channel id ${id.slice(0, 40)}`, show(owner, () => id), "invalid_input", /channel_id is ".*send the channel's id as a lower-case UUID/],
  ),
  ["a path that is no percent-encoding", show(owner, () => "%ZZ"), "invalid_input", /percent-encoding/],
  ["a path that is no UTF-8", show(owner, () => "%ff%fe"), "invalid_input", /percent-encoding; encode it as UTF-8/],
  ["a Last-Event-ID that is no id", follow("", { "Last-Event-ID": "7; DROP TABLE" }), "invalid_input", /last_event_id is "7; DROP TABLE".*send/],
  ["a cursor that is no id", follow("?after=yesterday"), "invalid_input", /after is "yesterday".*send/],
  ["a beginning that is none", follow("?from=latest"), "invalid_input", /from is "latest"/],
  ["a query field given twice", follow("?from=earliest&from=earliest"), "invalid_input", /from is given twice; send it once/],
  ["a query field that nobody knows", follow("?form=earliest"), "invalid_input", /"form" is unknown; did you mean from\?/],
  ["a query field __proto__", follow("?__proto__=1"), "invalid_input", /__proto__ is not allowed/],
  ["a field of the path in the query", follow(`?channel_id=${NOWHERE}`), "invalid_input", /channel_id is given twice/],
  ["a limit that is no number", (scene) => internal(scene, "?limit=1e3"), "invalid_input", /limit is "1e3"; send a number/],
  ["a limit that is too great", (scene) => internal(scene, "?limit=1001"), "invalid_input", /limit is 1001, the most is 1000/],
  ["time to live in the query that is no number", publish("done", { "Content-Type": "text/plain" }, "?ttl_seconds=soon"), "invalid_input", /ttl_seconds is "soon"; send a number/],
];

const internal = (scene: Scene, query: string, token = scene.internalToken) => ({
  method: "GET",
  path: `/internal/v1/channels/${scene.public.id}/messages${query}`,
  headers: { Authorization: `Bearer ${token}` },
});

const tokens: Row[] = [
  ["no token", show(() => ({})), "unauthorized", /publish token is missing; send it as the header X-Publish-Token/],
  ["a token that is none", show(() => ({ "X-Publish-Token": "secret" })), "unauthorized", /malformed; send the pub_/],
  ["a token with a wrong letter", show(({ public: own }) => ({ "X-Publish-Token": misspelt(own.publish_token) })), "unauthorized", /malformed/],
  ["a token of another kind", show((scene) => ({ "X-Publish-Token": scene.private.read_token! }), ({ private: own }) => own.id), "unauthorized", /malformed; send the pub_/],
  ["a token of another channel", show(owner, (scene) => scene.private.id), "not_found", /There is no channel/],
  ["a token of a deleted channel", show((scene) => ({ "X-Publish-Token": scene.deleted.publish_token }), ({ deleted }) => deleted.id), "not_found", /There is no channel/],
  ["a channel that never was", show(owner, () => NOWHERE), "not_found", /There is no channel 0190163d/],
  ["no read token", ({ private: own }) => ({ method: "GET", path: `/v1/private/${own.id}` }), "unauthorized", /read token is missing; send it as the header X-Read-Token or Authorization/],
  ["a publish token for reading", ({ private: own }) => ({ method: "GET", path: `/v1/private/${own.id}`, headers: { "X-Read-Token": own.publish_token } }), "unauthorized", /read token is malformed/],
  ["the wrong word for the visibility", ({ private: own }) => ({ method: "GET", path: `/v1/public/${own.id}`, headers: { "X-Read-Token": own.read_token! } }), "not_found", /There is no channel/],
  ["no internal token", (scene) => ({ ...internal(scene, ""), headers: {} }), "unauthorized", /internal token is missing; send it as Authorization/],
  ["a wrong internal token", (scene) => internal(scene, "", "wrong"), "unauthorized", /internal token is wrong/],
  ["a grant for a public channel", ({ public: own }) => ({ ...publish("{}")({ public: own } as Scene), path: `/v1/channels/${own.id}/read-grants` }), "conflict", /is public/],
  ["a grant that never was", ({ private: own }) => ({ method: "POST", path: `/v1/channels/${own.id}/read-grants/${NOWHERE}/revoke`, headers: { "X-Publish-Token": own.publish_token } }), "not_found", /There is no grant/],
];

function misspelt(token: string): string {
  return token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
}

const paths: Row[] = [
  ["the wrong method", () => ({ method: "PUT", path: "/v1/channels" }), "method_not_allowed", /PUT is not possible at this path; use OPTIONS, POST/],
  ["a method that nobody knows", () => ({ method: "BREW", path: "/healthz" }), "method_not_allowed", /BREW is not possible at this path; use GET/],
  ["GET where only POST is", () => ({ method: "GET", path: "/mcp" }), "method_not_allowed", /use OPTIONS, POST/],
  ["an unknown path", () => ({ method: "GET", path: "/admin.php?id=1%27" }), "not_found", /nothing at \/admin.php; see \/reference/],
  ["a path with encoded slashes", () => ({ method: "GET", path: "/v1%2fchannels/..%2f..%2fetc%2fpasswd" }), "not_found", /see \/reference/],
  ["a path of slashes", () => ({ method: "GET", path: "/v1//channels" }), "not_found", /see \/reference/],
  ["a path of 6,000 letters", () => ({ method: "GET", path: `/${"a".repeat(6_000)}` }), "not_found", /see \/reference/],
  ["an unknown visibility", () => ({ method: "GET", path: `/v1/secret/${NOWHERE}` }), "not_found", /see \/reference/],
];

/** Every case of the list; each is refused with the envelope. */
export const brokenRequests: readonly BrokenRequest[] = [
  ...json,
  ...fields,
  ...unsafe,
  ...idsAndCursors,
  ...tokens,
  ...paths,
].map(([name, send, code, says]) => ({ name, send, code, says }));

/** Bodies to `/mcp` that are no message, with what the error says; all are answered with 400. */
export const brokenMessages: readonly [name: string, body: string | Uint8Array<ArrayBuffer>, says: RegExp][] = [
  ["no JSON", "{", /not valid JSON/],
  ["nothing", "", /empty/],
  ["bad UTF-8", Uint8Array.of(0x22, 0xc3, 0x28, 0x22), /UTF-8/],
  ["a batch", "[]", /batch/],
  ["a number", "7", /no JSON object/],
  ["no version", '{"id": 1, "method": "ping"}', /"jsonrpc": "2.0"/],
  ["no method", '{"jsonrpc": "2.0", "id": 1}', /no method/],
  ["an id that is an object", '{"jsonrpc": "2.0", "id": {}, "method": "ping"}', /id must be/],
  ["a method that is a number", '{"jsonrpc": "2.0", "id": 1, "method": 7}', /method/],
  ["__proto__", '{"jsonrpc": "2.0", "id": 1, "method": "ping", "__proto__": {"a": 1}}', /__proto__/],
  ["100,000 levels", `{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}}`, /64 levels/],
  ["a lone surrogate", '{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', /surrogate/],
  ["the opening of a later protocol", '{"jsonrpc": "2.0", "id": 1, "method": "server/discover"}', /initialize/],
];
