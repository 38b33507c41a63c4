/** The manual of the mode. Its curl lines are run in order by a test. */

export const manual = `A table has columns with types, and rows that keep to them. A request defines it; what then stands behind it is a real table of PostgreSQL, in SQL under the name \`sql_<name>\`. Rows are put in as JSON, CSV or NDJSON, and read with the filters that PostgREST made known.

## Columns

| type | holds | in JSON |
|---|---|---|
| \`text\` | Unicode text without U+0000, ordered by its bytes; with \`enum\` only the values named | text |
| \`integer\` | whole numbers from -2147483648 to 2147483647 | number |
| \`bigint\` | whole numbers of 64 bits | text, since many readers round such numbers; numbers are taken too |
| \`numeric(p,s)\` | decimals of at most p digits (38), s of them after the point, exact | text with s decimals, "12.50"; numbers are taken too |
| \`boolean\` | true or false | true, false |
| \`timestamptz\` | an instant with microseconds | text, "2026-01-31T12:00:00Z", always in UTC |
| \`date\` | a day | text, "2026-01-31" |
| \`uuid\` | a UUID | text in lower case |
| \`jsonb\` | any JSON | as it is |

Beside its type a column has \`nullable\` (true unless you say false), \`default\` (a literal), \`unique\`, \`enum\` (of text) and \`references\` ({table, column}: a unique column of the same type elsewhere, or \`id\` as a bigint). Every table has a column \`id\` by itself, which counts up. Names are a lower-case letter and then lower-case letters, digits and underscores, 48 in all. A server has one owner, who may have 100 tables, each of at most 64 columns.

## A tour

Create a table.

\`\`\`sh
curl -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables" -d '{
  "name": "books",
  "columns": [
    {"name": "isbn", "type": "text", "nullable": false, "unique": true},
    {"name": "title", "type": "text", "nullable": false},
    {"name": "price", "type": "numeric(6,2)"},
    {"name": "state", "type": "text", "default": "new", "enum": ["new", "used"]}
  ]
}'
\`\`\`

\`\`\`json
{ "name": "books", "version": 1, "columns": [{ "name": "isbn", "type": "text", "unique": true, "…": "…" }, "…"], "…": "…" }
\`\`\`

Put in rows: one, or a list, all of them or none.

\`\`\`sh
curl -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables/books/rows" -d '[
  {"isbn": "0-201-03801-3", "title": "The Art of Computer Programming", "price": 79.99},
  {"isbn": "0-262-51087-1", "title": "Structure and Interpretation", "price": "45", "state": "used"}
]'
\`\`\`

\`\`\`json
{
  "count": 2,
  "rows": [
    { "id": 1, "isbn": "0-201-03801-3", "title": "The Art of Computer Programming", "price": "79.99", "state": "new" },
    { "id": 2, "isbn": "0-262-51087-1", "title": "Structure and Interpretation", "price": "45.00", "state": "used" }
  ]
}
\`\`\`

Read some of them. Every condition is a field of the query, \`column=operator.value\`; \`select\` chooses columns, \`order\` their order. A long list comes in pages: send \`next_cursor\` as \`cursor\`.

\`\`\`sh
curl -H "Authorization: Bearer $TOKEN" "$BASE/sql/tables/books/rows?price=gt.50&select=title,price&order=price.desc"
\`\`\`

\`\`\`json
{ "rows": [{ "title": "The Art of Computer Programming", "price": "79.99" }], "next_cursor": null }
\`\`\`

Change what a filter finds; without one nothing is changed.

\`\`\`sh
curl -X PATCH -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables/books/rows?state=eq.used&return=representation" -d '{"price": "30.5"}'
\`\`\`

\`\`\`json
{ "count": 1, "rows": [{ "id": 2, "isbn": "0-262-51087-1", "title": "Structure and Interpretation", "price": "30.50", "state": "used" }] }
\`\`\`

Sum up in groups.

\`\`\`sh
curl -H "Authorization: Bearer $TOKEN" "$BASE/sql/tables/books/rows?select=state,count(),total:price.sum()&order=state"
\`\`\`

\`\`\`json
{
  "rows": [
    { "state": "new", "count": 1, "total": "79.99" },
    { "state": "used", "count": 1, "total": "30.50" }
  ],
  "next_cursor": null
}
\`\`\`

Change the columns: send all of them as they shall be. What GET shows of a table can be changed and sent back whole; its \`version\` (or \`if_version\`) then makes sure that nobody has changed it meanwhile. With \`dry_run\` you see the SQL and what would be lost; here the column \`state\` would go.

\`\`\`sh
curl -X PUT -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables/books?dry_run=true" -d '{
  "columns": [
    {"name": "isbn", "type": "text", "nullable": false, "unique": true},
    {"name": "title", "type": "text", "nullable": false},
    {"name": "cost", "type": "numeric(8,2)", "renamed_from": "price"}
  ]
}'
\`\`\`

\`\`\`json
{
  "applied": false,
  "plan": [
    "ALTER TABLE \\"sql_books\\" DROP COLUMN \\"state\\"",
    "ALTER TABLE \\"sql_books\\" RENAME COLUMN \\"price\\" TO \\"cost\\"",
    "ALTER TABLE \\"sql_books\\" ALTER COLUMN \\"cost\\" TYPE numeric(8, 2) USING \\"cost\\"::numeric(8, 2)"
  ],
  "destructive": [{ "column": "state", "kind": "dropped", "rows": 2 }],
  "obstacles": [],
  "…": "…"
}
\`\`\`

Since values would be lost, the change is made only when the table's name is typed again.

\`\`\`sh
curl -X PUT -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables/books" -d '{
  "confirm": "books",
  "columns": [
    {"name": "isbn", "type": "text", "nullable": false, "unique": true},
    {"name": "title", "type": "text", "nullable": false},
    {"name": "cost", "type": "numeric(8,2)", "renamed_from": "price"}
  ]
}'
\`\`\`

\`\`\`json
{ "name": "books", "version": 2, "applied": true, "…": "…" }
\`\`\`

Put in a row whose unique value is there already: it takes the place of the stored one.

\`\`\`sh
curl -X POST -H "Authorization: Bearer $TOKEN" -H "Content-Type: application/json" "$BASE/sql/tables/books/rows?on_conflict=isbn" -d '{"isbn": "0-262-51087-1", "title": "SICP", "cost": 31}'
\`\`\`

\`\`\`json
{ "count": 1, "rows": [{ "id": 2, "isbn": "0-262-51087-1", "title": "SICP", "cost": "31.00" }] }
\`\`\`

Take rows out as CSV, as many as there are.

\`\`\`sh
curl -H "Authorization: Bearer $TOKEN" "$BASE/sql/tables/books/rows.csv?cost=gt.10"
\`\`\`

\`\`\`text
id,isbn,title,cost
1,0-201-03801-3,The Art of Computer Programming,79.99
2,0-262-51087-1,SICP,31.00
\`\`\`

And put rows in from a file, as CSV or NDJSON: 1,000 at a time are written while the rest is still coming. With \`Accept: text/event-stream\` each thousand is told, and the answer comes last; what broke off goes on with \`skip_rows\`, the \`rows_done\` that was told.

\`\`\`sh
printf 'isbn,title,cost\\n1-55860-190-2,Transaction Processing,95\\n' | curl -N -X POST -T - -H "Authorization: Bearer $TOKEN" \\
  -H "Content-Type: text/csv" -H "Accept: text/event-stream" "$BASE/sql/tables/books/import"
\`\`\`

\`\`\`text
event: progress
data: {"rows_done":1,"rows_written":1}

event: result
data: {"rows_done":1,"rows_written":1}
\`\`\`

Delete rows by a filter, and in the end the table.

\`\`\`sh
curl -X DELETE -H "Authorization: Bearer $TOKEN" "$BASE/sql/tables/books/rows?cost=lt.50"
\`\`\`

\`\`\`json
{ "count": 1 }
\`\`\`

\`\`\`sh
curl -X DELETE -H "Authorization: Bearer $TOKEN" "$BASE/sql/tables/books?confirm=books"
\`\`\`

\`\`\`json
{ "name": "books", "dropped_at": "…" }
\`\`\`

## Filters

| operator | holds where the value is |
|---|---|
| \`eq\` \`neq\` \`gt\` \`gte\` \`lt\` \`lte\` | equal, not equal, greater, … ; no value is neither equal to anything nor different from it |
| \`isdistinct.x\` | another than x, no value among them |
| \`is.null\` \`is.not_null\` \`is.true\` \`is.false\` | so |
| \`like.A*\` \`ilike.*a*\` | text of that pattern: \`*\` is any text, \`_\` any character; \`ilike\` takes A to Z for a to z |
| \`in.(1,2,"a,b")\` | one of these |
| \`cs.{"a":1}\` \`cd.["x","y"]\` | JSON that contains the value, or is contained in it, as \`@>\` and \`<@\` of PostgreSQL |
| \`like(any).{A*,B*}\` \`gt(all).{1,2}\` | so for any of the values, or for all: after \`eq\`, \`neq\`, \`gt\`, \`gte\`, \`lt\`, \`lte\`, \`like\`, \`ilike\` |

\`not.\` before an operator turns it round; \`or=(a.eq.1,and(b.gt.2,c.is.null))\` joins conditions. A place inside JSON is \`data->address->>city\`: \`->\` gives JSON, \`->>\` text. Inside parentheses and braces a value with commas, parentheses or quotes stands in double quotes. There are no regular expressions (\`match\`), no full-text search (\`fts\`), and no operators for ranges.

A column that has the name of a field of the request (\`select\`, \`order\`, \`limit\`, \`cursor\`, \`count\`, \`return\`, \`formulas\`, \`table\`, \`set\`) is asked inside parentheses: \`and=(limit.eq.1)\`. In a URL, text is percent-encoded UTF-8, so a \`%\` is \`%25\`.

## Numbers

Numbers are kept and compared exactly, or refused: JSON readers keep 15 to 17 digits, so a longer number inside JSON (in a body, a CSV cell, a filter) is refused; send it as text. \`sum()\` and \`avg()\` are text like a \`numeric\`, for integers too: a sum is exact, an average is rounded once, 16 decimals behind those of its column.

## Changes of rows

\`GET /sql/tables/:table/changes\` is a stream of what happens to the rows: one event for each statement that touched any, with their ids, in the order of commit and without gaps. It resumes with \`Last-Event-ID\`; with \`wait\` it answers once, as JSON.

## What is kept apart

Rows are read and written under roles of PostgreSQL that have rights on these tables and on nothing else, reads under one that can only read and in transactions that cannot write. A server whose database user may not make roles says so when it starts, and reads are then kept from writing by their transactions alone.
`;
