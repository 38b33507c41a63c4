/** Pages and histories of documents held in memory. Its bounds are those of the port, so that its pages are those of every store. */

import { byteOrder } from "../byte_order.ts";
import {
  type Condition,
  type Document,
  type DocumentPage,
  type DocumentQuery,
  type HistoryPage,
  type HistoryQuery,
  type Listed,
  type Position,
  SCAN_MOST,
} from "../documents.ts";

interface OlderVersion {
  version: number;
  body: string;
  createdAt: number;
}

export interface StoredDocument {
  version: number;
  /** JSON text: what a reader does with its copy cannot reach the store. */
  body: string;
  createdAt: number;
  updatedAt: number;
  expiresAt: number | null;
  versioned: boolean;
  /** Oldest first. */
  older: OlderVersion[];
  /** Field → value. */
  keys: ReadonlyMap<string, string>;
}

export interface Collection {
  rows: Map<string, StoredDocument>;
  /** The last versions of what has been removed from a versioned collection, and when. */
  tombstones: Map<string, { version: number; at: number }>;
}

export function emptyCollection(): Collection {
  return { rows: new Map(), tombstones: new Map() };
}

export function opened(id: string, stored: StoredDocument): Document {
  return {
    id,
    version: stored.version,
    body: JSON.parse(stored.body),
    createdAt: new Date(stored.createdAt),
    updatedAt: new Date(stored.updatedAt),
    expiresAt: stored.expiresAt === null ? null : new Date(stored.expiresAt),
  };
}

export function pageOf(
  { rows }: Collection,
  query: DocumentQuery,
  isLive: (stored: StoredDocument) => boolean,
): DocumentPage {
  const { where = [], prefix = "", after = null, limit, bodyBytes } = query;
  const [first, ...others] = where;
  const placed = [...rows]
    .map(([id, stored]) => ({ id, stored, value: first === undefined ? "" : stored.keys.get(first.field) }))
    .filter((row): row is Row => row.value !== undefined && (first === undefined || isIn(first, row.value)))
    .filter((row) => after === null || inOrder(row, after) > 0)
    .sort(inOrder);
  const looked = first === undefined ? placed : placed.slice(0, SCAN_MOST);
  const matching = looked.filter(
    ({ id, stored }) => isLive(stored) && id.startsWith(prefix) && others.every((other) => holds(stored, other)),
  );
  const kept = within(matching.slice(0, limit), ({ stored }) => stored.body, bodyBytes);
  const last =
    kept.length < matching.length ? kept.at(-1) : looked.length === SCAN_MOST && first ? looked.at(-1) : undefined;
  return {
    documents: kept.map(({ id, stored }): Listed => {
      const document = opened(id, stored);
      return bodyBytes === undefined ? { ...document, body: null } : document;
    }),
    next: last === undefined ? null : { value: last.value, id: last.id },
  };
}

export function historyOf(stored: StoredDocument, query: HistoryQuery): HistoryPage {
  const { before, limit, bodyBytes } = query;
  const newest = { version: stored.version, body: stored.body, createdAt: stored.updatedAt };
  const asked = [newest, ...stored.older.toReversed()].filter(
    ({ version }) => version < (before ?? Number.POSITIVE_INFINITY),
  );
  const kept = within(asked.slice(0, limit), ({ body }) => body, bodyBytes);
  return {
    versions: kept.map(({ version, body, createdAt }) => ({
      version,
      body: bodyBytes === undefined ? null : JSON.parse(body),
      createdAt: new Date(createdAt),
    })),
    next: kept.length < asked.length ? kept.at(-1)!.version : null,
  };
}

interface Row {
  id: string;
  stored: StoredDocument;
  value: string;
}

function inOrder(left: Position, right: Position): number {
  return byteOrder(left.value, right.value) || byteOrder(left.id, right.id);
}

function isIn({ ranges }: Condition, value: string): boolean {
  return ranges.some(({ from, to }) => byteOrder(value, from) >= 0 && byteOrder(value, to) < 0);
}

function holds({ keys }: StoredDocument, condition: Condition): boolean {
  const value = keys.get(condition.field);
  return value !== undefined && isIn(condition, value);
}

/** The first items, until the texts of those before exceed the bytes. */
function within<T>(items: readonly T[], textOf: (item: T) => string, bytes: number | undefined): T[] {
  if (bytes === undefined) return [...items];
  const encoder = new TextEncoder();
  let sum = 0;
  return items.filter((item) => {
    const fits = sum < bytes;
    sum += encoder.encode(textOf(item)).length;
    return fits;
  });
}
