/**
 * Plans: what an operation is going to store, as commands of one unit, before any of it is. An operation carries its own plan out; a batch carries out
 * many together, so that there is one implementation for both.
 */
import type { Command, Outcome } from "../ports/database.ts";
import type { Fault } from "../ports/fault.ts";
import { commitAndHand } from "./commit.ts";
import type { Context } from "./context.ts";

/** Outcomes are those of this plan's own commands, in their order. Everything but `discard` is pure: it may be called more than once. */
export interface Plan<Answer> {
  commands: readonly Command[];
  /** Further commands of the same unit, made of the outcomes: see `Database.commit`. */
  further?(outcomes: readonly Outcome[]): readonly Command[];
  /** What the caller learns once all is stored. */
  answer(outcomes: readonly Outcome[]): Answer;
  /** Why nothing was stored, from the outcome of the command at `index`; the commands of `further` follow those of `commands`. */
  refusal(outcome: Outcome, index: number): Fault;
  /** Whether that is because the plan was made of something that has changed meanwhile, so that it should be made again. */
  isOutdated?(outcome: Outcome, index: number): boolean;
  /** What is knocked after the commit, beside the subjects that were appended to. */
  knocks?: readonly string[];
  /** Takes back what was prepared elsewhere for what is certainly not stored, for example objects. */
  discard?(): Promise<void>;
}

/** How often a plan is made in all. */
const TRIES = 5;

/** Makes the plan and carries it out; throws its refusal. */
export async function carryOut<Answer>(
  context: Pick<Context, "database" | "knocks" | "bus">,
  make: () => Promise<Plan<Answer>>,
): Promise<Answer> {
  for (let tries = 1; ; tries += 1) {
    const plan = await make();
    const result = await commitAndHand(context, plan.commands, plan.further?.bind(plan));
    if (result.committed) {
      if (plan.knocks !== undefined && plan.knocks.length > 0) context.bus.knock(plan.knocks);
      return plan.answer(result.outcomes.slice(0, plan.commands.length));
    }
    await plan.discard?.();
    const { outcome, failed } = result;
    if (tries === TRIES || !plan.isOutdated?.(outcome, failed)) throw plan.refusal(outcome, failed);
  }
}

/** Several plans as one, whose answer has theirs in order; `blame` says in the fault which of them was refused. */
export function joined(plans: readonly Plan<unknown>[], blame: (fault: Fault, at: number) => Fault): Plan<unknown[]> {
  const commands = plans.flatMap((plan) => plan.commands);
  const spans = spansOf(plans.map((plan) => plan.commands.length));
  /** How many commands each plan has added. */
  let added: Span[] = [];
  const own = (outcomes: readonly Outcome[], at: number) => outcomes.slice(spans[at]!.start, spans[at]!.end);

  /** The plan to which the command of this index belongs, and its place there. */
  function ownerOf(index: number): { at: number; place: number } {
    const among = index < commands.length ? spans : added;
    const further = index - (among === spans ? 0 : commands.length);
    const at = among.findIndex(({ end }) => further < end);
    const place = further - among[at]!.start + (among === spans ? 0 : plans[at]!.commands.length);
    return { at, place };
  }

  return {
    commands,
    ...(plans.some((plan) => plan.further !== undefined) && {
      further(outcomes: readonly Outcome[]) {
        const more = plans.map((plan, at) => plan.further?.(own(outcomes, at)) ?? []);
        added = spansOf(more.map(({ length }) => length));
        return more.flat();
      },
    }),
    answer: (outcomes) => plans.map((plan, at) => plan.answer(own(outcomes, at))),
    refusal(outcome, index) {
      const { at, place } = ownerOf(index);
      return blame(plans[at]!.refusal(outcome, place), at);
    },
    isOutdated(outcome, index) {
      const { at, place } = ownerOf(index);
      return plans[at]!.isOutdated?.(outcome, place) ?? false;
    },
    knocks: [...new Set(plans.flatMap((plan) => plan.knocks ?? []))],
    async discard() {
      await Promise.all(plans.map((plan) => plan.discard?.()));
    },
  };
}

interface Span {
  start: number;
  end: number;
}

function spansOf(lengths: readonly number[]): Span[] {
  let end = 0;
  return lengths.map((length) => {
    const start = end;
    end += length;
    return { start, end };
  });
}
