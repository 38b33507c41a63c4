/**
 * Pages of documents and histories of one. Each statement reads a stretch of one index in its order, one row more than the page may hold, so that
 * nothing is sorted and nothing counted; nested loops keep the order of what they begin with. Bodies beyond the bytes asked for stay in the database.
 */
import {
  type Condition,
  type DocumentPage,
  type DocumentQuery,
  type HistoryPage,
  type HistoryQuery,
  prefixEnd,
  SCAN_MOST,
} from "../../core/ports/documents.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import type { Pool, Statement } from "./pool.ts";

const TIMES =
  "millrace_ms(x.created_at) AS created_ms, millrace_ms(x.updated_at) AS updated_ms, millrace_ms(x.expires_at) AS expires_ms";
const LIVE = "(d.expires_at IS NULL OR d.expires_at > (SELECT millrace_now()))";

/** The body, where those before it leave room and the row is within the page: `bytes` and `limit` are parameters. */
const bodyWithin = (bytes: string, limit: string) =>
  `CASE WHEN x.n <= ${limit} AND x.upto - octet_length(x.body) < ${bytes}::float8 THEN x.body END AS body`;
/** Numbers the rows as they come, and sums up their bodies. */
const MEASURED = "row_number() OVER () AS n, sum(octet_length(d.body)) OVER (ROWS UNBOUNDED PRECEDING) AS upto";

const PAGE: Statement = {
  name: "documents_page",
  text: `SELECT x.id, '' AS value, x.version::float8, ${TIMES}, ${bodyWithin("$7", "$6")} FROM (
      SELECT d.*, ${MEASURED} FROM (
        SELECT d.id, d.version, d.body, d.created_at, d.updated_at, d.expires_at FROM documents d
        WHERE d.realm = $1 AND d.collection = $2 AND d.id > $3 AND d.id >= $4 AND d.id < $5 AND ${LIVE}
        ORDER BY d.id LIMIT $6::int + 1
      ) d
    ) x`,
};

/**
 * Looks at most SCAN_MOST entries of the first condition's field up, from $6 and $7 on, and keeps those whose document holds the others. A row without
 * `version` says where the look-up ended. OFFSET 0 keeps the planner from any other way than from an entry to its document.
 */
const PAGE_WHERE: Statement = {
  name: "documents_page_where",
  text: `WITH found AS MATERIALIZED (
      SELECT k.value, k.id FROM unnest($4::text[], $5::text[]) AS r (low, high)
      CROSS JOIN LATERAL (
        SELECT i.value, i.id FROM document_keys i
        WHERE i.realm = $1 AND i.collection = $2 AND i.field = $3 AND i.value >= r.low AND i.value < r.high
          AND (i.value, i.id) > ($6, $7)
        ORDER BY i.value, i.id LIMIT ${SCAN_MOST}
      ) k
      LIMIT ${SCAN_MOST}
    ), matching AS MATERIALIZED (
      SELECT f.value, d.* FROM found f
      CROSS JOIN LATERAL (
        SELECT d.id, d.version, d.body, d.created_at, d.updated_at, d.expires_at, d.fields, d.vals FROM documents d
        WHERE d.realm = $1 AND d.collection = $2 AND d.id = f.id AND ${LIVE} OFFSET 0
      ) d
      WHERE f.id >= $8 AND f.id < $9 AND $10 = (
        SELECT count(DISTINCT c.n) FROM unnest($11::int[], $12::text[], $13::text[], $14::text[]) AS c (n, field, low, high)
        CROSS JOIN unnest(d.fields, d.vals) AS e (field, value)
        WHERE e.field = c.field AND e.value >= c.low COLLATE "C" AND e.value < c.high COLLATE "C"
      )
      LIMIT $15::int + 1
    )
    SELECT x.id, x.value, x.version::float8, ${TIMES}, ${bodyWithin("$16", "$15")}
    FROM (SELECT d.*, ${MEASURED} FROM matching d) x
    UNION ALL
    SELECT l.id, l.value, NULL, NULL, NULL, NULL, NULL FROM (
      SELECT f.id, f.value, row_number() OVER () AS n FROM found f
    ) l WHERE l.n = ${SCAN_MOST}`,
};

const HISTORY: Statement = {
  name: "documents_history",
  text: `WITH held AS MATERIALIZED (
      SELECT d.version, d.body, d.updated_at FROM documents d
      WHERE d.realm = $1 AND d.collection = $2 AND d.id = $3 AND ${LIVE}
    )
    SELECT x.version::float8, millrace_ms(x.created_at) AS created_ms, ${bodyWithin("$6", "$5")} FROM (
      SELECT d.*, ${MEASURED} FROM (
        SELECT h.version, h.body, h.updated_at AS created_at FROM held h WHERE h.version < $4
        UNION ALL
        SELECT v.* FROM held h CROSS JOIN LATERAL (
          SELECT o.version, o.body, o.created_at FROM document_versions o
          WHERE o.realm = $1 AND o.collection = $2 AND o.id = $3 AND o.version < $4
          ORDER BY o.version DESC LIMIT $5::int + 1
        ) v
        LIMIT $5::int + 1
      ) d
    ) x`,
};

interface Row {
  id: string;
  value: string;
  version: number | null;
  created_ms: number;
  updated_ms: number;
  expires_ms: number | null;
  body: string | null;
}

/** One page; see `Documents.page`. */
export async function findPage(pool: Pool, query: DocumentQuery): Promise<DocumentPage> {
  const { realm, collection, prefix = "", where = [], after, limit, bodyBytes } = query;
  const [first, ...others] = where;
  const rows =
    first === undefined
      ? await pool.query<Row>(PAGE, [
          realm,
          collection,
          after?.id ?? "",
          prefix,
          prefixEnd(prefix),
          limit,
          bodyBytes ?? 0,
        ])
      : await pool.query<Row>(PAGE_WHERE, [
          ...[realm, collection, first.field, ...bounds(first.ranges), after?.value ?? "", after?.id ?? ""],
          ...[prefix, prefixEnd(prefix), others.length, ...checks(others), limit, bodyBytes ?? 0],
        ]);
  const matching = rows.filter(({ version }) => version !== null);
  const kept = cut(matching, limit, bodyBytes);
  const last = kept.length < matching.length ? kept.at(-1) : rows.find(({ version }) => version === null);
  return {
    documents: kept.map((row) => ({
      id: row.id,
      version: row.version!,
      body: bodyOf(row.body),
      createdAt: new Date(row.created_ms),
      updatedAt: new Date(row.updated_ms),
      expiresAt: row.expires_ms === null ? null : new Date(row.expires_ms),
    })),
    next: last === undefined ? null : { value: last.value, id: last.id },
  };
}

/** The versions held; see `Documents.history`. */
export async function findHistory(pool: Pool, query: HistoryQuery): Promise<HistoryPage> {
  const { realm, collection, id, before, limit, bodyBytes } = query;
  const rows = await pool.query<{ version: number; created_ms: number; body: string | null }>(HISTORY, [
    ...[realm, collection, id, before ?? Number.MAX_SAFE_INTEGER, limit, bodyBytes ?? 0],
  ]);
  const kept = cut(rows, limit, bodyBytes);
  return {
    versions: kept.map(({ version, created_ms, body }) => ({
      version,
      body: bodyOf(body),
      createdAt: new Date(created_ms),
    })),
    next: kept.length < rows.length ? kept.at(-1)!.version : null,
  };
}

/** The rows of the page: what is beyond has no body, when bodies were asked for. */
function cut<R extends { body: string | null }>(rows: readonly R[], limit: number, bodyBytes: number | undefined): R[] {
  const within = rows.slice(0, limit);
  return bodyBytes === undefined ? within : within.filter(({ body }) => body !== null);
}

function bodyOf(text: string | null): JsonObject | null {
  return text === null ? null : (JSON.parse(text) as JsonObject);
}

function bounds(ranges: Condition["ranges"]): [string[], string[]] {
  return [ranges.map(({ from }) => from), ranges.map(({ to }) => to)];
}

/** One element for each range of each condition. */
function checks(conditions: readonly Condition[]): [number[], string[], string[], string[]] {
  const all = conditions.flatMap(({ field, ranges }, n) => ranges.map(({ from, to }) => ({ n, field, from, to })));
  return [all.map(({ n }) => n), all.map(({ field }) => field), all.map(({ from }) => from), all.map(({ to }) => to)];
}
