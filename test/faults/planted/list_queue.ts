/** Faults in queues: leases, claims, attempts, waking, groups, schedules. */
import type { Planted } from "./plant.ts";

const CLAIM_SQL = "migrations/0008_queue_claim.sql";
const SETTLE_SQL = "migrations/0009_queue_settle.sql";
const fire = { scenario: "f22" };
const claiming = { test: "test/capabilities/queues_claim.test.ts" };
const managing = { test: "test/capabilities/queues_manage.test.ts" };
const schedules = { test: "test/capabilities/queues_schedules.test.ts" };

export const plantedInQueues: readonly Planted[] = [
  {
    name: "no lease check on ack",
    why: "a worker whose lease was over ends the job that another one is doing",
    edits: [
      {
        file: SETTLE_SQL,
        find: "\n      AND j.lease_token = in_tokens[array_position(in_ids, j.id)]\n    RETURNING j.*\n  ), kept AS (",
        replace: "\n    RETURNING j.*\n  ), kept AS (",
      },
    ],
    check: fire,
    sees: "stale effects",
  },
  {
    name: "claims without a lock",
    why: "two servers give the same job to two workers",
    edits: [
      {
        file: CLAIM_SQL,
        find: "LIMIT cardinality(in_tokens)\n    FOR UPDATE SKIP LOCKED\n",
        replace: "LIMIT cardinality(in_tokens)\n",
      },
    ],
    check: fire,
    sees: "jobs given out while another worker's lease was good",
  },
  {
    name: "attempts not counted at the claim",
    why: "a job that kills its workers is claimed for ever",
    edits: [
      {
        file: CLAIM_SQL,
        find: "attempt = j.attempt + 1, claimed_at = moment,",
        replace: "attempt = greatest(1, j.attempt), claimed_at = moment,",
      },
    ],
    check: fire,
    sees: "attempts given out twice",
  },
  {
    name: "a push wakes nobody",
    why: "whoever waits for jobs gets them a second late",
    edits: [
      {
        file: "core/capabilities/queues/push.ts",
        find: "  if (added) knockQueue(context, many.namespace);\n",
        replace: "  if (added) void knockQueue;\n",
      },
    ],
    check: claiming,
    sees: "answered as soon as a job is put in",
    quick: true,
  },
  {
    name: "claims wait without a look at the time",
    why: "a delayed job comes late to those who wait for it",
    edits: [
      {
        file: "core/capabilities/queues/claim.ts",
        find: "Math.max(dueInMs ?? left, REST_LEAST_MS)",
        replace: "Math.max(dueInMs === null ? left : left, REST_LEAST_MS)",
      },
      {
        file: "core/kernel/waiters.ts",
        find: "    for (const place of waiting) if (place.at === null) place.tell({ turn });\n",
        replace: "",
      },
    ],
    check: claiming,
    sees: "answered when a delayed job comes due",
    quick: true,
  },
  {
    name: "jobs of a caller who left are kept",
    why: "nobody works on them until their lease is over",
    edits: [
      {
        file: "core/capabilities/queues/claim.ts",
        find: "  if (nacks.length > 0) await context.database.queue.nack(USER, queue, nacks);\n",
        replace: "  void nacks;\n",
      },
    ],
    check: claiming,
    sees: "jobs whose caller goes away while they are claimed",
    quick: true,
  },
  {
    name: "purge without the name",
    why: "a slip empties a queue",
    edits: [
      {
        file: "core/capabilities/queues/control.ts",
        find: "  if (typed === queue) return;\n",
        replace: "  if (typed !== null) return;\n",
      },
    ],
    check: managing,
    sees: "purging wants the queue's name typed again",
    quick: true,
  },
  {
    name: "a new limit of groups waits for the next push",
    why: "more of a group run than its queue's settings say",
    edits: [
      {
        file: "core/ports/memory/queue/upkeep.ts",
        find: "  if (settings.groupConcurrency !== undefined) fit(rows, changed);\n",
        replace: "  void fit;\n",
      },
    ],
    check: managing,
    sees: "a change of group_concurrency holds at once",
    quick: true,
  },
  {
    name: "ended leases wait for a claim",
    why: "a job whose last worker fell silent runs for ever where nobody claims",
    edits: [
      {
        file: "core/capabilities/queues/duties.ts",
        find: "[tickSchedules, takeUp, expire]",
        replace: "[tickSchedules, expire, ...[takeUp].slice(1)]",
      },
    ],
    check: managing,
    sees: "a job that nobody claims any more",
    quick: true,
  },
  {
    name: "every missed tick is made up for",
    why: "after a night without a server a queue is flooded",
    edits: [
      {
        file: "core/capabilities/queues/duties.ts",
        find: "await database.queue.schedules.tick(schedule, nextOf(schedule, now));",
        replace: "await database.queue.schedules.tick(schedule, nextOf(schedule, schedule.nextAt ?? now));",
      },
    ],
    check: schedules,
    sees: "ticks that were missed are made up for by one",
    quick: true,
  },
  {
    name: "cron on the clock of UTC",
    why: "schedules tick an hour or more beside the clock on the wall",
    edits: [
      {
        file: "core/capabilities/queues/cron.ts",
        find: "new Cron(cron, { timezone: zone,",
        replace: 'new Cron(cron, { timezone: zone === "" ? zone : "UTC",',
      },
    ],
    check: schedules,
    sees: "spring",
    quick: true,
  },
];
