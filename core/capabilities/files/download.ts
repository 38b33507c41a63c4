/**
 * Downloading a file. What counts as one download: a GET that is answered with the first byte. A file with a limit is always sent whole, since a part of it
 * would be a way around the limit; HEAD and a 304 never count.
 */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { fileKind } from "../../kernel/credential.ts";
import { callOf } from "../../kernel/invoke.ts";
import { type Content, content } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";
import type { StoredFile } from "../../ports/files.ts";
import type { ByteRange } from "../../ports/objects.ts";
import { isHeld, rangeOf, tagOf } from "./conditions.ts";
import { fileId, fileSecret, isSpent, openFile, spent } from "./file.ts";
import { attachment, NEUTRAL } from "./name.ts";
import { outgoing } from "./outgoing.ts";

const header = (description: string) => v.optional(v.pipe(v.string(), v.maxLength(1_000), v.description(description)));

export const download = content({
  summary: "Download a temporary file.",
  details:
    "With the file's secret in the URL (or as X-File-Secret), or with a token that may read files. Always as an attachment, under its name. One range at a time is sent as a 206; the ETag is made of the bytes' sum, so If-Range and If-None-Match are exact. The last bytes are only sent once the sum of all was right. A GET that is answered with the first byte counts as a download; HEAD and a 304 do not. A file with max_downloads is always sent whole, ranges of it are not served, and it is gone after the last one. The header Sunset says when it expires.",
  http: "GET /files/temp/:id",
  needs: { scope: "files", access: "read", unless: "secret" },
  limit: "data",
  input: v.strictObject({
    id: fileId,
    secret: v.optional(fileSecret),
    range: header("One range of bytes, for example bytes=0-99"),
    if_range: header("The ETag that the range is meant for"),
    if_none_match: header("ETags of what is held already"),
  }),
  headers: {
    secret: fileKind.header,
    range: "Range",
    if_range: "If-Range",
    if_none_match: "If-None-Match",
  },
  produces: NEUTRAL,
  faults: ["not_found", "gone", "range_not_satisfiable"],
  async handle(context, input) {
    const file = await openFile(context, input);
    if (isSpent(file)) throw spent(file);
    const tag = tagOf(file.sha256);
    const lastModified = new Date(Math.floor(file.createdAt.getTime() / 1_000) * 1_000).toUTCString();
    const about = { ...headersOf(file), ETag: tag, "Last-Modified": lastModified };
    if (isHeld(input.if_none_match, tag)) return { status: 304, headers: about, body: null };

    const all = { ...about, ...typeOf(file) };
    const { size, maxDownloads } = file;
    // Of a HEAD no part is asked for.
    if (callOf(context).headOnly) return { headers: { ...all, "Content-Length": String(size) }, body: null };
    const range = maxDownloads === null ? rangeOf(input, { size, tag, lastModified }) : null;
    if (range === "unsatisfiable") throw unsatisfiable(file);
    const body = await bytesOf(context, file, range);
    if (range === null) return { headers: { ...all, "Content-Length": String(size) }, body };
    const { start, end } = range;
    const part = { "Content-Length": String(end - start + 1), "Content-Range": `bytes ${start}-${end}/${size}` };
    return { status: 206, headers: { ...all, ...part }, body };
  },
});

/** What holds for the file, whichever part of it is sent. */
function headersOf({ sha256, expiresAt, maxDownloads }: StoredFile): Record<string, string> {
  const bytes = sha256.match(/../g)!.map((pair) => Number.parseInt(pair, 16));
  return {
    "Accept-Ranges": maxDownloads === null ? "bytes" : "none",
    "Cache-Control": maxDownloads === null ? "private, no-cache" : "no-store",
    Sunset: expiresAt.toUTCString(),
    "X-Content-SHA256": sha256,
    "Repr-Digest": `sha-256=:${btoa(String.fromCharCode(...bytes))}:`,
  };
}

/** How a browser takes the bytes: as a file to keep, which runs nothing and whose address, secret and all, goes nowhere. */
function typeOf({ contentType, name }: StoredFile): Record<string, string> {
  return {
    "Content-Type": contentType,
    "Content-Disposition": attachment(name),
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
  };
}

async function bytesOf(
  { objects, hashes, database, log }: Context,
  file: StoredFile,
  range: ByteRange | null,
): Promise<NonNullable<Content["body"]>> {
  const { id, objectKey, size, sha256 } = file;
  const damaged = (why: string) => log.write("error", "file_damaged", { file_id: id, key: objectKey, error: why });
  const source = await objects.get(objectKey, range ?? undefined);
  if (source === null) {
    damaged("its object is missing");
    throw new Fault("gone", `The bytes of the file ${id} are no longer held; ask its owner to send it again`);
  }
  // Only now, since a store that cannot be read must not use up a download.
  if ((range === null || range.start === 0) && !(await database.files.take(id))) {
    await source.cancel().catch(() => undefined);
    throw spent(file);
  }
  if (range !== null) return outgoing(source, { size: range.end - range.start + 1, check: null, damaged });
  return outgoing(source, { size, check: { sha256, hash: hashes.sha256() }, damaged });
}

function unsatisfiable({ size }: StoredFile): Fault {
  return new Fault("range_not_satisfiable", `The file has ${size} bytes, and the range begins after them`, {
    details: { size },
    headers: { "Content-Range": `bytes */${size}` },
  });
}
