/**
 * PostgreSQL does with rows what the memory twin does: sequences of commands are drawn at random and carried out on both, and every outcome, page and
 * sum must be the same. The tables stay from one sequence to the next, so that ids must keep in step as well.
 */
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Outcome } from "../../core/ports/database.ts";
import type { Cell } from "../../core/ports/table.ts";
import type { RowCommand, RowPage } from "../../core/ports/table_rows.ts";
import { modelRuns } from "../support/model_runs.ts";
import type { OpenStore, StoreHarness } from "../support/store_harness.ts";
import { onEveryTwin } from "../support/table_stores.ts";
import { PEOPLE, type Step, steps, type Tables, TEAMS } from "./tables_model.ts";
import { create } from "./tables_steps.ts";

const RUNS = modelRuns();
const STEPS_MOST = 8;

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

let openModel: OpenStore | null = null;

onEveryTwin(
  (twin, open) => {
    openModel ??= open;
    if (twin === "memory") return;
    const model = openModel;
    const tests = suite("rows of tables against the model");
    tests(`${RUNS} sequences of commands have the same outcomes on ${twin} and in memory`, async () => {
      const [expected, real] = await Promise.all([site(model), site(open)]);
      let refusals = 0;
      let taken = 0;
      try {
        await fc.assert(
          fc.asyncProperty(fc.array(steps, { minLength: 1, maxLength: STEPS_MOST }), async (sequence) => {
            await Promise.all([clear(expected), clear(real)]);
            for (const step of [...sequence, everything]) {
              const wanted = await did(expected, step);
              assert.equal(await did(real, step), wanted, JSON.stringify(step));
              if ((wanted as { status?: string }).status === "violates") refusals += 1;
              else taken += 1;
            }
          }),
          { numRuns: RUNS },
        );
      } finally {
        await Promise.all([expected.harness.close(), real.harness.close()]);
      }
      console.log(`${RUNS} sequences: ${taken} steps taken, ${refusals} refused, the same on both`);
      // A model that refuses nearly all, or nothing, would prove little.
      assert.ok(refusals > RUNS / 10 && taken > RUNS);
    });
    tests.run();
  },
  () => undefined,
);
