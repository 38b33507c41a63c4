/** The only list of capabilities: adding one is a folder and a line here. */
import type { Capability } from "../kernel/capability.ts";
import { access } from "./access/mod.ts";
import { channels } from "./channels/mod.ts";
import { documents } from "./documents/mod.ts";
import { files } from "./files/mod.ts";
import { queues } from "./queues/mod.ts";
import { server } from "./server/mod.ts";
import { tables } from "./tables/mod.ts";

const offered: readonly Capability[] = [channels, documents, queues, tables, files, access];

/** All of them; the server's own tells of the others. */
export const capabilities: readonly Capability[] = [...offered, server(offered)];
