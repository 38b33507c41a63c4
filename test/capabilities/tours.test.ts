/** Every step of every mode's manual works as printed, in order, with the real curl against a real server. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilities } from "../../core/capabilities/mod.ts";
import { modesAmong } from "../../core/faces/docs/manual.ts";
import { type ServerProcess, startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, type TestDatabase, testServer } from "../support/test_database.ts";
import { differenceOf, type Known, runStep, stepsOf } from "../support/tour.ts";

const TOKEN = "the-service-token-of-the-tours";
const STEP_MS = 30_000;
/** curl's word for "the time is over", which is how a tour leaves an endless stream. */
const TIME_IS_OVER = 28;

const test = suite("the tours of the manuals");

let server: ServerProcess;
let database: TestDatabase | null = null;
let directory: Awaited<ReturnType<typeof temporaryDirectory>>;

test.before(async () => {
  directory = await temporaryDirectory();
  database = testServer === null ? null : await createTestDatabase(testServer);
  const env = { ...database?.env, DATASTORE_TOKEN: TOKEN };
  server = await startServerProcess({ dataDir: join(directory.path, "data"), env });
});

test.after(async () => {
  await server.end("SIGTERM");
  await database?.drop();
  await directory.remove();
});

const modes = modesAmong(capabilities);

test("each data mode has one", () => {
  assert.equal(modes.map(({ mode }) => mode.name).sort(), ["document", "file", "queue", "sql"]);
  for (const { name, mode } of modes) assert.ok(stepsOf(mode.manual).length >= 5, `${name} has no tour worth the name`);
});

for (const { name, mode } of modes) {
  test(`${name}: every step works as printed`, async () => {
    const own = join(directory.path, name);
    await mkdir(own);
    const known: Known = new Map([
      ["BASE", server.url],
      ["TOKEN", TOKEN],
    ]);
    const steps = stepsOf(mode.manual);
    for (const [index, { commands, printed }] of steps.entries()) {
      const { code, output, errors } = await runStep(commands, { directory: own, known, ms: STEP_MS });
      const shown = `step ${index + 1} of ${steps.length}\n${commands}\nprinted\n${output}\n${troubleIn(errors)}`;
      const isOver = code === TIME_IS_OVER && commands.includes("--max-time");
      assert.ok(code === 0 || isOver, `${shown}\nand ended with code ${code}`);
      const difference = printed === null ? null : differenceOf(printed, output, known);
      assert.ok(difference === null, `${shown}\n${difference}`);
    }
    console.log(
      `${name}: ${steps.length} steps, ${steps.filter(({ printed }) => printed !== null).length} answers held`,
    );
  });
}

/** Without curl's account of its progress. */
function troubleIn(errors: string): string {
  return errors
    .split("\n")
    .filter((line) => /^(curl|bash):/.test(line))
    .join("\n");
}

const checks = suite("the check of a tour");

const differs = (kind: "json" | "text", text: string, output: string, known: Known = new Map()) =>
  differenceOf({ kind, text }, output, known);

checks("takes what the manual says, with … for anything", () => {
  assert.is(differs("json", '{"a": 1, "b": "…", "c": "x-…-z"}', '{"a":1,"b":[2],"c":"x-y-z"}'), null);
  assert.is(differs("json", '{"a": 1, "…": "…"}', '{"a":1,"b":2}'), null);
  assert.is(differs("json", '[1, "…"]', "[1]"), null);
  assert.is(differs("json", '[1, "…"]', "[1,2,3]"), null);
  assert.is(
    differs("text", "HTTP/1.1 200 OK\n…\nid,…\n1,2\n", "HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\nid,name\r\n1,2"),
    null,
  );
});

checks("refuses another value, a member more or less, another order and a missing line", () => {
  for (const [kind, text, output] of [
    ["json", '{"a": 1}', '{"a":2}'],
    ["json", '{"a": 1}', '{"a":"1"}'],
    ["json", '{"a": 1}', '{"a":1,"b":2}'],
    ["json", '{"a": 1, "b": "…"}', '{"a":1}'],
    ["json", '{"a": "x…"}', '{"a":"yx"}'],
    ["json", '{"a": "x…"}', '{"a":7}'],
    ["json", '{"a": null}', '{"a":{}}'],
    ["json", "[1, 2]", "[2,1]"],
    ["json", "[1, 2]", "[1,2,3]"],
    ["json", '[1, 2, "…"]', "[1]"],
    ["json", "{}", "<html>"],
    ["text", "a…c\n", "abcd"],
    ["text", "a\n…\nz\n", "a\nb"],
    ["text", "a\n", "a\nb"],
  ] as const)
    assert.ok(differs(kind, text, output) !== null, `${text} took ${output}`);
});

checks("keeps named values and holds later answers against them", () => {
  const known: Known = new Map([["BASE", "http://localhost:1"]]);
  assert.is(differs("json", '{"id": "$ID", "n": "$N"}', '{"id":"a b","n":7}', known), null);
  assert.equal([known.get("ID"), known.get("N")], ["a b", "7"]);
  assert.ok(differs("json", '{"id": "$ID"}', '{"id":"c"}', known) !== null);
  assert.is(differs("json", '{"url": "$BASE/files/$FILE"}', '{"url":"http://localhost:1/files/f1"}', known), null);
  assert.is(known.get("FILE"), "f1");
  assert.ok(differs("json", '{"a": "$FRESH", "b": "$FRESH"}', '{"a":1,"b":2}', known) !== null);
});

checks("wants a step before each answer", () => {
  assert.throws(() => stepsOf("Words.\n\n```json\n{}\n```\n"), /follows no sh block/);
  assert.throws(() => stepsOf("```sh\ntrue\n```\n\n```json\n{}\n```\n\n```json\n{}\n```\n"), /follows no sh block/);
});

test.run();
checks.run();
