/**
 * `npm run faults`: breaks servers, PostgreSQL, the network and the object store while clients publish and read, and counts what was lost.
 * The scenarios stand in `test/faults/`; `--list` names them, `--quick` runs a short form, and the last line is `N passed, N failed`.
 */
import process from "node:process";

interface Runner {
  runFaults(words: readonly string[]): Promise<number>;
}

// By a computed path, since a script that ships works without the tests; this one is of no use without them.
const runner = (await import(new URL("../test/faults/run.ts", import.meta.url).href)) as Runner;
process.exit((await runner.runFaults(process.argv.slice(2))) > 0 ? 1 : 0);
