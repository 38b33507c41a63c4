/** Putting a file: the body of a request as it comes, or for a model a little text or base64 as an argument of its tool. */
import * as v from "valibot";
import { bytesStream, quote, whole } from "../../kernel/fields.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import { DOWNLOADS_MOST, fileFields, TTL_DEFAULT, TTL_MOST } from "./file.ts";
import { fileName, keptType, UNNAMED } from "./name.ts";
import { store } from "./stored.ts";

/** The most bytes of a file that comes as an argument of a tool. */
export const TOOL_MOST_BYTES = 262_144;

const about = {
  name: v.optional(fileName, UNNAMED),
  ttl_seconds: v.optional(whole(1, TTL_MOST, "How long the file is kept, in seconds", "30 days"), TTL_DEFAULT),
  max_downloads: v.optional(
    whole(1, DOWNLOADS_MOST, "How often the file may be downloaded; left out: any number of times until it expires"),
  ),
};

const common = {
  needs: { scope: "files", access: "write" },
  limit: "data",
  status: 201,
  output: v.object({
    ...fileFields,
    url: v.pipe(
      v.string(),
      v.description(
        "Where to download and to delete the file, with its secret: whoever has it needs no token. Shown once",
      ),
    ),
  }),
  faults: ["too_large", "timeout"],
} as const;

const shown = {
  id: "$FILE_ID",
  name: "notes.txt",
  content_type: "text/plain",
  size: 6,
  sha256: "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03",
  created_at: "$TIME",
  expires_at: "$TIME",
  max_downloads: 3,
  url: "$FILE_URL",
};

export const put = call({
  ...common,
  summary: "Put a temporary file.",
  details:
    "The body is the file, byte for byte, as it comes: its size need not be known before, and it is never held in memory. A 201 means that all of it is on disk. `curl -T file URL/files/temp/` puts a file under its own name. With X-Content-SHA256 it is only stored if the bytes have that sum. The answer's url holds the file's secret. Each caller has a quota over all its files; a file that is larger than the limit or does not fit is refused while it comes in, and nothing of it stays.",
  http: ["POST /files/temp", "PUT /files/temp", "PUT /files/temp/:name"],
  tool: false,
  input: v.strictObject({
    bytes: bytesStream("The file"),
    ...about,
    content_type: v.optional(
      v.pipe(
        v.string(),
        v.maxLength(300),
        v.description(
          "What the bytes are; kept where it is a type that no browser runs, such as text/plain, image/png or video/mp4",
        ),
      ),
    ),
    content_sha256: v.optional(
      v.pipe(
        v.string(),
        v.regex(/^[0-9a-f]{64}$/, (issue) => `is ${quote(issue.input)}; send 64 lower-case hex digits`),
        v.description("SHA-256 that the bytes must have, lower-case hex"),
      ),
    ),
  }),
  headers: { content_type: "Content-Type", content_sha256: "X-Content-SHA256" },
  body: { stream: "bytes", most: ({ fileMaxBytes }) => ({ json: fileMaxBytes, raw: fileMaxBytes }) },
  examples: [
    {
      input: { bytes: "hello\n", name: "notes.txt", content_type: "text/plain", ttl_seconds: 3600, max_downloads: 3 },
      output: shown,
    },
  ],
  handle: (context, { bytes, name, content_type, ttl_seconds, max_downloads, content_sha256 }) =>
    store(context, {
      bytes,
      name,
      contentType: keptType(content_type),
      ttlSeconds: ttl_seconds,
      maxDownloads: max_downloads ?? null,
      sha256: content_sha256,
    }),
});

export const putSmall = call({
  ...common,
  summary: "Put a small temporary file.",
  details: `For text, or bytes as base64, of at most ${TOOL_MOST_BYTES / 1_024} KiB; larger files go over HTTP. The answer's url holds the file's secret: whoever has it can download and delete the file.`,
  http: false,
  tool: "file_temp_put",
  input: v.strictObject({
    content: v.pipe(
      v.string(),
      v.maxLength(TOOL_MOST_BYTES * 2, `is too long; the most is ${TOOL_MOST_BYTES} bytes`),
      v.description("The file: text, or base64 with encoding base64"),
    ),
    encoding: v.optional(v.picklist(["text", "base64"]), "text"),
    ...about,
    content_type: v.optional(
      v.pipe(v.string(), v.maxLength(300), v.description("What the content is, for example text/csv")),
    ),
  }),
  examples: [
    {
      input: { content: "hello\n", name: "notes.txt", content_type: "text/plain", max_downloads: 3 },
      output: shown,
    },
  ],
  async handle(context, { content, encoding, name, content_type, ttl_seconds, max_downloads }) {
    const bytes = encoding === "text" ? new TextEncoder().encode(content) : fromBase64(content);
    if (bytes.length > TOOL_MOST_BYTES) throw tooLong(bytes.length);
    return store(context, {
      bytes: new Blob([bytes]).stream(),
      name,
      contentType: keptType(content_type ?? (encoding === "text" ? "text/plain" : undefined)),
      ttlSeconds: ttl_seconds,
      maxDownloads: max_downloads ?? null,
      sha256: undefined,
    });
  },
});

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new Fault(
      "invalid_input",
      `Cannot put a small temporary file: content is ${quote(text)}, which is not base64; send base64, or leave encoding out`,
      { details: { field: "content" } },
    );
  }
}

function tooLong(size: number): Fault {
  return new Fault(
    "too_large",
    `Cannot put a small temporary file: content has ${size} bytes, the most is ${TOOL_MOST_BYTES}; put it over HTTP, by curl -T file URL/files/temp/`,
    { details: { field: "content", limit_bytes: TOOL_MOST_BYTES } },
  );
}
