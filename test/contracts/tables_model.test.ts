/**
 * PostgreSQL does with rows what the memory twin does: sequences of commands are drawn at random and carried out on both, and every outcome, page and
 * sum must be the same. The tables stay from one sequence to the next, so that ids must keep in step as well.
 */
import fc from "fast-check";
import * as assert from "uvu/assert";
import type { Outcome } from "../../core/ports/database.ts";
import type { Cell } from "../../core/ports/table.ts";
import type { RowCommand, RowPage } from "../../core/ports/table_rows.ts";
import { type Counted, runModel, tell } from "../support/model_runs.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import { onEveryTwin, openMemory } from "../support/table_stores.ts";
import { PEOPLE, type Step, steps, type Tables, TEAMS } from "./tables_model.ts";
import { create } from "./tables_steps.ts";

interface Site {
  harness: StoreHarness;
  tables: Tables;
}

async function site(open: OpenStore): Promise<Site> {
  const harness = await open();
  return {
    harness,
    tables: { teams: await create(harness, "teams", TEAMS), people: await create(harness, "people", PEOPLE) },
  };
}

function commandOf(step: Step, tables: Tables): RowCommand | null {
  const table = tables.people;
  switch (step.do) {
    case "insert": {
      const conflict = step.conflict === undefined ? {} : { conflict: step.conflict };
      return { op: "table.insert", table: tables[step.into], rows: step.rows, returning: true, ...conflict };
    }
    case "update":
      return { op: "table.update", table, filter: step.filter, set: step.set, returning: true };
    case "delete":
      return { op: "table.delete", table, filter: step.filter, returning: true };
    case "disband": {
      const at = { column: "code", path: [], asText: false };
      return { op: "table.delete", table: tables.teams, filter: { is: "eq", at, value: step.code }, returning: false };
    }
    default:
      return null;
  }
}

/** What one twin makes of a step. */
async function did({ harness, tables }: Site, step: Step): Promise<unknown> {
  const command = commandOf(step, tables);
  if (command === null) return pagesOf({ harness, tables }, step);
  const result = await harness.database.commit([command]);
  return result.committed ? result.outcomes[0] : refusalIn(result.outcome);
}

/** A row may break several rules at once, of which each twin names one. */
function refusalIn(outcome: Outcome): unknown {
  return { status: outcome.status };
}

async function pagesOf({ harness, tables }: Site, step: Step): Promise<RowPage[]> {
  const pages: RowPage[] = [];
  let after: Cell[] | null = null;
  do {
    const page: RowPage = await pageOf({ harness, tables }, { step, after });
    pages.push(page);
    after = page.next;
  } while (after !== null);
  return pages;
}

function pageOf({ harness, tables }: Site, { step, after }: { step: Step; after: Cell[] | null }): Promise<RowPage> {
  const table = tables.people;
  const place = (column: string) => ({ as: column, at: { column, path: [], asText: false } });
  if (step.do === "read") {
    const select = ["id", ...PEOPLE.map(({ name }) => name)].map(place);
    const { filter, order, limit } = step;
    return harness.database.tables.read({ table, select, filter, order, after, limit });
  }
  if (step.do !== "aggregate") throw new Error(`${step.do} is no read`);
  const { filter, by, of, limit } = step;
  const order = by.map((as) => ({ as, descending: false, nullsFirst: false }));
  return harness.database.tables.aggregate({ table, filter, by: by.map(place), of, order, after, limit });
}

const everything: Step = {
  do: "read",
  filter: { is: "and", of: [] },
  order: [{ at: { column: "id", path: [], asText: false }, descending: false, nullsFirst: false }],
  limit: 1_000,
};

async function clear({ harness, tables }: Site): Promise<void> {
  const filter = { is: "and", of: [] } as const;
  const rows = [tables.people, tables.teams].map(
    (table) => ({ op: "table.delete", table, filter, returning: false }) as const,
  );
  const result = await harness.database.commit(rows);
  assert.ok(result.committed, JSON.stringify(result));
}

interface Sites {
  model: Site;
  real: Site;
  close(): Promise<void>;
}

async function sites(openModel: OpenStore, openReal: OpenStore): Promise<Sites> {
  const [model, real] = await Promise.all([site(openModel), site(openReal)]);
  return {
    model,
    real,
    close: async () => void (await Promise.all([model.harness.close(), real.harness.close()])),
  };
}

async function holds(sequence: readonly Step[], { model, real }: Sites, counted: Counted): Promise<void> {
  await Promise.all([clear(model), clear(real)]);
  for (const step of [...sequence, everything]) {
    counted.steps += 1;
    const wanted = await did(model, step);
    assert.equal(await did(real, step), wanted, JSON.stringify(step));
    if (step !== everything) tell(counted, (wanted as { status?: string }).status === "violates" ? "refused" : "taken");
  }
}

onEveryTwin(
  (twin, open) => {
    if (twin === "memory") return;
    runModel({
      name: `rows of tables, ${twin}`,
      of: "commands",
      sequences: fc.array(steps, { minLength: 4, maxLength: 24, size: "max" }),
      open: () => sites(openMemory, open),
      holds,
      // A model that refuses nearly all, or nothing, would prove little.
      wanted: (runs) => ({ kinds: ["refused", "taken"], times: runs / 10 }),
    });
  },
  () => undefined,
);
