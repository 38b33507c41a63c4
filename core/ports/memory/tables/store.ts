/** What the tables store holds in memory, shared by its structure and its rows. */
import type { Row, Table } from "../../table.ts";

/** A table and its rows by id, in the order in which they came. Rows are never changed in place: they are replaced. Each has its `id` too. */
export interface StoredTable {
  table: Table;
  rows: Map<number, Row>;
  /** Of the next row; as with a sequence, what was given out and then taken back is gone. */
  nextId: number;
}

export interface TableStore {
  /** The table as it is held, or null when it is no longer the one that this value is of. */
  find(table: Table): StoredTable | null;
  byName(realm: string, name: string): StoredTable | null;
  /** All of the realm, by name. */
  all(realm: string): StoredTable[];
  count(): number;
  freshNumber(): number;
  /** Puts the table in the place of the one that has its number, or beside the others; `undo` gets what takes it back. */
  put(stored: StoredTable, undo: (() => void)[]): void;
  drop(stored: StoredTable, undo: (() => void)[]): void;
}

/** No tables. */
export function tableStore(): TableStore {
  const held = new Map<number, StoredTable>();
  let numbers = 0;

  const all = (realm: string) =>
    [...held.values()]
      .filter(({ table }) => table.realm === realm)
      .sort((left, right) => (left.table.name < right.table.name ? -1 : 1));

  return {
    find(table) {
      const stored = held.get(table.number);
      return stored?.table.version === table.version ? stored : null;
    },
    byName: (realm, name) => all(realm).find(({ table }) => table.name === name) ?? null,
    all,
    count: () => held.size,
    freshNumber() {
      numbers += 1;
      return numbers;
    },
    put(stored, undo) {
      const { number } = stored.table;
      const before = held.get(number);
      held.set(number, stored);
      undo.push(() => {
        if (!before) return held.delete(number);
        before.nextId = stored.nextId;
        return held.set(number, before);
      });
    },
    drop({ table: { number } }, undo) {
      const before = held.get(number);
      held.delete(number);
      if (before) undo.push(() => held.set(number, before));
    },
  };
}
