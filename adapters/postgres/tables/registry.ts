/** The registry of users' tables: one row for each, in our own schema, which their roles cannot see. */
import type { Column, Table } from "../../../core/ports/table.ts";
import type { Listed } from "../../../core/ports/tables.ts";
import type { Pool, Statement } from "../pool.ts";

const COLUMNS = `t.realm, t.name, t.number::float8, t.version::float8, t.relation, t.columns,
  millrace_ms(t.created_at) AS created_ms, millrace_ms(t.updated_at) AS updated_ms`;

const GET: Statement = {
  name: "tables_get",
  text: `SELECT ${COLUMNS} FROM tables t WHERE t.realm = $1 AND t.name = $2`,
};

const ALL: Statement = {
  name: "tables_all",
  text: `SELECT ${COLUMNS} FROM tables t WHERE t.realm = $1 ORDER BY t.name`,
};

const LIST: Statement = {
  name: "tables_list",
  text: `SELECT ${COLUMNS}, table_size(t.relation) AS rows FROM tables t
    WHERE t.realm = $1 AND t.name > $2 ORDER BY t.name LIMIT $3`,
};

const SIZE: Statement = { name: "tables_size", text: "SELECT table_size($1) AS rows" };

const COUNT: Statement = { name: "tables_count", text: "SELECT count(*)::float8 AS count FROM tables" };

const NUMBER: Statement = {
  name: "tables_number",
  text: "SELECT nextval(pg_get_serial_sequence('tables', 'number'))::float8 AS number",
};

const ADD: Statement = {
  name: "tables_add",
  text: `INSERT INTO tables AS t (realm, name, number, version, relation, columns, created_at, updated_at)
    SELECT $1, $2, $3, 1, $4, $5, n.moment, n.moment FROM (SELECT date_trunc('milliseconds', millrace_now()) AS moment) n
    RETURNING ${COLUMNS}`,
};

const CHANGE: Statement = {
  name: "tables_change",
  text: `UPDATE tables t SET version = t.version + 1, columns = $2, updated_at = date_trunc('milliseconds', millrace_now())
    WHERE t.number = $1 RETURNING ${COLUMNS}`,
};

const REMOVE: Statement = { name: "tables_remove", text: "DELETE FROM tables t WHERE t.number = $1" };

interface Row {
  realm: string;
  name: string;
  number: number;
  version: number;
  relation: string;
  columns: string;
  created_ms: number;
  updated_ms: number;
}

type Query = Pool["query"];

/** The table of that name, or null. */
export async function registered(query: Query, realm: string, name: string): Promise<Table | null> {
  const [row] = await query<Row>(GET, [realm, name]);
  return row ? tableOf(row) : null;
}

/** All tables of the realm, by name. */
export async function allRegistered(query: Query, realm: string): Promise<Table[]> {
  return (await query<Row>(ALL, [realm])).map(tableOf);
}

/** A page of the realm's tables with about how many rows each has. */
export async function listRegistered(
  query: Query,
  { realm, after, limit }: { realm: string; after: string; limit: number },
): Promise<Listed[]> {
  const rows = await query<Row & { rows: number | null }>(LIST, [realm, after, limit]);
  return rows.map((row) => ({ table: tableOf(row), rows: row.rows ?? 0 }));
}

/** About how many rows the table has. */
export async function sizeOf(query: Query, { relation }: Table): Promise<number> {
  const [row] = await query<{ rows: number | null }>(SIZE, [relation]);
  return row?.rows ?? 0;
}

/** How many tables there are in all realms. */
export async function registeredInAll(query: Query): Promise<number> {
  const [row] = await query<{ count: number }>(COUNT, []);
  return row!.count;
}

/** A number that no table has had. */
export async function freshNumber(query: Query): Promise<number> {
  const [row] = await query<{ number: number }>(NUMBER, []);
  return row!.number;
}

/** Registers a new table; version and times are the store's. */
export async function register(
  query: Query,
  table: Pick<Table, "realm" | "name" | "number" | "relation" | "columns">,
): Promise<Table> {
  const { realm, name, number, relation, columns } = table;
  const [row] = await query<Row>(ADD, [realm, name, number, relation, JSON.stringify(columns)]);
  return tableOf(row!);
}

/** Gives a table other columns, and with them its next version. */
export async function reregister(query: Query, { number }: Table, columns: readonly Column[]): Promise<Table> {
  const [row] = await query<Row>(CHANGE, [number, JSON.stringify(columns)]);
  return tableOf(row!);
}

/** Strikes a table out. */
export async function unregister(query: Query, { number }: Table): Promise<void> {
  await query(REMOVE, [number]);
}

function tableOf(row: Row): Table {
  const { realm, name, number, version, relation } = row;
  return {
    realm,
    name,
    number,
    version,
    relation,
    columns: JSON.parse(row.columns) as Column[],
    createdAt: new Date(row.created_ms),
    updatedAt: new Date(row.updated_ms),
  };
}
