/**
 * `npm run bench`: figures of this server beside the ceilings of the machine it runs on. What it takes and measures: test/bench/run.ts, `--help`.
 * It is a process of its own, since a script works without the tests.
 */
import { spawn } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";

const bench = fileURLToPath(new URL("../test/bench/run.ts", import.meta.url));
const loader = fileURLToPath(new URL("typescript.mjs", import.meta.url));
const child = spawn(process.execPath, ["--import", loader, bench, ...process.argv.slice(2)], { stdio: "inherit" });
// Ctrl-C reaches both of them; the bench ends what it has started, and this one waits for it.
process.on("SIGINT", () => undefined);
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.once("exit", (code) => process.exit(code ?? 1));
