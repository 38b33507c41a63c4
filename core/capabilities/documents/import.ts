/** Import of NDJSON: read as it comes, stored in batches of which each is a unit, so that memory stays flat however much there is. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { bytesStream, quote, whole } from "../../kernel/fields.ts";
import { parseJson, refuseUnsafe } from "../../kernel/json_text.ts";
import { type Line, linesOf } from "../../kernel/lines.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { type Batch, storeBatch } from "./import_batch.ts";
import { namespace, type Settings, settingsOf } from "./namespace.ts";
import { refuseMisfit } from "./plan.ts";
import { expiresAt, expiryFrom, key, payload, refuseLarge, ttlSeconds } from "./record.ts";

const BATCH_LINES = 200;
const BATCH_BYTES = 1_048_576;
/** After so many lines it is told how far the import is, though few of them are stored. */
const TOLD_LINES = 1_000;
/** An import that is atomic is one unit. */
const ATOMIC_LINES = 1_000;
const ATOMIC_BYTES = 4_194_304;
/** No more are told of one import; all are counted. */
const ERRORS_TOLD = 100;

const lineSchema = v.object({
  key,
  payload,
  expires_at: v.optional(v.nullable(expiresAt)),
  ttl_seconds: v.optional(ttlSeconds),
});

const input = v.strictObject({
  namespace,
  lines: bytesStream(
    "NDJSON: on each line an object with key and payload, and expires_at or ttl_seconds if wanted; other members of an export are passed over",
  ),
  skip_lines: v.optional(
    whole(
      0,
      Number.MAX_SAFE_INTEGER,
      "Pass over so many lines at the beginning: lines_done of an answer that broke off",
    ),
    0,
  ),
  existing: v.optional(
    v.pipe(
      v.picklist(["replace", "keep"]),
      v.description("What becomes of a document that is there: replace makes a new version, keep passes over the line"),
    ),
    "replace",
  ),
  atomic: v.optional(
    v.pipe(v.boolean(), v.description("true: all lines or none; at most 1,000 lines and 4 MiB")),
    false,
  ),
});

export type ImportInput = v.InferOutput<typeof input>;

const counts = {
  lines_done: v.pipe(v.number(), v.description("How many lines were read, those skipped too")),
  stored: v.pipe(v.number(), v.description("How many documents were put")),
  kept: v.pipe(v.number(), v.description("How many lines were passed over, since their document was there")),
  failed: v.pipe(v.number(), v.description("How many lines were not taken")),
};

const output = v.object({
  namespace: v.string(),
  ...counts,
  errors: v.pipe(
    v.array(v.object({ line: v.number(), error: v.string() })),
    v.description(`Why, for the first ${ERRORS_TOLD} of them`),
  ),
});

type Report = v.InferOutput<typeof output>;

export const importLines = call({
  summary: "Import documents from NDJSON.",
  details:
    "The body is read while it is stored, in batches of up to 200 lines; nothing bounds its length. Good lines are stored and bad ones told with their numbers; with atomic=true a bad line refuses all. If the database goes away in between, the error's details say lines_done: send the same again with skip_lines, or with existing=keep. Every line is checked against the namespace's schema and told in its feed of changes.",
  http: "POST /document-namespaces/:namespace/import",
  tool: false,
  needs: { scope: "documents", access: "write", of: "namespace" },
  limit: "data",
  input,
  body: { stream: "lines" },
  progress: v.object(counts),
  output,
  faults: ["too_large", "conflict"],
  examples: [
    {
      input: { namespace: "orders", lines: '{"key":"1","payload":{"status":"open"}}\n{"key":"2"}\n' },
      output: {
        namespace: "orders",
        lines_done: 2,
        stored: 1,
        kept: 0,
        failed: 1,
        errors: [{ line: 2, error: "payload is missing" }],
      },
    },
  ],
  async handle(context, input) {
    const report: Report = { namespace: input.namespace, lines_done: 0, stored: 0, kept: 0, failed: 0, errors: [] };
    try {
      await run(context, input, report);
    } catch (error) {
      // Lines that were to be skipped were done before, however few of them have been read.
      const lines_done = Math.max(report.lines_done, input.skip_lines);
      throw withProgress(error, input.atomic ? null : { ...report, lines_done });
    }
    return report;
  },
});

async function run(context: Context, input: ImportInput, report: Report): Promise<void> {
  let settings = await settingsOf(context, input.namespace);
  let batch: Batch = { items: [], bytes: 0, lines: 0 };

  async function store(): Promise<void> {
    if (batch.items.length > 0) {
      const { stored, kept, errors } = await storeBatch(context, input, { batch, settings });
      report.stored += stored;
      report.kept += kept;
      for (const error of errors) fail(report, error.line, error.error);
    }
    report.lines_done = batch.lines;
    context.progress(countsOf(report));
    batch = { items: [], bytes: 0, lines: batch.lines };
    settings = await settingsOf(context, input.namespace);
  }

  const most = context.settings.documentMaxBytes + 16_384;
  for await (const line of linesOf(input.lines, most)) {
    batch.lines = line.number;
    if (line.number > input.skip_lines) take(context, { line, settings, batch, report });
    if (input.atomic) refuseAtomic(report, batch);
    else if (isFull(batch) || line.number >= report.lines_done + TOLD_LINES) await store();
  }
  if (batch.lines > report.lines_done) await store();
}

function isFull({ items, bytes }: Batch): boolean {
  return items.length >= BATCH_LINES || bytes >= BATCH_BYTES;
}

/** Adds the line's document to the batch, or what is wrong with it to the report; an empty line is neither. */
function take(
  context: Context,
  { line, settings, batch, report }: { line: Line; settings: Settings; batch: Batch; report: Report },
): void {
  if (line.bytes !== null && isBlank(line.bytes)) return;
  try {
    if (line.bytes === null) throw new Fault("too_large", "is longer than a document may be");
    const { key, payload, expires_at, ttl_seconds } = parseLine(line.bytes);
    refuseLarge(payload, context.settings);
    refuseMisfit(payload, settings);
    const expiresAt = expiryFrom({ expires_at: expires_at ?? undefined, ttl_seconds }, context.clock.now());
    batch.items.push({ line: line.number, key, payload, expiresAt });
    batch.bytes += line.bytes.length;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    fail(report, line.number, error.message.replace(/^Cannot put the document: /, ""));
  }
}

function parseLine(bytes: Uint8Array) {
  const value = parseJson(bytes, "the line");
  refuseUnsafe(value);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Fault("invalid_input", `is ${quote(value)}; send an object with key and payload`);
  for (const field of ["key", "payload"])
    if (!Object.hasOwn(value, field)) throw new Fault("invalid_input", `${field} is missing`);
  const parsed = v.safeParse(lineSchema, value, { abortEarly: true });
  if (parsed.success) return { ...parsed.output, payload: value.payload! };
  const [issue] = parsed.issues;
  throw new Fault("invalid_input", `${v.getDotPath(issue) ?? "the line"} ${issue.message}`);
}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 32 || byte === 9 || byte === 13);
}

function fail(report: Report, line: number, error: string): void {
  report.failed += 1;
  if (report.errors.length < ERRORS_TOLD) report.errors.push({ line, error: error.slice(0, 500) });
}

function refuseAtomic(report: Report, batch: Batch): void {
  const [first] = report.errors;
  if (first !== undefined)
    throw new Fault("invalid_input", `Nothing was stored: line ${first.line}: ${first.error}`, {
      details: { line: first.line },
    });
  if (batch.items.length <= ATOMIC_LINES && batch.bytes <= ATOMIC_BYTES) return;
  throw new Fault(
    "too_large",
    `Nothing was stored: with atomic=true an import has at most ${ATOMIC_LINES} lines and ${ATOMIC_BYTES} bytes; leave atomic out`,
    { details: { limit_bytes: ATOMIC_BYTES } },
  );
}

function countsOf({ lines_done, stored, kept, failed }: Report) {
  return { lines_done, stored, kept, failed };
}

/** What broke off an import says how far it came. */
function withProgress(error: unknown, report: Report | null): unknown {
  if (!(error instanceof Fault) || report === null) return error;
  return new Fault(error.code, `${error.message} (${report.lines_done} lines were done before)`, {
    details: { ...error.details, ...countsOf(report) },
    headers: error.headers,
    ...(error.cause === undefined ? {} : { cause: error.cause }),
  });
}
