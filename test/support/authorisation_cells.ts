/** The cells of the matrix of who may call what: what each caller was owed, and what came. */
import {
  type Example,
  endpointsOf,
  namesIn,
  type Operation,
  pollOf,
  scopeNeedOf,
} from "../../core/kernel/operation.ts";
import { writeScope } from "../../core/kernel/scope.ts";
import {
  type Caller,
  type Cell,
  callersOf,
  type Input,
  openWorld,
  type Sample,
  type Verdict,
  type World,
} from "./authorisation.ts";
import { type Way, ways } from "./authorisation_calls.ts";

const UUID = "00000000-0000-4000-8000-000000000000";

/** Inputs of an operation beside, or instead of, those of its examples. */
export interface Inputs {
  instead?: (world: World) => Input;
  besides?: readonly Input[];
}

/** All cells of one operation, on every face that it has, with each of its inputs. */
export async function cellsOf(operation: Operation, { instead, besides = [] }: Inputs = {}): Promise<Cell[]> {
  const need = scopeNeedOf(operation.needs);
  const sample = (input: Input): Sample => ({ input, further: (need?.also?.scopes(input) ?? []).map(writeScope) });
  const ofExamples = telling(operation).map((example) => (world: World) => sample(sampleOf(operation, example, world)));
  const inputs = [
    ...(instead === undefined ? ofExamples : [(world: World) => sample(instead(world))]),
    ...besides.map((input) => () => sample(input)),
  ];
  // What is done with a channel ends its tokens, so that each face needs a server of its own; others may share one.
  const all = ways(operation);
  const parties = need === null ? all.map((way) => [way]) : [all];
  const cells: Cell[] = [];
  for (const inputOf of inputs) for (const party of parties) cells.push(...(await cellsIn(operation, party, inputOf)));
  return cells;
}

/** Those that are refused come first: they change nothing. */
async function cellsIn(
  operation: Operation,
  party: readonly Way[],
  inputOf: (world: World) => Sample,
): Promise<Cell[]> {
  const world = await openWorld();
  const given = inputOf(world);
  const callers = await callersOf(world, operation, given);
  const isAllowed = ({ owed }: Caller) => owed === "allowed";
  const cells: Cell[] = [];
  for (const caller of [...callers.filter((one) => !isAllowed(one)), ...callers.filter(isAllowed)]) {
    for (const { face, send } of party) {
      const came = await send(world, { ...given.input, ...caller.input }, caller);
      const { who, owed } = caller;
      cells.push({ operation: operation.name, face, who, owed, came, wrong: judge(owed, came) });
    }
  }
  await world.stop();
  return cells;
}

const REFUSALS: readonly string[] = ["unauthorized", "forbidden", "not_found"];

function judge(owed: Verdict, came: string): Cell["wrong"] {
  if (owed === "allowed")
    return ["unauthorized", "forbidden", "not_configured", "internal"].includes(came) ? "refused" : null;
  if (owed === "refused") return REFUSALS.includes(came) ? null : "allowed";
  return came === owed ? null : "allowed";
}

/** The first example, and those that need further scopes. */
function telling(operation: Operation): (Example | undefined)[] {
  const [first = pollOf(operation)?.operation.examples?.[0], ...others] = operation.examples ?? [];
  const also = scopeNeedOf(operation.needs)?.also;
  return [first, ...others.filter(({ input }) => (also?.scopes(input) ?? []).length > 0)];
}

/** The example's input, with something of the right shape for what earlier steps would give. */
function sampleOf(operation: Operation, example: Example | undefined, world: World): Input {
  const { [scopeNeedOf(operation.needs)?.unless ?? ""]: _, ...input } = filled(example?.input ?? {}, world) as Input;
  const names = endpointsOf(operation).flatMap(({ path }) => namesIn(path));
  const own = Object.entries(input).filter(([name]) => Object.hasOwn(operation.input.entries, name));
  return {
    ...Object.fromEntries(names.map((name) => [name, name === "id" ? world.file : "orders"])),
    ...Object.fromEntries(own),
  };
}

/** Whether the operation may need further scopes, and none of the inputs shows when. */
export function isUntold(operation: Operation, { besides = [] }: Inputs = {}): boolean {
  const also = scopeNeedOf(operation.needs)?.also;
  const inputs = [...telling(operation).map((one) => one?.input ?? {}), ...besides];
  return also !== undefined && !inputs.some((input) => also.scopes(input).length > 0);
}

function filled(value: unknown, world: World): unknown {
  if (typeof value === "string") {
    const name = /^\$([A-Z_]+)$/.exec(value)?.[1];
    if (name === undefined) return value;
    if (name.endsWith("CHANNEL_ID")) return world.channel.id;
    return name === "FILE_ID" ? world.file : UUID;
  }
  if (Array.isArray(value)) return value.map((one) => filled(one, world));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, filled(one, world)]));
}
