/** The server about itself: whether it lives, whether it can work, which data modes it has, and its landing page. */
import type { Capability } from "../../kernel/capability.ts";
import { health, ready } from "./health.ts";
import { landing } from "./landing.ts";
import { describe, sentinelDuty } from "./self_description.ts";

/** The capability, which tells of the data modes among the others. */
export function server(others: readonly Capability[]): Capability {
  const modes = others.flatMap(({ mode }) => (mode === undefined ? [] : [mode]));
  return {
    name: "server",
    title: "Server",
    about:
      "What the server says about itself: that it lives, whether it can do its work, which data modes it has, and the page that a visitor sees first.",
    operations: { landing: landing(others), health, ready, describe: describe(modes) },
    duties: [sentinelDuty(modes)],
  };
}
