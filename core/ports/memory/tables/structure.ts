/** Structure changes in memory: what a command comes to is worked out by `table_change.ts`, as for every twin, and then done to the rows. */
import type { Clock } from "../../clock.ts";
import { type Row, TABLE_ID, TABLES_MAX, TABLES_PER_REALM_MAX, type Table } from "../../table.ts";
import { type Alteration, alterationOf, creationRefusal, dropRefusal } from "../../table_change.ts";
import { planOf, questionsOf } from "../../table_questions.ts";
import { alteration, relationOf } from "../../table_sql.ts";
import type {
  AlterTable,
  CreateTable,
  Plan,
  StructureCommand,
  StructureOutcome,
  StructureRefusal,
} from "../../tables.ts";
import type { TableStore } from "./store.ts";
import { countsOf, valueAfter } from "./weigh.ts";

interface Changing {
  store: TableStore;
  clock: Clock;
  undo: (() => void)[];
}

/** Carries out one command; `undo` gets what takes it back. */
export function applyStructure(command: StructureCommand, changing: Changing): StructureOutcome {
  switch (command.op) {
    case "table.create":
      return create(command, changing);
    case "table.alter":
      return alter(command, changing);
    default:
      return drop(command, changing);
  }
}

/** What an alteration would do. */
export function planned(command: AlterTable, store: TableStore): { table: Table; plan: Plan } | StructureRefusal {
  const worked = alterationOf(tablesOf(store, command.realm), command);
  return "status" in worked ? worked : { table: worked.table, plan: planFor(worked, store) };
}

function create({ realm, name, columns }: CreateTable, { store, clock, undo }: Changing): StructureOutcome {
  const tables = tablesOf(store, realm);
  const refusal = creationRefusal(tables, { op: "table.create", realm, name, columns });
  if (refusal) return refusal;
  if (tables.length >= TABLES_PER_REALM_MAX) return { status: "full", most: TABLES_PER_REALM_MAX };
  if (store.count() >= TABLES_MAX) return { status: "full", most: TABLES_MAX };
  const number = store.freshNumber();
  const moment = clock.now();
  const table: Table = {
    realm,
    name,
    number,
    version: 1,
    relation: relationOf(realm, name, number),
    columns: structuredClone([...columns]),
    createdAt: moment,
    updatedAt: moment,
  };
  store.put({ table, rows: new Map(), nextId: 1 }, undo);
  return { status: "created", table };
}

function alter(command: AlterTable, { store, clock, undo }: Changing): StructureOutcome {
  const worked = alterationOf(tablesOf(store, command.realm), command);
  if ("status" in worked) return worked;
  const { table, columns, changes, others } = worked;
  const plan = planFor(worked, store);
  if (changes.length === 0 && table.columns.every(({ name }, index) => columns[index]?.name === name)) {
    return { status: "altered", table, plan };
  }
  if (plan.obstacles.length > 0) return { status: "obstructed", plan };
  if (plan.losses.length > 0 && !command.lossy) return { status: "lossy", plan };

  for (const other of others) {
    const stored = store.byName(other.realm, other.name)!;
    store.put({ ...stored, table: nextVersion(other, clock) }, undo);
  }
  const stored = store.find(table)!;
  const rows = new Map([...stored.rows].map(([id, row]) => [id, rowAfter(worked, row)]));
  const altered = nextVersion({ ...table, columns: structuredClone(columns) }, clock);
  store.put({ ...stored, table: altered, rows }, undo);
  return { status: "altered", table: altered, plan };
}

function drop({ realm, name }: { realm: string; name: string }, { store, undo }: Changing): StructureOutcome {
  const refusal = dropRefusal(tablesOf(store, realm), name);
  if (refusal) return refusal;
  const stored = store.byName(realm, name)!;
  store.drop(stored, undo);
  return { status: "dropped", table: stored.table };
}

function rowAfter({ changes, columns }: Alteration, row: Row): Row {
  const changed = new Map(
    changes.flatMap((change) => (change.kind === "drop" ? [] : [[change.is.name, change] as const])),
  );
  const cells = columns.map(({ name }) => {
    const change = changed.get(name);
    return [name, change ? (valueAfter(change, row) ?? null) : (row[name] ?? null)] as const;
  });
  return Object.fromEntries([[TABLE_ID, row[TABLE_ID]!], ...cells]);
}

function planFor(worked: Alteration, store: TableStore): Plan {
  const questions = questionsOf(worked.changes);
  const { realm } = worked.table;
  const statements = alteration(worked.table, worked.changes, (name) => store.byName(realm, name)!.table.relation);
  return planOf(statements, { questions, counts: countsOf(questions, worked, store) });
}

function nextVersion(table: Table, clock: Clock): Table {
  return { ...table, version: table.version + 1, updatedAt: clock.now() };
}

function tablesOf(store: TableStore, realm: string): Table[] {
  return store.all(realm).map(({ table }) => table);
}
