/** One shape for every capability: named operations, and the duties that keep its data in order. */
import type { JsonObject } from "../ports/json.ts";
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
  /** Set where the capability is a data mode, which describes itself. */
  mode?: DataMode;
}

/** What a data mode says of itself. */
export interface DataMode {
  name: "document" | "queue" | "sql" | "file";
  /** The path whose GET answers the manual. */
  root: string;
  /** JSON Schema of one record. */
  shape: JsonObject;
  note: string;
  /** Markdown, with a tour of curl lines that a test runs: `$BASE` is the server, `$TOKEN` the token. */
  manual: string;
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
