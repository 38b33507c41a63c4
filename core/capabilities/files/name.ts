/** Names and types of files: what is taken for one, and how a download says them. Names are data for people: no path is ever made of one. */
import * as v from "valibot";

/** File systems take names of so many bytes. */
export const NAME_MOST_BYTES = 255;

/** The name of a file that came without one. */
export const UNNAMED = "file";

/** The type of everything that a browser might run, or that is not known. */
export const NEUTRAL = "application/octet-stream";

const encoder = new TextEncoder();

export const fileName = v.pipe(
  v.string(),
  v.check((name) => name.trim() !== "", "is empty; send at least one visible character"),
  v.maxLength(NAME_MOST_BYTES, (issue) => `has ${issue.input.length} characters; the most is ${NAME_MOST_BYTES} bytes`),
  v.check<string, (issue: v.CheckIssue<string>) => string>(
    (name) => encoder.encode(name).length <= NAME_MOST_BYTES,
    (issue) => `has ${encoder.encode(issue.input).length} bytes; the most is ${NAME_MOST_BYTES}`,
  ),
  v.regex(/^[^\p{Cc}]*$/u, "contains control characters; send one line of text"),
  v.check((name) => !/[/\\]/.test(name) && name !== "." && name !== "..", "is a path; send the name of the file alone"),
  v.description(
    `The name that a download suggests, at most ${NAME_MOST_BYTES} bytes; without slashes, since it is no path`,
  ),
);

/** Types that a browser shows without running anything. */
const HARMLESS =
  /^(image\/(png|jpeg|gif|webp|avif|bmp|tiff)|(audio|video)\/[a-z0-9.+-]+|text\/(plain|csv|markdown|tab-separated-values)|application\/(json|pdf|zip|gzip|zstd|x-tar|x-7z-compressed))$/;

/** The type under which a file is kept: as it was said if it can do no harm, without parameters; else neutral. */
export function keptType(said: string | undefined): string {
  const type = (said ?? "").split(";")[0]!.trim().toLowerCase();
  return HARMLESS.test(type) ? type : NEUTRAL;
}

/** Content-Disposition of a download (RFC 6266): the name as it is, beside a plain one for who reads no more than ASCII. */
export function attachment(name: string): string {
  const plain = name.replace(/[^\x20-\x7e]/gu, "_").replace(/["%]/g, "_");
  const header = `attachment; filename="${plain}"`;
  return plain === name ? header : `${header}; filename*=UTF-8''${extended(name)}`;
}

/** The value of an extended parameter (RFC 8187). */
function extended(name: string): string {
  const byte = (character: string) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(name).replace(/['()*]/g, byte);
}
