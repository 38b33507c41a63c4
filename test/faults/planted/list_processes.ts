/** Faults between processes: knocks, revocation, leases, credentials that are remembered. */
import type { Planted } from "./plant.ts";

const FOLLOW = "core/kernel/follow.ts";
const LISTENER = "adapters/postgres/listener.ts";
const contract = { test: "test/contracts/postgres.test.ts" };
const credential = { test: "test/kernel/credential.test.ts" };

export const plantedBetweenProcesses: readonly Planted[] = [
  {
    name: "revocation not propagated to other processes",
    why: "a stream that another process serves goes on after its grant was revoked",
    edits: [
      {
        file: "adapters/knock_gatherer.ts",
        find: "        if (sender !== self) tell(subjects);\n",
        replace:
          '        if (sender !== self) tell(subjects.filter?.((subject) => !subject.startsWith("credential/")) ?? subjects);\n',
      },
      { file: FOLLOW, find: "    await lookForRevoked();\n", replace: "    void lookForRevoked;\n" },
    ],
    check: { test: "test/runtimes/shared_database.test.ts" },
    sees: "revo",
  },
  {
    name: "revocation without a poll",
    why: "where a knock is lost a stream outlives its grant",
    edits: [{ file: FOLLOW, find: "    await lookForRevoked();\n", replace: "    void lookForRevoked;\n" }],
    check: { test: "test/kernel/answers.test.ts" },
    sees: "a revoked credential ends its readers by the poll",
    quick: true,
  },
  {
    name: "credentials remembered for an hour",
    why: "a token that has expired goes on working",
    edits: [
      {
        file: "core/kernel/credential.ts",
        find: "const CACHE = { maxAgeMs: 1_000, most: 10_000 };\n",
        replace: "const CACHE = { maxAgeMs: 3_600_000, most: 10_000 };\n",
      },
    ],
    check: credential,
    sees: "identify() refuses an expired token within a second",
    quick: true,
  },
  {
    name: "NOTIFY before the commit",
    why: "other processes look before there is anything to see, and then wait for the poll",
    edits: [
      {
        file: "core/kernel/append.ts",
        find: "  const appended = await database.journal.append(command);\n",
        replace:
          '  knocks.hand("journal/" + command.realm + "/" + command.subject, { previous: "", entries: [] });\n  const appended = await database.journal.append(command);\n',
      },
      {
        file: "core/kernel/append.ts",
        find: "  hand({ knocks }, command, appended);\n",
        replace: "  void hand;\n",
      },
    ],
    check: { test: "test/kernel/follow.test.ts" },
    sees: "what this process appends reaches its followers",
  },
  {
    name: "no waking after a re-LISTEN",
    why: "what was knocked while the connection was lost is heard by nobody",
    edits: [
      { file: LISTENER, find: "          options.listening();\n", replace: "          void options.listening;\n" },
    ],
    check: contract,
    sees: "bus, postgres",
  },
  {
    name: "no self-probe of the listener",
    why: "a connection that is dead without saying so stays deaf for ever",
    edits: [{ file: LISTENER, find: "          after(PROBE_MS, probe);\n", replace: "          void probe;\n" }],
    check: { test: "test/contracts/postgres_listener.test.ts" },
    sees: "given up once it is deaf",
  },
  {
    name: "leases taken by all who ask",
    why: "a duty runs on every process at once",
    edits: [
      {
        file: "adapters/postgres/leases.ts",
        find: "    WHERE l.expires_at <= millrace_now()\n    RETURNING l.name",
        replace: "    RETURNING l.name",
      },
    ],
    check: contract,
    sees: "lease() has one holder",
  },
];
