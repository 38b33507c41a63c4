/**
 * CSV as RFC 4180 has it. A field without quotes and with nothing in it is no value; one in quotes is text, also when it is empty: so what goes out comes back
 * as it was. Of our own, since the parsers there are keep no difference between the two, or want a runtime's buffers.
 */

/** One record: its fields, and the line of the text on which it begins. */
export interface CsvRecord {
  line: number;
  /** Null: nothing, without quotes. */
  fields: (string | null)[];
}

/** What is wrong with a text that is no CSV. */
export interface CsvTrouble {
  line: number;
  words: string;
}

export interface CsvReader {
  /** Takes the next piece of the text; what it completes comes out. Returns what is wrong, and then takes nothing more. */
  push(text: string, out: CsvRecord[]): CsvTrouble | null;
  /** The text has come to its end. */
  end(out: CsvRecord[]): CsvTrouble | null;
}

export interface CsvLimits {
  /** The most characters of one record. */
  recordMost: number;
  fieldsMost: number;
}

type State = "start" | "plain" | "quoted" | "quote";

/** Reads text that comes in pieces. Records end with CRLF, LF or CR; an empty line is a record of one field without a value. */
export function csvReader({ recordMost, fieldsMost }: CsvLimits): CsvReader {
  let state: State = "start";
  let fields: (string | null)[] = [];
  let field = "";
  let size = 0;
  let line = 1;
  let began = 1;
  let afterReturn = false;

  function endField(): void {
    fields.push(state === "start" ? null : field);
    field = "";
    state = "start";
  }

  function endRecord(out: CsvRecord[]): void {
    endField();
    out.push({ line: began, fields });
    fields = [];
    size = 0;
    began = line;
  }

  /** Takes one character that has a meaning where it stands; null: it was well there. */
  function take(character: string, out: CsvRecord[]): string | null {
    const isBreak = character === "\n" || character === "\r";
    if (isBreak && !(character === "\n" && afterReturn)) line += 1;
    const isSecond = character === "\n" && afterReturn;
    afterReturn = character === "\r";
    if (state === "quoted") {
      if (character === '"') state = "quote";
      else field += character;
      return null;
    }
    if (character === '"') {
      if (state === "plain")
        return 'has a " inside a field without quotes; put the field into quotes and double those inside';
      if (state === "quote") field += '"';
      state = "quoted";
      return null;
    }
    if (character === ",") endField();
    else if (isBreak) {
      if (isSecond) began = line;
      else endRecord(out);
    } else if (state === "quote") return 'has text after a closing "; double the quotes that belong to the field';
    else {
      state = "plain";
      field += character;
    }
    return fields.length > fieldsMost ? `has more than ${fieldsMost} fields` : null;
  }

  return {
    push(text, out) {
      for (let at = 0; at < text.length; ) {
        const run = plainRun(text, at, state);
        if (run > at) {
          field += text.slice(at, run);
          if (state === "start") state = "plain";
          afterReturn = false;
          size += run - at;
          at = run;
        } else {
          const wrong = take(text[at]!, out);
          if (wrong !== null) return { line, words: wrong };
          size += 1;
          at += 1;
        }
        if (size > recordMost) return { line: began, words: `is longer than ${recordMost} characters` };
      }
      return null;
    },
    end(out) {
      if (state === "quoted") return { line: began, words: 'opens a quote that nothing closes; end the field with "' };
      if (fields.length > 0 || state !== "start") endRecord(out);
      return null;
    },
  };
}

const PLAIN = /[^,"\r\n]*/y;
const QUOTED = /[^"\r\n]*/y;

/** Where the characters end that mean nothing but themselves. */
function plainRun(text: string, at: number, state: State): number {
  if (state === "quote") return at;
  const pattern = state === "quoted" ? QUOTED : PLAIN;
  pattern.lastIndex = at;
  pattern.exec(text);
  return pattern.lastIndex;
}

/** One record as a line. */
export function csvLine(fields: readonly (string | null)[]): string {
  return `${fields.map(csvField).join(",")}\r\n`;
}

function csvField(field: string | null): string {
  if (field === null) return "";
  return field === "" || /[",\r\n]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;
}
