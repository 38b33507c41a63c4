/** Faults between rows and payload objects. */
import type { Planted } from "./plant.ts";

const MESSAGE = "core/capabilities/channels/message.ts";
const NEW_MESSAGE = "core/capabilities/channels/new_message.ts";
const DUTIES = "core/capabilities/channels/duties.ts";
const ORPHANS = "core/kernel/orphans.ts";
const payloads = { test: "test/capabilities/channels_payloads.test.ts" };
const crashes = { scenario: "f08" };

export const plantedInObjects: readonly Planted[] = [
  {
    name: "ack before PUT",
    why: "a crash leaves an acknowledged message without its payload",
    edits: [
      {
        file: NEW_MESSAGE,
        find: "    await context.objects.put(key, bytes).catch((error) => errors.push(error));\n",
        replace: "    setTimeout(() => context.objects.put(key, bytes).catch(() => undefined), 30);\n",
      },
    ],
    check: crashes,
    sees: "rows without their object",
  },
  {
    name: "sum check off",
    why: "damaged bytes are delivered as good ones",
    edits: [
      {
        file: MESSAGE,
        find: '  return bytes.length === blob.size && (await sumOf(bytes)) === blob.sha256 ? bytes : "corrupt";\n',
        replace: '  return bytes.length === blob.size ? bytes : "corrupt";\n',
      },
    ],
    check: { scenario: "f09" },
    sees: "corrupt payloads delivered as good",
  },
  {
    name: "a store that is away counts as a lost payload",
    why: "readers are told for good that a payload is missing which is there",
    edits: [
      {
        file: MESSAGE,
        find: '    throw new Fault("unavailable", "A payload cannot be fetched',
        replace:
          '    if (cause !== undefined) return "missing";\n    throw new Fault("unavailable", "A payload cannot be fetched',
      },
    ],
    check: payloads,
    sees: "a store that is away while it is read is said",
    quick: true,
  },
  {
    name: "object deleted before its row",
    why: "messages that still live lose their payloads",
    edits: [
      {
        file: DUTIES,
        find: "    const messages = await untilDone(signal, () => database.journal.expire(BATCH));\n",
        replace: `    const prefix = await objectPrefix({ database });
    for (const { key } of await objects.list(prefix, "", BATCH)) await objects.remove(key);
    const messages = await untilDone(signal, () => database.journal.expire(BATCH));
`,
      },
      {
        file: DUTIES,
        find: "  everyMs: 30_000,\n  async run({ database }, signal) {\n",
        replace: "  everyMs: 30_000,\n  async run({ database, objects }, signal) {\n",
      },
    ],
    check: crashes,
    sees: "live objects deleted",
  },
  {
    name: "orphans swept without a look at the rows",
    why: "the sweep deletes the payloads of messages that live",
    edits: [
      {
        file: ORPHANS,
        find: "new Set(old.length === 0 ? [] : await referenced(old));\n",
        replace: "new Set<string>();\n",
      },
    ],
    check: crashes,
    sees: "live objects deleted by the sweep",
  },
  {
    name: "orphans swept young",
    why: "an object whose row is about to be committed is deleted under it",
    edits: [
      {
        file: ORPHANS,
        find: "export const ORPHAN_MS = 3_600_000;\n",
        replace: "export const ORPHAN_MS = -3_600_000;\n",
      },
    ],
    check: crashes,
    sees: "live objects deleted by the sweep",
  },
  {
    name: "orphans never swept",
    why: "what a crash left between PUT and commit stays for ever",
    edits: [
      {
        file: ORPHANS,
        find: "      await objects.remove(key);\n      orphans += 1;\n",
        replace: '      orphans += key === "" ? 1 : 0;\n',
      },
    ],
    check: crashes,
    sees: "orphans after the sweep",
  },
  {
    name: "objects of expired messages forgotten",
    why: "payloads stay in the store when their messages have gone",
    edits: [
      {
        file: DUTIES,
        find: "        if (removed) gone.push(key);\n",
        replace: "        if (removed !== undefined) gone.push(key);\n",
      },
      {
        file: DUTIES,
        find: "        const removed = await objects.remove(key).then(\n",
        replace: "        const removed = await objects.head(key).then(\n",
      },
    ],
    check: crashes,
    sees: "the sweep did not come to after_remove",
  },
  {
    name: "put without a temporary file",
    why: "a crash leaves half an object under its key",
    edits: [
      {
        file: "adapters/disk.ts",
        find: "    const path = join(temporary, randomUUID());\n    try {\n      const { size, mtime } = await writeFile(path, body);\n",
        replace: `    const path = pathOf(root, key);
    try {
      await mkdir(dirname(path), { recursive: true });
      const { size, mtime } = await writeFile(path, body);
`,
      },
    ],
    check: { test: "test/contracts/disk.test.ts" },
    sees: "a process killed in the middle of a put leaves no object",
  },
];
