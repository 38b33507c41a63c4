/** Requests whose body is wrong: no JSON, fields that do not fit, and values that no store may keep. */
import { create, JSON_TYPE, NOWHERE, publish, type Row, type Scene } from "./broken_request.ts";
import { nested } from "./schema_values.ts";

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
  [
    "a form as the body",
    create("name=a&visibility=public", { "Content-Type": "application/x-www-form-urlencoded" }),
    "invalid_json",
    /send a JSON object/,
  ],
  ["a million open brackets", publish(`{"payload": ${"[".repeat(1_000_000)}`), "invalid_json", /send a JSON object/],
];

const fields: Row[] = [
  ["a missing field", create('{"visibility": "public"}'), "invalid_input", /name is missing; send a string/],
  ["a number for a text", create(channel({ name: 7 })), "invalid_input", /name is 7; send a string/],
  [
    "a text for a number",
    create(channel({ default_ttl_seconds: "60" })),
    "invalid_input",
    /default_ttl_seconds is "60"; send a number/,
  ],
  [
    "no choice of the list",
    create(channel({ visibility: "secret" })),
    "invalid_input",
    /visibility is "secret"; send "public" or "private"/,
  ],
  [
    "a fraction for a whole number",
    create(channel({ default_ttl_seconds: 1.5 })),
    "invalid_input",
    /default_ttl_seconds is 1.5; send a whole number/,
  ],
  [
    "a number that is too great",
    create(channel({ default_ttl_seconds: 172_801 })),
    "invalid_input",
    /default_ttl_seconds is 172801, the most is 172800/,
  ],
  [
    "a number that is too small",
    create(channel({ default_ttl_seconds: 0 })),
    "invalid_input",
    /default_ttl_seconds is 0, the least is 1/,
  ],
  [
    "a number beyond 2^53",
    create('{"name": "a", "visibility": "public", "default_ttl_seconds": 1e400}'),
    "invalid_input",
    /default_ttl_seconds.*2\^53/,
  ],
  ["a blank name", create(channel({ name: " " })), "invalid_input", /name is empty; send/],
  [
    "a name of two lines",
    create(channel({ name: "a\r\nSet-Cookie: b=c" })),
    "invalid_input",
    /name contains control characters; send/,
  ],
  [
    "a name that is too long",
    create(channel({ name: "x".repeat(201) })),
    "invalid_input",
    /name has 201 characters, the most is 200/,
  ],
  [
    "a field with a slip of the pen",
    create(channel({ nmae: "b" })),
    "invalid_input",
    /"nmae" is unknown; did you mean name\?/,
  ],
  [
    "a field that nobody knows",
    create(channel({ "'; DROP TABLE documents; --": 1 })),
    "invalid_input",
    /is unknown; send name, visibility/,
  ],
  ["a field named constructor", create(channel({ constructor: 1 })), "invalid_input", /"constructor" is unknown/],
  [
    "a list for an object",
    publish('{"payload": 1, "metadata": [1]}'),
    "invalid_input",
    /metadata is \[1\]; send an object/,
  ],
  ["no payload", publish("{}"), "invalid_input", /payload is missing; send/],
  [
    "a field of the path in the body",
    publish(`{"payload": 1, "channel_id": "${NOWHERE}"}`),
    "invalid_input",
    /channel_id stands in the path/,
  ],
  [
    "a grant that ends in the past",
    (scene) => grants(scene, { expires_at: "2001-01-01T00:00:00Z" }),
    "invalid_input",
    /expires_at is 2001.*send a future time/,
  ],
  [
    "a grant that ends on 30 February",
    (scene) => grants(scene, { expires_at: "2099-02-30T00:00:00Z" }),
    "invalid_input",
    /expires_at is "2099-02-30.*RFC 3339/,
  ],
];

const grants = (scene: Scene, body: object) => ({
  method: "POST",
  path: `/v1/channels/${scene.private.id}/read-grants`,
  headers: { "X-Publish-Token": scene.private.publish_token, ...JSON_TYPE },
  body: JSON.stringify(body),
});

const unsafe: Row[] = [
  ["U+0000 in a name", create(channel({ name: "a\u0000b" })), "invalid_input", /name contains the character U\+0000/],
  [
    "U+0000 in a payload",
    publish('{"payload": {"a": ["\\u0000"]}}'),
    "invalid_input",
    /payload\.a\.0 contains the character U\+0000/,
  ],
  ["U+0000 in a key", publish('{"payload": {"a\\u0000": 1}}'), "invalid_input", /U\+0000/],
  [
    "half of a surrogate pair",
    create('{"name": "\\ud83d", "visibility": "public"}'),
    "invalid_input",
    /name contains half of a surrogate pair/,
  ],
  ["half of a surrogate pair in a key", publish('{"payload": {"\\udc00": 1}}'), "invalid_input", /surrogate/],
  [
    "a field __proto__",
    create('{"name": "a", "visibility": "public", "__proto__": {"admin": true}}'),
    "invalid_input",
    /__proto__ is not allowed/,
  ],
  [
    "a key __proto__",
    publish('{"payload": {"a": {"__proto__": {"admin": true}}}}'),
    "invalid_input",
    /__proto__ is not allowed/,
  ],
  [
    "a number that would be rounded",
    publish('{"payload": 9007199254740993}'),
    "invalid_input",
    /payload is beyond 2\^53.*send it as a string/,
  ],
  [
    "a payload 65 levels deep",
    publish(JSON.stringify({ payload: nested(65) })),
    "invalid_input",
    /deeper than 64 levels; send a flatter one/,
  ],
  [
    "a payload 100,000 levels deep",
    publish(`{"payload": ${"[".repeat(100_000)}${"]".repeat(100_000)}}`),
    "invalid_input",
    /deeper than 64 levels/,
  ],
  [
    "more than 10,000 elements",
    publish(`{"payload": [${"0,".repeat(10_000)}0]}`),
    "invalid_input",
    /more than 10000 keys/,
  ],
  [
    "a body that is too large",
    create(channel({ description: "x".repeat(70_000) })),
    "too_large",
    /65536.*; send a smaller/,
  ],
  [
    "a payload that is too large",
    publish((scene) => "x".repeat(scene.payloadMaxBytes + 1), { "Content-Type": "text/plain" }),
    "too_large",
    /1048576.*; send a smaller/,
  ],
  [
    "metadata that is too large",
    publish(JSON.stringify({ payload: 1, metadata: { a: "x".repeat(20_000) } })),
    "too_large",
    /metadata has .* the most is 16384/,
  ],
  [
    "a compressed body",
    create("{}", { ...JSON_TYPE, "Content-Encoding": "gzip" }),
    "invalid_input",
    /Content-Encoding gzip.*send the body uncompressed/,
  ],
];

/** Every case whose body is wrong. */
export const brokenBodies: readonly Row[] = [...json, ...fields, ...unsafe];
