/** What the queue mode says of itself: the shape of a job, and the manual with its tour. */
import type { DataMode } from "../../kernel/capability.ts";
import { jsonSchema } from "../../kernel/json_schema.ts";
import { jobSchema } from "./job.ts";

const ABOUT = `A queue hands work from those who have it to those who do it. Whoever has something to be done puts a job into a queue; workers claim jobs, do
them, and acknowledge them. A worker is anything that can send an HTTP request or call an MCP tool: a script, a server, an agent.

Every job is done at least once. Whoever claims a job gets a lease: for a while nobody else gets the job. When the lease is over and the worker has said
nothing, the job comes back, to the next claim or by itself within some seconds; after \`max_attempts\` claims (5 unless you say otherwise) it is dead and
waits for a person. The \`lease_token\` of the claim goes with everything that a worker says of its job. It counts, even a little after the lease, until
somebody else has claimed the job or it has come back or ended, so that finished work is not wasted; from then on it changes nothing, and the worker is
told so (409).

## A tour

Put a job into the queue \`mail\`. A queue exists from its first job on.

\`\`\`sh
curl -X POST "$BASE/queue/mail" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"payload": {"to": "ada@example.org", "template": "welcome"}, "max_attempts": 2}'
\`\`\`

\`\`\`json
{"id": "$JOB", "state": "waiting", "visible_at": "…", "deduplicated": null}
\`\`\`

Claim it, for a minute. With \`wait_seconds\` the request waits for a job when there is none.

\`\`\`sh
curl -X POST "$BASE/queue/mail/claim" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"limit": 1, "visibility_timeout_seconds": 60, "wait_seconds": 10}'
\`\`\`

\`\`\`json
{"jobs": [{"id": "$JOB", "payload": {"to": "ada@example.org", "template": "welcome"}, "attempt": 1, "max_attempts": 2,
  "lease_token": "$LEASE", "lease_expires_at": "…", "priority": 0, "group": null, "created_at": "…"}]}
\`\`\`

The work takes longer: extend the lease. The answer also tells whether somebody wants the job cancelled.

\`\`\`sh
curl -X POST "$BASE/queue/mail/$JOB/extend" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"lease_token": "'"$LEASE"'", "visibility_timeout_seconds": 120}'
\`\`\`

\`\`\`json
{"id": "$JOB", "lease_expires_at": "…", "cancel_requested": false}
\`\`\`

It cannot be done now: give it back. Without \`delay_seconds\` it rests longer after each attempt.

\`\`\`sh
curl -X POST "$BASE/queue/mail/$JOB/nack" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"lease_token": "'"$LEASE"'", "delay_seconds": 0, "error": "The mail server does not answer"}'
\`\`\`

\`\`\`json
{"id": "$JOB", "state": "waiting", "visible_at": "…", "already": false}
\`\`\`

The lease went with that. Acknowledging the job with it is refused, and changes nothing.

\`\`\`sh
curl -X DELETE "$BASE/queue/mail/$JOB" \\
  -H "Authorization: Bearer $TOKEN" -H "X-Lease-Token: $LEASE"
\`\`\`

\`\`\`json
{"error": {"code": "conflict", "message": "Cannot acknowledge the job …", "details": {"job_id": "$JOB", "reason": "lease_lost"}, "…": "…"}}
\`\`\`

The second attempt is the last that this job has.

\`\`\`sh
curl -X POST "$BASE/queue/mail/claim" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"jobs": [{"id": "$JOB", "attempt": 2, "lease_token": "$SECOND_LEASE", "…": "…"}]}
\`\`\`

\`\`\`sh
curl -X POST "$BASE/queue/mail/$JOB/nack" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"lease_token": "'"$SECOND_LEASE"'", "error": "There is no such address"}'
\`\`\`

\`\`\`json
{"id": "$JOB", "state": "dead", "visible_at": null, "already": false}
\`\`\`

Look at what died, and bring it back with the payload put right.

\`\`\`sh
curl "$BASE/queue/mail/dead" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"jobs": [{"id": "$JOB", "state": "dead", "error": "There is no such address", "…": "…"}], "next_cursor": null}
\`\`\`

\`\`\`sh
curl -X POST "$BASE/queue/mail/redrive" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"ids": ["'"$JOB"'"], "payload": {"to": "ada@example.com", "template": "welcome"}}'
\`\`\`

\`\`\`json
{"redriven": 1, "ids": ["$JOB"]}
\`\`\`

\`\`\`sh
curl -X POST "$BASE/queue/mail/claim" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"jobs": [{"id": "$JOB", "payload": {"to": "ada@example.com", "template": "welcome"}, "attempt": 1, "lease_token": "$THIRD_LEASE", "…": "…"}]}
\`\`\`

Done: leave a result with the acknowledgement. Without one, \`DELETE\` with the header \`X-Lease-Token\` does it too.

\`\`\`sh
curl -X POST "$BASE/queue/mail/$JOB/ack" \\
  -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" \\
  -d '{"lease_token": "'"$THIRD_LEASE"'", "result": {"sent": true}}'
\`\`\`

\`\`\`json
{"id": "$JOB", "state": "done", "already": false, "cancel_requested": false}
\`\`\`

Whoever put it there asks for the result, waiting for it up to 20 seconds.

\`\`\`sh
curl "$BASE/queue/mail/$JOB?wait=20" -H "Authorization: Bearer $TOKEN"
\`\`\`

\`\`\`json
{"id": "$JOB", "state": "done", "result": {"sent": true}, "attempt": 1, "redrives": 1, "…": "…"}
\`\`\`

## How to write a worker

1. Claim with \`wait_seconds\`, and claim again when the list is empty. No pause is needed: the server waits for you.
2. For each job do the work. When it may take longer than the lease, extend the lease while half of it is left.
3. Acknowledge, or give the job back with the error. On a 409 stop and discard: the job has come back, and somebody else may have it.
4. What you do elsewhere may be done twice, when a worker dies between the work and its acknowledgement. Make it repeatable. \`attempt\` is no fence: a redrive begins anew at 1. What tells one claim from all others is its \`lease_token\`.

Claim up to 100 at once, and send what is done as \`acks\` with the next claim (or with \`POST /queue/:namespace/ack\`): a hundred cost hardly more than one.

## Order, groups and duplicates

- Jobs of greater \`priority\` come first, among their like those that came due first.
- Jobs with the same \`group\` come in the order in which they come due, whatever their priority: without a delay that is the order in which they were put in, and one with a delay takes its place
  when that is over, behind those that were put in meanwhile. They come one at a time, or as many at once as the queue's \`group_concurrency\` says; a change of it holds at once, and what runs goes on. A job that is to be tried again
  keeps its place, and its group waits for it. Other groups go on meanwhile.
- With a \`dedup_key\` a job of the same key that has not ended decides: \`drop\` drops the new one, \`replace\` puts it in the place of the one that waits, \`one-more-after-running\` lets one more run after the one that is running, so that the last change is never lost. With \`dedup_window_seconds\` the key also drops for a while after its job has ended, which makes a repeated request safe.

## Times

\`delay_seconds\` or \`visible_at\` put a job off. All times are those of the database's clock. A failed job rests for \`backoff_seconds\` (1), then \`backoff_factor\` (2) times as long after each
further attempt, up to \`backoff_most_seconds\` (an hour), less up to a fifth by chance.

Schedules put a job in again and again: \`PUT /queue-schedules/:namespace/:name\` with \`cron\` and \`time_zone\`. Each tick makes one job, however many servers there are; ticks that were missed while none
ran are made up for by one. Where clocks change, a time that is named (\`30 2 * * *\`) ticks once a day: in spring at the first moment after the hour that is left out, in autumn at the first of the
two. Expressions with \`*\` or a step in minutes or hours go by real time.

## Limits

| what | most |
|---|---|
| payload, result | 262,144 bytes of JSON each |
| progress | 16,384 bytes of JSON |
| jobs in one request | 1,000, in 8 MiB |
| jobs of one claim | 100 |
| lease | 12 hours, to be extended |
| wait | 30 seconds |
| delay | 10 years |

Done and cancelled jobs are kept for a day, dead ones for 14 days; \`PATCH /queue/:namespace\` changes that and more. What was
purged cannot be had back, so purging wants the queue's name typed again.
`;

export const mode: DataMode = {
  name: "queue",
  root: "/queue",
  shape: jsonSchema(jobSchema, "output"),
  note: "Jobs for workers to claim, with leases, retries, dead letters, groups and schedules.",
  manual: ABOUT,
};
