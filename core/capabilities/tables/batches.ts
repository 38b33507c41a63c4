/** Bodies of CSV or NDJSON as batches of values with the line of each. */
import { parseJsonText, refuseUnsafe } from "../../kernel/json_text.ts";
import { linesOf } from "../../kernel/lines.ts";
import { Fault } from "../../ports/fault.ts";
import type { Json } from "../../ports/json.ts";
import { type CsvRecord, csvReader } from "./csv.ts";

/** Values that are written together, with the line on which each begins. */
export interface Batch {
  values: Json[];
  lines: number[];
}

/** A batch is full at so many values, or at so many characters. */
const BATCH_MOST = 1_000;
const BATCH_CHARACTERS = 1_048_576;
/** The most characters of one record or line. */
const LINE_MOST = 8_388_608;
/** The most bytes that a character, as JavaScript counts them, has in UTF-8. */
const CHARACTER_BYTES = 3;
const FIELDS_MOST = 1_000;

/** The text of a stream, piece by piece; throws `invalid_input` for bytes that are not UTF-8. */
async function* textOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoded = utf8();
  const reader = body.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      const text = decoded(value, { stream: !done });
      if (text !== "") yield text;
      if (done) return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Decodes bytes: all of them at once, or with `stream` as they come. */
function utf8(): (bytes: Uint8Array | undefined, how?: { stream: boolean }) => string {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return (bytes, how) => {
    try {
      return decoder.decode(bytes, how);
    } catch {
      throw new Fault("invalid_input", "Cannot import rows: the body is not valid UTF-8; send text encoded as UTF-8");
    }
  };
}

/** How a batch fills. */
function gatherer() {
  let batch: Batch = { values: [], lines: [] };
  let characters = 0;
  return {
    /** Adds a value; gives the batch when it is full. */
    add(value: Json, line: number, size: number): Batch | null {
      batch.values.push(value);
      batch.lines.push(line);
      characters += size;
      return batch.values.length >= BATCH_MOST || characters >= BATCH_CHARACTERS ? this.rest() : null;
    },
    /** What has gathered; null when there is nothing. */
    rest(): Batch | null {
      const full = batch;
      batch = { values: [], lines: [] };
      characters = 0;
      return full.values.length === 0 ? null : full;
    },
  };
}

/** The values of NDJSON: one line of JSON each; empty lines are passed over. */
export async function* ndjsonBatches(body: ReadableStream<Uint8Array>): AsyncGenerator<Batch> {
  const batches = gatherer();
  const decoded = utf8();
  for await (const { number, bytes } of linesOf(body, LINE_MOST * CHARACTER_BYTES)) {
    const text = bytes && decoded(bytes);
    if (text === null || text.length > LINE_MOST) throw badLine(number, `is longer than ${LINE_MOST} characters`);
    const full = text.trim() === "" ? null : batches.add(parsed(text, number), number, text.length);
    if (full !== null) yield full;
  }
  const rest = batches.rest();
  if (rest !== null) yield rest;
}

function parsed(text: string, line: number): Json {
  try {
    const value = parseJsonText(text, "it");
    refuseUnsafe(value);
    return value;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    if (error.code === "invalid_json") throw badLine(line, "is not valid JSON; send one JSON object in each line");
    throw badLine(line, `is not kept as it is: ${error.message}`);
  }
}

/** The records of CSV as objects by the names in its first line, which `namesOf` looks at first. Fields without a value are null. */
export async function* csvBatches(
  body: ReadableStream<Uint8Array>,
  namesOf: (header: readonly (string | null)[]) => readonly string[],
): AsyncGenerator<Batch> {
  const batches = gatherer();
  const csv = csvReader({ recordMost: LINE_MOST, fieldsMost: FIELDS_MOST });
  let names: readonly string[] | null = null;
  const taken = ({ line, fields }: CsvRecord): Batch | null => {
    if (names === null) {
      names = namesOf(fields);
      return null;
    }
    if (fields.length === 1 && fields[0] === null && names.length > 1) return null;
    if (fields.length !== names.length)
      throw badLine(line, `has ${fields.length} fields, and the first line names ${names.length} columns`);
    const size = fields.reduce((sum, field) => sum + (field?.length ?? 0), 0);
    return batches.add(Object.fromEntries(names.map((name, index) => [name, fields[index]!])), line, size);
  };
  const records: CsvRecord[] = [];
  for await (const text of textOf(body)) {
    const trouble = csv.push(text, records);
    for (const record of records.splice(0)) {
      const full = taken(record);
      if (full !== null) yield full;
    }
    if (trouble !== null) throw badLine(trouble.line, trouble.words);
  }
  const trouble = csv.end(records);
  if (trouble !== null) throw badLine(trouble.line, trouble.words);
  for (const record of records.splice(0)) {
    const full = taken(record);
    if (full !== null) yield full;
  }
  const rest = batches.rest();
  if (rest !== null) yield rest;
}

/** The fault for a line that cannot be read. */
export function badLine(line: number, words: string): Fault {
  return new Fault("invalid_input", `Cannot import rows: line ${line} ${words}`, { details: { line } });
}
