/**
 * Requests that are wrong in one way each, with the answer they must get: the same list for the server in memory and for real ones. What only a raw
 * socket can send is not here.
 */
import type { FaultCode } from "../../core/ports/fault.ts";
import { brokenBodies } from "./broken_bodies.ts";
import { NOWHERE, publish, type Row, type Scene, type Sent } from "./broken_request.ts";

export interface BrokenRequest {
  name: string;
  send(scene: Scene): Sent;
  code: FaultCode;
  /** What the message must say. */
  says: RegExp;
}

const show = (token: (scene: Scene) => Record<string, string>, id?: (scene: Scene) => string) => (scene: Scene) => ({
  method: "GET",
  path: `/v1/channels/${id === undefined ? scene.public.id : id(scene)}`,
  headers: token(scene),
});

const owner = (scene: Scene) => ({ "X-Publish-Token": scene.public.publish_token });

const follow =
  (query: string, headers: Record<string, string> = {}) =>
  (scene: Scene) => ({
    method: "GET",
    path: `/v1/public/${scene.public.id}${query}`,
    headers,
  });

const idsAndCursors: Row[] = [
  ...[
    "7",
    NOWHERE.toUpperCase(),
    `${NOWHERE}0`,
    NOWHERE.replaceAll("-", ""),
    "'%20OR%201=1",
    "%22%3E%3Cscript%3E",
    "a".repeat(3_000),
  ].map(
    (id): Row => [
      `the channel id ${id.slice(0, 40)}`,
      show(owner, () => id),
      "invalid_input",
      /channel_id is ".*send the channel's id as a lower-case UUID/,
    ],
  ),
  ["a path that is no percent-encoding", show(owner, () => "%ZZ"), "invalid_input", /percent-encoding/],
  ["a path that is no UTF-8", show(owner, () => "%ff%fe"), "invalid_input", /percent-encoding; encode it as UTF-8/],
  [
    "a Last-Event-ID that is no id",
    follow("", { "Last-Event-ID": "7; DROP TABLE" }),
    "invalid_input",
    /last_event_id is "7; DROP TABLE".*send/,
  ],
  ["a cursor that is no id", follow("?after=yesterday"), "invalid_input", /after is "yesterday".*send/],
  ["a beginning that is none", follow("?from=latest"), "invalid_input", /from is "latest"/],
  [
    "a query field given twice",
    follow("?from=earliest&from=earliest"),
    "invalid_input",
    /from is given twice; send it once/,
  ],
  [
    "a query field that nobody knows",
    follow("?form=earliest"),
    "invalid_input",
    /"form" is unknown; did you mean from\?/,
  ],
  ["a query field __proto__", follow("?__proto__=1"), "invalid_input", /__proto__ is not allowed/],
  ["a field of the path in the query", follow(`?channel_id=${NOWHERE}`), "invalid_input", /channel_id is given twice/],
  [
    "a limit that is no number",
    (scene) => internal(scene, "?limit=1e3"),
    "invalid_input",
    /limit is "1e3"; send a number/,
  ],
  [
    "a limit that is too great",
    (scene) => internal(scene, "?limit=1001"),
    "invalid_input",
    /limit is 1001, the most is 1000/,
  ],
  [
    "time to live in the query that is no number",
    publish("done", { "Content-Type": "text/plain" }, "?ttl_seconds=soon"),
    "invalid_input",
    /ttl_seconds is "soon"; send a number/,
  ],
];

const internal = (scene: Scene, query: string, token = scene.internalToken) => ({
  method: "GET",
  path: `/internal/v1/channels/${scene.public.id}/messages${query}`,
  headers: { Authorization: `Bearer ${token}` },
});

const tokens: Row[] = [
  ["no token", show(() => ({})), "unauthorized", /publish token is missing; send it as the header X-Publish-Token/],
  ["a token that is none", show(() => ({ "X-Publish-Token": "secret" })), "unauthorized", /malformed; send the pub_/],
  [
    "a token with a wrong letter",
    show(({ public: own }) => ({ "X-Publish-Token": misspelt(own.publish_token) })),
    "unauthorized",
    /malformed/,
  ],
  [
    "a token of another kind",
    show(
      (scene) => ({ "X-Publish-Token": scene.private.read_token! }),
      ({ private: own }) => own.id,
    ),
    "unauthorized",
    /malformed; send the pub_/,
  ],
  ["a token of another channel", show(owner, (scene) => scene.private.id), "not_found", /There is no channel/],
  [
    "a token of a deleted channel",
    show(
      (scene) => ({ "X-Publish-Token": scene.deleted.publish_token }),
      ({ deleted }) => deleted.id,
    ),
    "not_found",
    /There is no channel/,
  ],
  ["a channel that never was", show(owner, () => NOWHERE), "not_found", /There is no channel 0190163d/],
  [
    "no read token",
    ({ private: own }) => ({ method: "GET", path: `/v1/private/${own.id}` }),
    "unauthorized",
    /read token is missing; send it as the header X-Read-Token or Authorization/,
  ],
  [
    "a publish token for reading",
    ({ private: own }) => ({
      method: "GET",
      path: `/v1/private/${own.id}`,
      headers: { "X-Read-Token": own.publish_token },
    }),
    "unauthorized",
    /read token is malformed/,
  ],
  [
    "the wrong word for the visibility",
    ({ private: own }) => ({
      method: "GET",
      path: `/v1/public/${own.id}`,
      headers: { "X-Read-Token": own.read_token! },
    }),
    "not_found",
    /There is no channel/,
  ],
  [
    "no internal token",
    (scene) => ({ ...internal(scene, ""), headers: {} }),
    "unauthorized",
    /internal token is missing; send it as Authorization/,
  ],
  ["a wrong internal token", (scene) => internal(scene, "", "wrong"), "unauthorized", /internal token is wrong/],
  [
    "a grant for a public channel",
    ({ public: own }) => ({ ...publish("{}")({ public: own } as Scene), path: `/v1/channels/${own.id}/read-grants` }),
    "conflict",
    /is public/,
  ],
  [
    "a grant that never was",
    ({ private: own }) => ({
      method: "POST",
      path: `/v1/channels/${own.id}/read-grants/${NOWHERE}/revoke`,
      headers: { "X-Publish-Token": own.publish_token },
    }),
    "not_found",
    /There is no grant/,
  ],
];

function misspelt(token: string): string {
  return token.slice(0, -1) + (token.endsWith("A") ? "B" : "A");
}

const paths: Row[] = [
  [
    "the wrong method",
    () => ({ method: "PUT", path: "/v1/channels" }),
    "method_not_allowed",
    /PUT is not possible at this path; use OPTIONS, POST/,
  ],
  ["GET where only POST is", () => ({ method: "GET", path: "/mcp" }), "method_not_allowed", /use OPTIONS, POST/],
  [
    "an unknown path",
    () => ({ method: "GET", path: "/admin.php?id=1%27" }),
    "not_found",
    /nothing at \/admin.php; see \/reference/,
  ],
  [
    "a path with encoded slashes",
    () => ({ method: "GET", path: "/v1%2fchannels/..%2f..%2fetc%2fpasswd" }),
    "not_found",
    /see \/reference/,
  ],
  ["a path of slashes", () => ({ method: "GET", path: "/v1//channels" }), "not_found", /see \/reference/],
  ["a path of 6,000 letters", () => ({ method: "GET", path: `/${"a".repeat(6_000)}` }), "not_found", /see \/reference/],
  ["an unknown visibility", () => ({ method: "GET", path: `/v1/secret/${NOWHERE}` }), "not_found", /see \/reference/],
];

/** Every case of the list; each is refused with the envelope. */
export const brokenRequests: readonly BrokenRequest[] = [...brokenBodies, ...idsAndCursors, ...tokens, ...paths].map(
  ([name, send, code, says]) => ({ name, send, code, says }),
);

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
  [
    "100,000 levels",
    `{"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": ${"[".repeat(100_000)}${"]".repeat(100_000)}}}`,
    /64 levels/,
  ],
  ["a lone surrogate", '{"jsonrpc": "2.0", "id": "\\ud800", "method": "ping"}', /surrogate/],
  ["the opening of a later protocol", '{"jsonrpc": "2.0", "id": 1, "method": "server/discover"}', /initialize/],
];
