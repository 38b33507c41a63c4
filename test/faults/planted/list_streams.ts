/** Faults in how readers are served: joining, cursors, notices, memory. */
import type { Planted } from "./plant.ts";

const FEEDER = "core/kernel/feeder.ts";
const CATCH_UP = "core/kernel/catch_up.ts";
const FOLLOW = "core/kernel/follow.ts";
const feeder = { test: "test/kernel/feeder.test.ts" };
const follow = { test: "test/kernel/follow.test.ts" };
const answers = { test: "test/kernel/answers.test.ts" };

export const plantedInStreams: readonly Planted[] = [
  {
    name: "attach after replay",
    why: "what is published between the end of a reader's replay and its joining is missed",
    edits: [
      {
        file: CATCH_UP,
        find: "  if (!reader.sink.closed.aborted) options.join();\n",
        replace:
          "  await new Promise<void>((resolve) => setTimeout(resolve, 0));\n  if (!reader.sink.closed.aborted) options.join();\n",
      },
    ],
    check: feeder,
    sees: "whatever the interleaving of publishing and attaching",
    quick: true,
  },
  {
    name: "join before replay",
    why: "what is published while a reader catches up comes before what it is still to be given, or twice",
    edits: [
      {
        file: CATCH_UP,
        find: "  await replay(reader, { ...options, asksForAll });\n",
        replace: "  options.join();\n  await replay(reader, { ...options, asksForAll });\n",
      },
    ],
    check: feeder,
    sees: "whatever the interleaving of publishing and attaching",
  },
  {
    name: "no safety poll",
    why: "a reader that stays misses a message whose knock was lost for as long as nothing else is published",
    edits: [
      {
        file: FOLLOW,
        find: "    await lookAtSubjects().catch(report);\n",
        replace: "    void lookAtSubjects;\n",
      },
    ],
    check: follow,
    sees: "a lost knock costs a poll, not a message",
    quick: true,
  },
  {
    name: "Last-Event-ID ignored",
    why: "a reader that comes back misses what was published while it was away",
    edits: [
      {
        file: "core/capabilities/channels/read.ts",
        find: '  headers: { last_event_id: "Last-Event-ID" },\n',
        replace: "",
      },
    ],
    check: { test: "test/capabilities/channels_stream.test.ts" },
    sees: "a reader that breaks off and comes back misses nothing",
    quick: true,
  },
  {
    name: "gap swallowed",
    why: "history that is gone is skipped in silence",
    edits: [
      {
        file: "core/kernel/cursor.ts",
        find: "  if (after >= bounds.lostThrough) return null;\n",
        replace: "  if (after !== undefined) return null;\n",
      },
    ],
    check: { scenario: "f21" },
    sees: "readers told of a gap",
  },
  {
    name: "reset swallowed",
    why: "a reader from before a restore is told nothing and misses everything that was published since the backup",
    edits: [
      {
        file: "core/kernel/cursor.ts",
        find: "  return after > bounds.lastId || !(await journal.holds(realm, subject, after));\n",
        replace: "  return after > bounds.lastId && !(await journal.holds(realm, subject, after)) && false;\n",
      },
    ],
    check: { scenario: "f20" },
    sees: "readers from the future that saw a reset",
  },
  {
    name: "only cursors beyond the end are foreign",
    why: "once new messages are beyond a cursor from before a restore, its reader is told nothing any more",
    edits: [
      {
        file: "core/kernel/cursor.ts",
        find: "  return after > bounds.lastId || !(await journal.holds(realm, subject, after));\n",
        replace: "  return after > bounds.lastId;\n",
      },
    ],
    check: { scenario: "f20" },
    sees: "after new messages: readers from the future that saw a reset",
  },
  {
    name: "joined readers not told of what expired",
    why: "a message that expires before the feeder could read it is lost in silence",
    edits: [{ file: FEEDER, find: "    tellJoined(page, cursor);\n", replace: "    void tellJoined;\n" }],
    check: feeder,
    sees: "whoever has joined is told of messages that expired",
  },
  {
    name: "heartbeats off",
    why: "proxies end quiet streams, and dead peers are never noticed",
    edits: [
      {
        file: "core/kernel/answers.ts",
        find: "        else if (answer.beatAt <= now) {\n",
        replace: "        else if (answer.beatAt < 0) {\n",
      },
    ],
    check: answers,
    sees: "heartbeats come at their interval",
    quick: true,
  },
  {
    name: "slow reader unbounded",
    why: "one reader that takes nothing fills the memory of the process",
    edits: [
      {
        file: "core/kernel/reader.ts",
        find: "  if (queued - bytes.length > QUEUED_MAX_BYTES) sink.abort();\n",
        replace: "",
      },
    ],
    check: feeder,
    sees: "a reader with more than 1 MiB queued is dropped",
    quick: true,
  },
  {
    name: "catch-up without back-pressure",
    why: "a reader of a long history is written all of it at once, whatever it takes",
    edits: [
      {
        file: CATCH_UP,
        find: "    give(reader, chunk);\n    await drain(reader.sink, clock);\n",
        replace: "    give(reader, chunk);\n",
      },
    ],
    check: feeder,
    sees: "fed as fast as it takes",
  },
  {
    name: "handed over without regard to what came between",
    why: "what another process appended between two of this process is passed over",
    edits: [
      {
        file: FEEDER,
        find: "      if (previous !== at) {\n",
        replace: "      if (previous === null) {\n",
      },
    ],
    check: follow,
    sees: "what another process appended between two of this process",
    quick: true,
  },
  {
    name: "ring gives what has expired",
    why: "whoever comes back to a followed channel is given messages after their time",
    edits: [
      { file: "core/kernel/ring.ts", find: "        if (frame.until <= moment) return null;\n", replace: "" },
      {
        file: "core/kernel/ring.ts",
        find: "    while (start < frames.length && frames[start]!.until <= moment) dropOldest();\n",
        replace: "    void moment;\n",
      },
    ],
    check: { scenario: "f21" },
    sees: "expired messages delivered",
  },
  {
    name: "payload errors pass by",
    why: "a payload that cannot be fetched now is skipped, and the reader's cursor with it",
    edits: [
      {
        file: FEEDER,
        find: "      // The cursor stands before what could not be read; the look at all subjects comes back to it.\n",
        replace: "      head.cursor = (await options.bounds()).lastId;\n",
      },
    ],
    check: feeder,
    sees: "a payload that cannot be fetched now is delivered later",
  },
];
