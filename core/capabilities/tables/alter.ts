/** Changing the columns of a table, and dropping it. Values are lost only when the table's name is typed again. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { whole } from "../../kernel/fields.ts";
import { knockOf } from "../../kernel/knock.ts";
import { call } from "../../kernel/operation.ts";
import { carryOut } from "../../kernel/plan.ts";
import { USER } from "../../kernel/realm.ts";
import { requireScope } from "../../kernel/scope.ts";
import { Fault } from "../../ports/fault.ts";
import type { AlterTable, Plan as StructurePlan } from "../../ports/tables.ts";
import { alterationTold, CHANGES, subjectOf } from "./changes.ts";
import { shownTable, tableIn, targetsOf } from "./create.ts";
import { loadTable, tableName } from "./load.ts";
import { meantTable, shownFields } from "./shown.ts";
import { changedColumns, columnsOf } from "./spec.ts";
import { refusalFault, structureFault } from "./structure_words.ts";
import { planFields, planJson, tableFields, tableJson } from "./table_json.ts";

const CHANGE = "Cannot change the table";
const DROP = "Cannot drop the table";

const confirm = v.pipe(v.string(), v.description("The table's name again: that values are lost is meant"));

const WRITE = { scope: "tables", access: "write", of: "table" } as const;

export const alter = call({
  summary: "Change the columns of a table.",
  details:
    "Send all columns as they shall be: one that is missing goes, one with renamed_from keeps its values under the new name. What GET shows can be changed and sent back whole: its name, version, created_at and updated_at must then still be those of the table, and rows, their number, is not looked at. dry_run shows the SQL, what would be lost and what the rows forbid, and changes nothing. Types widen freely; where values would be lost or altered, confirm is needed; where rows forbid a change (values missing, repeated, beyond the enum or the type), it is refused with their number. A change that takes longer than 7 seconds is undone.",
  http: "PUT /sql/tables/:table",
  tool: "sql_alter_table",
  effect: "destroy",
  idempotent: true,
  needs: WRITE,
  limit: "create",
  query: ["dry_run"],
  input: v.strictObject({
    table: tableName,
    columns: changedColumns,
    confirm: v.optional(confirm),
    if_version: v.optional(whole(1, Number.MAX_SAFE_INTEGER, "Change it only if this is its version")),
    ...shownFields,
    dry_run: v.optional(v.pipe(v.boolean(), v.description("true: only show what would be done")), false),
  }),
  output: v.object({
    ...tableFields,
    applied: v.pipe(v.boolean(), v.description("Whether it was done")),
    ...planFields,
  }),
  faults: ["not_found", "conflict", "precondition_failed"],
  examples: [
    {
      input: {
        table: "people",
        name: "people",
        version: 1,
        columns: [...shownTable.columns, { name: "note", type: "text" }],
        dry_run: true,
      },
      output: {
        ...shownTable,
        applied: false,
        plan: ['ALTER TABLE "sql_people" ADD COLUMN "note" text COLLATE "C"'],
        destructive: [],
        obstacles: [],
      },
    },
  ],
  async handle(context, { table: name, columns, confirm: typed, dry_run, ...sent }) {
    refuseTypo(typed, { action: CHANGE, table: name });
    const command: AlterTable = {
      op: "table.alter",
      realm: USER,
      name,
      columns: columnsOf(columns, `${CHANGE} ${name}`),
      lossy: typed === name,
      ...(await meantTable(context, { ...sent, table: name })),
    };
    await requireTargets(context, command);
    if (dry_run) return await shown(context, command);
    return await carryOut(context, async () => ({
      commands: [command],
      further: ([outcome]) => {
        if (outcome?.status !== "altered" || outcome.plan.statements.length === 0) return [];
        return [alterationTold(outcome.table)];
      },
      answer: ([outcome]) => ({ ...tableJson(tableIn(outcome)), applied: true, ...planJson(planIn(outcome)) }),
      refusal: (outcome) => structureFault(outcome, { action: CHANGE, table: name }),
    }));
  },
});

/** Throws `forbidden` where a column comes to refer to a table that the caller may not write; references that are there already may stay. */
async function requireTargets({ database, principal }: Context, { realm, name, columns }: AlterTable): Promise<void> {
  if (principal === null || columns.every(({ references }) => references === null)) return;
  const before = await database.tables.get(realm, name);
  const known = new Set(before?.columns.map(({ references }) => JSON.stringify(references)));
  const added = columns.filter(({ references }) => !known.has(JSON.stringify(references)));
  for (const scope of targetsOf(name, added)) requireScope(principal, scope);
}

async function shown({ database }: Context, command: AlterTable) {
  const planned = await database.tables.plan(command);
  if ("status" in planned) throw refusalFault(planned, { action: CHANGE, table: command.name });
  return { ...tableJson(planned.table), applied: false, ...planJson(planned.plan) };
}

function planIn(outcome: unknown): StructurePlan {
  return (outcome as { plan: StructurePlan }).plan;
}

export const drop = call({
  summary: "Drop a table.",
  details: "Its rows go with it, and those who follow its changes are told that it ends. It cannot be undone.",
  http: "DELETE /sql/tables/:table",
  tool: "sql_drop_table",
  needs: WRITE,
  limit: "create",
  input: v.strictObject({ table: tableName, confirm }),
  output: v.object({ name: v.string(), dropped_at: v.string() }),
  faults: ["not_found", "conflict"],
  examples: [{ input: { table: "people", confirm: "people" }, output: { name: "people", dropped_at: "$TIME" } }],
  async handle(context, { table: name, confirm: typed }) {
    refuseTypo(typed, { action: DROP, table: name });
    const { number } = await loadTable(context, name);
    return await carryOut(context, async () => ({
      commands: [{ op: "table.drop", realm: USER, name }],
      further: ([outcome]) => [{ op: "journal.close", realm: CHANGES, subject: subjectOf(tableIn(outcome)) }],
      answer: () => ({ name, dropped_at: context.clock.now().toISOString() }),
      refusal: (outcome) => structureFault(outcome, { action: DROP, table: name }),
      knocks: [knockOf.journal(CHANGES, String(number))],
    }));
  },
});

function refuseTypo(typed: string | undefined, { action, table }: { action: string; table: string }): void {
  if (typed === undefined || typed === table) return;
  throw new Fault(
    "invalid_input",
    `${action} ${table}: confirm is ${JSON.stringify(typed.slice(0, 60))}; send ${table}`,
    {
      details: { field: "confirm" },
    },
  );
}
