/** The manual of the mode. Its curl lines are run in order by a test. */

export const manual = `A place for bytes on their way from one program to another: a build, a log, a picture for a model, a dump. A file is put as it comes, of any size up to the server's limit, without a form around it. The answer has a URL with a secret in it. Whoever has the URL can download the file, and delete it, without a token; nobody else can tell that it exists. It goes by itself when its time is over (a day, unless you say otherwise; 30 days at most), or when it has been downloaded as often as you allowed.

## A tour

Put a file under its own name. A URL that ends in a slash makes curl add the name.

\`\`\`sh
printf 'hello from a file\\n' > notes.txt
curl -T notes.txt -H "Authorization: Bearer $TOKEN" -H "Content-Type: text/plain" "$BASE/files/temp/"
\`\`\`

\`\`\`json
{
  "id": "$FILE_ID",
  "name": "notes.txt",
  "content_type": "text/plain",
  "size": 18,
  "sha256": "…",
  "created_at": "…",
  "expires_at": "…",
  "max_downloads": null,
  "url": "$FILE_URL"
}
\`\`\`

Download it: the URL is enough.

\`\`\`sh
curl "$FILE_URL"
\`\`\`

\`\`\`text
hello from a file
\`\`\`

Take a part of it, as a download does that goes on after an interruption (\`curl -C -\`).

\`\`\`sh
curl -i -H "Range: bytes=6-9" "$FILE_URL"
\`\`\`

\`\`\`text
HTTP/1.1 206 …
…
from
\`\`\`

Put what a program prints, before it is known how long it will be. This one may be downloaded once, and within an hour.

\`\`\`sh
printf 'one two three' | curl -T - -H "Authorization: Bearer $TOKEN" "$BASE/files/temp/count.txt?max_downloads=1&ttl_seconds=3600"
\`\`\`

\`\`\`json
{ "id": "$ONCE_ID", "name": "count.txt", "size": 13, "max_downloads": 1, "url": "$ONCE_URL", "…": "…" }
\`\`\`

\`\`\`sh
curl "$ONCE_URL"
\`\`\`

\`\`\`text
one two three
\`\`\`

\`\`\`sh
curl "$ONCE_URL"
\`\`\`

\`\`\`json
{ "error": { "code": "gone", "message": "…", "details": { "file_id": "$ONCE_ID" }, "retryable": false, "request_id": "…" } }
\`\`\`

List what you have put, newest first.

\`\`\`sh
curl -H "Authorization: Bearer $TOKEN" "$BASE/files/temp?limit=2"
\`\`\`

\`\`\`json
{
  "files": [
    { "id": "$ONCE_ID", "name": "count.txt", "downloads": 1, "…": "…" },
    { "id": "$FILE_ID", "name": "notes.txt", "downloads": 1, "…": "…" }
  ],
  "next_cursor": null
}
\`\`\`

Delete a file before its time, by its URL or by its id and a token.

\`\`\`sh
curl -X DELETE "$FILE_URL"
\`\`\`

\`\`\`json
{ "id": "$FILE_ID", "deleted": true }
\`\`\`

## What is promised

- **Whole or not at all.** A 201 means that every byte is on disk. An upload that breaks off, grows beyond the limit (413, while it comes in) or does not have the sum that \`X-Content-SHA256\` gave leaves nothing behind.
- **The same bytes.** The answer, \`X-Content-SHA256\` and \`Repr-Digest\` give the SHA-256. The last bytes of a download are only sent once the sum of all of them was right, so that a damaged file ends early instead of passing for a whole one.
- **Counted downloads.** A GET that is answered with the first byte of the file counts; HEAD and a 304 do not. A file with \`max_downloads\` is always sent whole, since a part of it would be a way around the limit; after the last download it answers 410.
- **Harmless to open.** Every download is an attachment of a plain type, with \`nosniff\` and a sandbox. A type that a browser might run (HTML, SVG, scripts) is kept as \`application/octet-stream\`.
- **Names are data.** A name is shown, never used as a path. Slashes and control characters are refused, and more than 255 bytes.
- **A quota.** Each token has one over all of its files; what is deleted, or has expired, makes room.

The file's secret may travel as the header \`X-File-Secret\` instead. Where a URL leaves your hands for good, say how often it may be used.
`;
