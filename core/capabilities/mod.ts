/** The only list of capabilities: adding one is a folder and a line here. */
import type { Capability } from "../kernel/capability.ts";
import { channels } from "./channels/mod.ts";
import { server } from "./server/mod.ts";

export const capabilities: readonly Capability[] = [channels, server];
