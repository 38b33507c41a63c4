/** What the data mode of documents says of itself: its record's shape, and the manual with a tour that a test runs. */
import type { DataMode } from "../../kernel/capability.ts";

const manual = `Documents are JSON values under a namespace and a key. Every put makes a new version; older ones stay in the document's history (the newest 1,000 of them) until it is deleted or its time is over. A namespace need not be made: it is there once something is put into it.

Numbers are kept exactly or refused, never rounded: integers beyond 2^53 and fractions with more digits than a double holds go as text. A document has at most 1 MiB of JSON unless the operator says otherwise, 64 levels and 10,000 members, those of the request around it counted.

## Put and get

\`\`\`sh
curl -X POST $BASE/document -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{"namespace":"tour","key":"milk","payload":{"what":"oat milk","litres":2,"done":false}}'
\`\`\`

\`\`\`json
{"namespace": "tour", "key": "milk", "version": 1, "payload": {"what": "oat milk", "litres": 2, "done": false}, "created_at": "…"}
\`\`\`

A file goes up as it is: the whole body is the payload, and \`ttl_seconds\` in the query lets it go by itself.

\`\`\`sh
curl -X PUT "$BASE/document/tour/bread?ttl_seconds=3600" -H "Authorization: Bearer $TOKEN" \\
  -d '{"what":"bread","done":false}'
\`\`\`

\`\`\`json
{"namespace": "tour", "key": "bread", "version": 1, "payload": {"what": "bread", "done": false}, "created_at": "…", "expires_at": "…"}
\`\`\`

\`\`\`sh
curl "$BASE/document/tour" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"documents": [{"key": "bread", "version": 1, "created_at": "…", "expires_at": "…"}, {"key": "milk", "version": 1, "created_at": "…"}], "next_cursor": null}
\`\`\`

## Change without losing what others write

A patch is merged into the newest version (RFC 7396): members are set, \`null\` removes one. Patches at the same time all take effect.

\`\`\`sh
curl -X PATCH $BASE/document/tour/milk -H "Authorization: Bearer $TOKEN" \\
  -H 'Content-Type: application/merge-patch+json' -d '{"done":true,"litres":null}'
\`\`\`

\`\`\`json
{"namespace": "tour", "key": "milk", "version": 2, "payload": {"what": "oat milk", "done": true}, "created_at": "…"}
\`\`\`

Put only what nobody else has changed: with \`if_version\`, or with the ETag of what you have read as \`If-Match\`. With \`If-None-Match: *\` a put only makes a document.

\`\`\`sh
curl -X POST $BASE/document -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{"namespace":"tour","key":"milk","payload":"mine","if_version":1}'
\`\`\`

\`\`\`json
{"error": {"code": "precondition_failed", "message": "…", "details": {"current_version": 2}, "…": "…"}}
\`\`\`

The version before is still there:

\`\`\`sh
curl "$BASE/document/tour/milk/history?payload=true" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"versions": [
  {"version": 2, "created_at": "…", "payload": {"what": "oat milk", "done": true}},
  {"version": 1, "created_at": "…", "payload": {"what": "oat milk", "litres": 2, "done": false}}
], "next_cursor": null}
\`\`\`

## Declare what a namespace holds

A JSON Schema is checked on every way in, and indexed fields can be filtered by. With \`dry_run=true\` the answer says which stored documents would not fit.

\`\`\`sh
curl -X PUT $BASE/document-namespaces/tour/schema -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' \\
  -d '{"schema":{"type":"object","required":["what"],"properties":{"done":{"type":"boolean"}}},"indexes":["done"]}'
\`\`\`

\`\`\`json
{"namespace": "tour", "schema": "…", "indexes": [{"field": "done", "ready": true}], "version": "…"}
\`\`\`

\`\`\`sh
curl "$BASE/document/tour?done=eq.true&payload=true" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"documents": [{"key": "milk", "version": 2, "created_at": "…", "payload": {"what": "oat milk", "done": true}}], "next_cursor": null}
\`\`\`

## Follow the changes

Every put and deletion is told in the namespace's feed, by the very transaction that carries it out. Without \`wait\` the same URL is a stream of Server-Sent Events; cursors, \`gap\`, \`reset\` and Last-Event-ID are those of a channel. Changes are held for 48 h.

\`\`\`sh
curl "$BASE/document-namespaces/tour/changes?from=earliest&limit=2&wait=0" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"changes": [
  {"id": "…", "version": 1, "key": "milk", "op": "put", "created_at": "…"},
  {"id": "…", "version": 1, "key": "bread", "op": "put", "created_at": "…", "expires_at": "…"}
], "next_cursor": "…", "timed_out": false}
\`\`\`

## Take everything along

\`\`\`sh
curl "$BASE/document-namespaces/tour/export" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`text
{"key":"bread","version":1,"created_at":"…","expires_at":"…","payload":{"what":"bread","done":false}}
{"key":"milk","version":2,"created_at":"…","payload":{"what":"oat milk","done":true}}
\`\`\`

What comes out goes in elsewhere; bad lines are told with their numbers, good ones are stored.

\`\`\`sh
printf '{"key":"eggs","payload":{"what":"eggs"}}\\n{"key":"salt","payload":{}}\\n' | curl -X POST --data-binary @- \\
  -H 'Content-Type: application/x-ndjson' -H "Authorization: Bearer $TOKEN" "$BASE/document-namespaces/tour/import"
\`\`\`

\`\`\`json
{"namespace": "tour", "lines_done": 2, "stored": 1, "kept": 0, "failed": 1, "errors": [{"line": 2, "error": "…what…"}]}
\`\`\`

A large file tells how far it is: with \`Accept: text/event-stream\` each stored batch is told while the rest goes up, and the answer comes last. What broke off goes on with \`skip_lines\`, the \`lines_done\` that was told.

\`\`\`sh
echo '{"key":"tea","payload":{"what":"tea"}}' > more.ndjson
curl -N -X POST -T more.ndjson -H 'Accept: text/event-stream' -H 'Content-Type: application/x-ndjson' \\
  -H "Authorization: Bearer $TOKEN" "$BASE/document-namespaces/tour/import"
\`\`\`

\`\`\`text
event: progress
data: {"lines_done":1,"stored":1,"kept":0,"failed":0}

event: result
data: {"namespace":"tour","lines_done":1,"stored":1,"kept":0,"failed":0,"errors":[]}
\`\`\`

## Delete

\`\`\`sh
curl -X DELETE $BASE/document/tour/milk -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"namespace": "tour", "key": "milk", "deleted": true, "version": 2}
\`\`\`
`;

export const mode: DataMode = {
  name: "document",
  root: "/document",
  note: "JSON documents under namespace and key, with versions, conditions, JSON Schema, filters and a feed of changes.",
  shape: {
    type: "object",
    required: ["namespace", "key", "version", "payload", "created_at"],
    properties: {
      namespace: { type: "string" },
      key: { type: "string" },
      version: { type: "integer", minimum: 1 },
      payload: {},
      created_at: { type: "string", format: "date-time" },
      expires_at: { type: "string", format: "date-time" },
    },
  },
  manual,
};
