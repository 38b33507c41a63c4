/** Every example that a declaration gives is run, and what it says it answers is what it answers. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { capabilities } from "../../core/capabilities/mod.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { type CallOperation, type Example, type Operation, pollOf } from "../../core/kernel/operation.ts";
import {
  type Answered,
  type ExampleScene,
  exampleScene,
  namesOf,
  stepsBefore,
  undeclared,
} from "../support/example_scene.ts";
import { openApp } from "../support/memory_app.ts";

const test = suite("examples");

const operations = operationsOf(capabilities);
const calls = operations.flatMap((operation): (CallOperation & Operation)[] => {
  if (operation.kind === "call") return [operation];
  const poll = pollOf(operation);
  return poll === null ? [] : [poll.operation];
});

/** What has to have happened before an answer can be the declared one, beyond what its input needs: operation and example. */
const history: Record<string, readonly [operation: string, example: number][]> = {
  "channels.messages": [["channels.publish", 1]],
  "channels.follow?wait": [["channels.publish", 1]],
  "channels.readMessages": [["channels.publish", 1]],
  "tables.get": [["tables.create", 0]],
  "tables.listTables": [["tables.create", 0]],
  "tables.alter": [["tables.create", 0]],
  "tables.drop": [["tables.create", 0]],
  "tables.insertRows": [["tables.create", 0]],
  "tables.listRows": [
    ["tables.create", 0],
    ["tables.insertRows", 0],
  ],
  "tables.updateRows": [
    ["tables.create", 0],
    ["tables.insertRows", 0],
  ],
  "tables.deleteRows": [
    ["tables.create", 0],
    ["tables.insertRows", 0],
  ],
  "tables.importRows": [["tables.create", 0]],
};

type Run = (scene: ExampleScene, operation: Operation, example: Example) => Promise<Answered>;

const ways: [words: string, possible: (operation: Operation) => boolean, run: Run][] = [
  [
    "over HTTP",
    (operation) => operation.http !== false,
    (scene, operation, example) => scene.overHttp(operation, example),
  ],
  ["through the corridor", () => true, (scene, operation, example) => scene.throughCorridor(operation, example)],
];

async function perform(operation: CallOperation & Operation, example: Example, run: Run): Promise<void> {
  const scene = await exampleScene();
  const steps = stepsBefore(example, operations, new Set(scene.bound.keys()));
  for (const [name, index] of [...(history[operation.name] ?? [])]) {
    const earlier = calls.find((candidate) => candidate.name === name)!;
    const step = earlier.examples![index]!;
    if (!steps.some(([, other]) => other === step)) steps.push([earlier, step]);
  }
  for (const [earlier, step] of [...steps, [operation, example] as const]) {
    const { status, value } = await run(scene, earlier, step).catch(
      (error: Error) => assert.unreachable(`${earlier.name}: ${error.message}`) as never,
    );
    assert.is(status, earlier.status ?? 200, `${earlier.name}: ${JSON.stringify(value)}`);
    scene.compare(step, value);
    const parsed = v.safeParse(earlier.output, value);
    assert.ok(parsed.success, `${earlier.name}: ${JSON.stringify(parsed.issues?.map(({ message }) => message))}`);
    assert.equal(undeclared(earlier.output, value), [], `${earlier.name} answers undeclared fields`);
  }
}

for (const operation of calls) {
  for (const [index, example] of (operation.examples ?? []).entries()) {
    for (const [words, possible, run] of ways) {
      if (possible(operation))
        test(`${operation.name}, example ${index + 1}, ${words}`, () => perform(operation, example, run));
    }
  }
}

test("every call has an example", () => {
  for (const operation of calls) assert.ok((operation.examples?.length ?? 0) > 0, `${operation.name} has no example`);
});

test("every example is declared in the fields of its operation", () => {
  for (const { name, input, output, examples } of calls) {
    for (const example of examples ?? []) {
      assert.equal(undeclared(input, example.input), [], name);
      assert.equal(undeclared(output, example.output), [], name);
      for (const given of namesOf(example)) assert.match(given, /^[A-Z_]+$/);
    }
  }
});

test("every event of a channel's stream is what the declaration says", async () => {
  const follow = operations.find(({ name }) => name === "channels.follow");
  if (follow?.kind !== "feed") return assert.unreachable("there is no feed channels.follow");
  const { client, events } = openApp({ settings: { payloadInlineMaxBytes: 8 } });
  const channel = await client.createChannel();
  for (const payload of ["small", "larger than inline", { a: 1 }, null])
    await client.publish(channel, payload, { metadata: { m: 1 } });
  const headers = { "X-Publish-Token": channel.publish_token, "Content-Type": "application/octet-stream" };
  await client.send("POST", `/v1/channels/${channel.id}/publish`, { raw: Uint8Array.from([255, 0]), headers });
  const reader = await events(`/v1/public/${channel.id}?from=earliest`);
  for (const { data } of await reader.until(5)) {
    const value = JSON.parse(data);
    assert.ok(v.safeParse(follow.event, value).success, data);
    assert.equal(undeclared(follow.event, value), []);
  }
  reader.close();
});

test.run();
