/** One shape for every capability: named operations, and the duties that keep its data in order. */
import type { Duty } from "./duty.ts";
import type { Declared, Operation } from "./operation.ts";

export interface Capability {
  /** The folder's name. */
  name: string;
  /** A heading and a sentence for the reference. */
  title: string;
  about: string;
  operations: { [name: string]: Declared };
  duties: readonly Duty[];
}

/** The operations of the capabilities with their full names, in declared order. */
export function operationsOf(capabilities: readonly Capability[]): Operation[] {
  return capabilities.flatMap((capability) =>
    Object.entries(capability.operations).map(([name, operation]) => ({
      ...operation,
      name: `${capability.name}.${name}`,
    })),
  );
}
