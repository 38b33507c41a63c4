/** Which of the credentials that open answers stand on no longer hold: looked up at knocks on them, and whenever asked. */
import type { Log } from "../ports/log.ts";
import type { Credentials } from "./credential.ts";
import { concernsCredentials, type Knocks, knockOf } from "./knock.ts";

/** How often a long request or answer looks whether the credentials it stands on hold, in milliseconds. */
export const LOOK_MS = 1_000;

/** Whether all of the credentials hold. */
export async function allHold(credentials: Credentials, holds: readonly string[]): Promise<boolean> {
  return (await credentials.stillValid(holds)).size === new Set(holds).size;
}

export interface Standing {
  /** Ids of the credentials that somebody stands on at present. */
  held(): string[];
  /** Told which of them no longer hold, if any. */
  gone(ids: ReadonlySet<string>): void;
}

/** Watches for the life of the process; returns the function that looks once, for who knows that a knock may have been lost. */
export function watchRevoked(
  { credentials, knocks, log }: { credentials: Credentials; knocks: Knocks; log: Log },
  { held, gone }: Standing,
): () => Promise<void> {
  async function look(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    const valid = await credentials.stillValid(ids);
    const missing = new Set(ids.filter((id) => !valid.has(id)));
    if (missing.size > 0) gone(missing);
  }

  knocks.onEvery((subjects) => {
    // Every publish knocks; only a knock on a credential is worth a walk over those who stand on some.
    if (!concernsCredentials(subjects)) return;
    const ids = subjects === "all" ? held() : held().filter((id) => subjects.includes(knockOf.credential(id)));
    look(ids).catch((error: unknown) => log.write("warn", "credential_look_failed", { error: String(error) }));
  });

  return () => look(held());
}
