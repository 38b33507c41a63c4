/**
 * Structure changes: what a command comes to is worked out from the registry (`core/ports/table_change.ts`), the rows are asked whether they allow it,
 * and the statements run in the transaction that changes the registry.
 */
import { Fault } from "../../../core/ports/fault.ts";
import { TABLES_MAX, TABLES_PER_REALM_MAX, type Table } from "../../../core/ports/table.ts";
import { type Alteration, alterationOf, creationRefusal, dropRefusal } from "../../../core/ports/table_change.ts";
import { planOf, questionsOf } from "../../../core/ports/table_questions.ts";
import { alteration, creation, identifier, relationOf, removal } from "../../../core/ports/table_sql.ts";
import type {
  AlterTable,
  CreateTable,
  DropTable,
  Plan,
  StructureCommand,
  StructureOutcome,
  StructureRefusal,
} from "../../../core/ports/tables.ts";
import type { Pool, Statement } from "../pool.ts";
import { changed, inTable, leaveTables } from "./enter.ts";
import { allRegistered, freshNumber, register, registeredInAll, reregister, unregister } from "./registry.ts";
import { countsOf, relationsOf } from "./weigh.ts";

const BEGIN: Statement = { name: "table_structure_begin", text: "SELECT table_structure_begin($1)" };
const ENTER: Statement = { name: "table_structure_enter", text: "SELECT table_structure_enter($1)" };
const HOME: Statement = { name: "table_home_ensure", text: "SELECT table_home_ensure()" };
const GRANT: Statement = { name: "table_grant", text: "SELECT table_grant($1)" };

type Query = Pool["query"];

/** Carries out one command within the unit's transaction. */
export async function applyStructure(query: Query, command: StructureCommand): Promise<StructureOutcome> {
  await query(BEGIN, [command.realm]);
  const tables = await allRegistered(query, command.realm);
  switch (command.op) {
    case "table.create":
      return await create(query, command, tables);
    case "table.alter":
      return await alter(query, command, tables);
    default:
      return await drop(query, command, tables);
  }
}

/** What an alteration would do, worked out in a transaction that can only read. */
export async function planned(
  pool: Pool,
  command: AlterTable,
): Promise<{ table: Table; plan: Plan } | StructureRefusal> {
  return await pool.transaction(async (query) => {
    const tables = await allRegistered(query, command.realm);
    const worked = alterationOf(tables, command);
    if ("status" in worked) return worked;
    if (!(await inTable(query, worked.table, "read"))) throw changed(worked.table);
    return { table: worked.table, plan: await planFor(query, worked, tables) };
  });
}

async function create(query: Query, command: CreateTable, tables: readonly Table[]): Promise<StructureOutcome> {
  const refusal = creationRefusal(tables, command);
  if (refusal) return refusal;
  if (tables.length >= TABLES_PER_REALM_MAX) return { status: "full", most: TABLES_PER_REALM_MAX };
  if ((await registeredInAll(query)) >= TABLES_MAX) return { status: "full", most: TABLES_MAX };

  await query(HOME, []).catch(refuseHome);
  const { realm, name, columns } = command;
  const number = await freshNumber(query);
  const table = await register(query, { realm, name, number, relation: relationOf(realm, name, number), columns });
  await run(query, table, creation(table, relationsOf([...tables, table])));
  await query(GRANT, [table.relation]);
  return { status: "created", table };
}

function refuseHome(error: unknown): never {
  const { cause } = error as { cause?: { code?: string } };
  if (cause?.code !== "42501") throw error;
  const words =
    "Tables need a schema of their own, which the server's database user may not make; grant it CREATE on the database";
  throw new Fault("not_configured", words, { cause: error });
}

async function alter(query: Query, command: AlterTable, tables: readonly Table[]): Promise<StructureOutcome> {
  const worked = alterationOf(tables, command);
  if ("status" in worked) return worked;
  const { table, columns, changes, others } = worked;
  if (changes.length === 0 && sameOrder(table, columns)) {
    return { status: "altered", table, plan: { statements: [], losses: [], obstacles: [] } };
  }

  await query(ENTER, [table.number]);
  // The rows are counted and changed under one lock: what the plan says of them stays true.
  await execute(query, `LOCK TABLE ${identifier(table.relation)} IN ACCESS EXCLUSIVE MODE`);
  const plan = await planFor(query, worked, tables);
  if (plan.obstacles.length > 0) return { status: "obstructed", plan };
  if (plan.losses.length > 0 && !command.lossy) return { status: "lossy", plan };
  for (const statement of plan.statements) await execute(query, statement);
  await leaveTables(query);

  for (const other of others) await reregister(query, other, other.columns);
  return { status: "altered", table: await reregister(query, table, columns), plan };
}

async function drop(query: Query, command: DropTable, tables: readonly Table[]): Promise<StructureOutcome> {
  const refusal = dropRefusal(tables, command.name);
  if (refusal) return refusal;
  const table = tables.find(({ name }) => name === command.name)!;
  await run(query, table, removal(table));
  await unregister(query, table);
  return { status: "dropped", table };
}

async function planFor(query: Query, worked: Alteration, tables: readonly Table[]): Promise<Plan> {
  const questions = questionsOf(worked.changes);
  const relations = relationsOf(tables);
  const counts = await countsOf(query, questions, { alteration: worked, relationOf: relations });
  return planOf(alteration(worked.table, worked.changes, relations), { questions, counts });
}

/** Runs the statements with the table locked and the schema of users' tables before them. */
async function run(query: Query, table: Table, statements: readonly string[]): Promise<void> {
  await query(ENTER, [table.number]);
  for (const statement of statements) await execute(query, statement);
  await leaveTables(query);
}

async function execute(query: Query, text: string): Promise<void> {
  await query({ name: "", text }, []);
}

function sameOrder(table: Table, columns: Table["columns"]): boolean {
  return table.columns.every(({ name }, index) => columns[index]?.name === name);
}
