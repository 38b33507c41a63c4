/** The server about itself: whether it lives, whether it can work, and its landing page. */
import type { Capability } from "../../kernel/capability.ts";
import { health, ready } from "./health.ts";
import { landing } from "./landing.ts";

export const server: Capability = {
  name: "server",
  title: "Server",
  about:
    "What the server says about itself: that it lives, whether it can do its work, and the page that a visitor sees first.",
  operations: { landing, health, ready },
  duties: [],
};
