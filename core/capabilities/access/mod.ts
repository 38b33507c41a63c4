/** Access to the data modes: tokens with scopes, made and ended by the holder of the service token. Who may come in is decided in the corridor. */
import type { Capability } from "../../kernel/capability.ts";
import { create } from "./create.ts";
import { list } from "./list.ts";
import { revoke } from "./revoke.ts";

export const access: Capability = {
  name: "access",
  title: "Access",
  about:
    "The data modes are open to holders of the service token (DATASTORE_TOKEN) and of tokens made with it. A token has scopes: a mode, reading or writing, and optionally a name or the beginning of names.",
  operations: { create, list, revoke },
  duties: [],
};
