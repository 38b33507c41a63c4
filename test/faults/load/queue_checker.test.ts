import { suite } from "uvu";
import * as assert from "uvu/assert";
import { checkQueue, type QueueFound } from "./queue_checker.ts";
import type { Claim, Ended, QueueHistory, Said, Task } from "./queue_history.ts";

const test = suite("the checker of queues");

const plain: Task = { task: "a", kind: "plain" };
const hopeless: Task = { task: "b", kind: "nacked" };
const inGroup = (place: number): Task => ({ task: `g${place}`, kind: "plain", group: "g", place });
const ofKey = (version: number): Task => ({ task: `k${version}`, kind: "plain", key: "k", version });

const claim = (job: string, attempt: number, at: number, task: Task = plain): Claim => ({
  event: "claim",
  job,
  attempt,
  task,
  sent: at - 5,
  at,
  leaseMs: 1_000,
});
const said = (event: Said["event"], job: string, attempt: number, sent: number, status = 200): Said[] => {
  const { task } = { 2: hopeless, 3: inGroup(1), 4: inGroup(2), 5: ofKey(1), 6: ofKey(3) }[job] ?? plain;
  const words = { event, job, task, attempt, sent };
  return [
    { ...words, status: 0 },
    { ...words, status },
  ];
};
const done = (id: string, attempt: number, payload: Task = plain): Ended => ({
  id,
  state: "done",
  attempt,
  max_attempts: 1_000,
  payload,
  result: { attempt },
});
const died = (id: string, attempt: number, payload: Task = hopeless): Ended => ({
  ...done(id, attempt, payload),
  state: "dead",
  max_attempts: 3,
  result: null,
});

/** Nothing is wrong with it: a job that failed once, one that was late, a group, a key, one that could not succeed. */
const good: QueueHistory = {
  pushed: [
    { id: "1", task: plain },
    { id: "2", task: hopeless },
    { id: "3", task: inGroup(1) },
    { id: "4", task: inGroup(2) },
    { id: "5", task: ofKey(1) },
    { id: "6", task: ofKey(2) },
    { id: "6", task: ofKey(3) },
  ],
  claims: [
    claim("1", 1, 100),
    claim("1", 2, 1_200),
    ...[1, 2, 3].map((attempt) => claim("2", attempt, attempt * 10, hopeless)),
    claim("3", 1, 100, inGroup(1)),
    claim("4", 1, 300, inGroup(2)),
    claim("5", 1, 100, ofKey(1)),
    claim("6", 1, 300, ofKey(3)),
  ],
  said: [
    ...said("extend", "1", 1, 500),
    ...said("ack", "1", 1, 1_300, 409),
    ...said("ack", "1", 2, 1_400),
    ...[1, 2, 3].flatMap((attempt) => said("nack", "2", attempt, attempt * 10 + 5)),
    ...said("ack", "3", 1, 200),
    ...said("ack", "4", 1, 400),
    ...said("ack", "5", 1, 200),
    ...said("ack", "6", 1, 400),
  ],
  ended: [
    done("1", 2),
    died("2", 3),
    done("3", 1, inGroup(1)),
    done("4", 1, inGroup(2)),
    done("5", 1, ofKey(1)),
    done("6", 1, ofKey(3)),
  ],
  left: { waiting: 0, running: 0 },
};

type Wrong = Exclude<keyof QueueFound, "refused" | "dead">;

/** Which lists are not empty. */
function wrongs(history: QueueHistory): Wrong[] {
  const { refused: _, dead: __, ...lists } = checkQueue(history);
  return Object.entries(lists).flatMap(([name, list]) => (list.length > 0 ? [name as Wrong] : []));
}

const without = (id: string) => good.ended.filter((job) => job.id !== id);

test("a history without faults has none, and what was refused is counted", () => {
  assert.equal(wrongs(good), []);
  const { refused, dead } = checkQueue(good);
  assert.equal([refused, dead], [1, 1]);
});

test("it sees a job that is nowhere, and one that has not ended", () => {
  assert.equal(wrongs({ ...good, ended: without("2") }), ["lost"]);
  // What was told that it is done was not.
  assert.equal(wrongs({ ...good, ended: without("1") }), ["lost", "stale"]);
  assert.equal(wrongs({ ...good, left: { running: 1 } }), ["stuck"]);
});

test("it sees a task that became two jobs", () => {
  assert.equal(wrongs({ ...good, ended: [...good.ended, done("9", 1)] }), ["doubled"]);
});

test("it sees a job that was given out while another worker's lease was good", () => {
  const early = good.claims.map((one) => (one.job === "1" && one.attempt === 2 ? { ...one, at: 600 } : one));
  assert.equal(wrongs({ ...good, claims: early }), ["shared"]);
});

test("it sees an attempt that was given out twice", () => {
  assert.equal(wrongs({ ...good, claims: [...good.claims, claim("1", 2, 5_000)] }), ["twice"]);
});

test("it sees an acknowledgement of a lease that was over", () => {
  const taken = [...good.said.filter(({ job }) => job !== "1"), ...said("ack", "1", 1, 1_300)];
  assert.equal(wrongs({ ...good, said: taken, ended: [...without("1"), done("1", 1)] }), ["stale"]);
  // Told that it was done, although another one was.
  assert.equal(wrongs({ ...good, said: [...good.said, ...said("ack", "1", 1, 1_300)] }), ["stale"]);
});

test("it sees a lease that was extended after it was over", () => {
  assert.equal(wrongs({ ...good, said: [...good.said, ...said("extend", "1", 1, 1_300)] }), ["stale"]);
});

test("a job that becomes another task by its key begins anew", () => {
  const claims = [...good.claims, claim("6", 1, 250, ofKey(2))];
  const nacked: Said[] = [{ event: "nack", job: "6", task: "k2", attempt: 1, sent: 260, status: 200 }];
  assert.equal(wrongs({ ...good, claims, said: [...good.said, ...nacked] }), []);
});

test("it sees a group that overtakes itself, and jobs of a key side by side", () => {
  const at = (job: string) => good.claims.map((one) => (one.job === job ? { ...one, at: 150 } : one));
  assert.equal(wrongs({ ...good, claims: at("4") }), ["disordered"]);
  assert.equal(wrongs({ ...good, claims: at("6") }), ["beside"]);
});

test("it sees a key whose last word was not done", () => {
  assert.equal(wrongs({ ...good, pushed: [...good.pushed, { id: "6", task: ofKey(4) }] }), ["forgotten"]);
});

test("it sees a death that should not have been, one too early, and one that was not", () => {
  assert.equal(wrongs({ ...good, ended: [...without("1"), died("1", 3, plain)] }), ["stale", "misjudged"]);
  assert.equal(wrongs({ ...good, ended: [...without("2"), died("2", 2)] }), ["misjudged"]);
  assert.equal(wrongs({ ...good, ended: [...without("2"), { ...done("2", 3, hopeless), result: null }] }), [
    "misjudged",
  ]);
});

test.run();
