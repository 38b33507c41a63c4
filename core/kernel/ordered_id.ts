/** Ids in the order of their making, as far as the clocks of processes agree: a list by them comes newest first without another index. */
import { uuid7 } from "../ports/uuid7.ts";
import type { House } from "./context.ts";

/** A UUIDv7 of this moment. */
export function orderedId({ clock, ids }: Pick<House, "clock" | "ids">): string {
  return uuid7(clock.now().getTime(), ids.bytes(10));
}
