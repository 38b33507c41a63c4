/** Long requests end with the right to them: a body that is still coming in breaks off once a credential of its sender no longer holds. */
import { Fault } from "../ports/fault.ts";
import type { House } from "./context.ts";
import type { Principal } from "./credential.ts";
import { lazyReader } from "./lazy_reader.ts";
import { bodyRuleOf, type Operation } from "./operation.ts";
import { allHold, LOOK_MS } from "./revoked.ts";

export interface HeldInput {
  input: unknown;
  /** Ends the watch; to be called when the work is done. */
  release(): void;
}

type Watch = Pick<House, "credentials" | "clock" | "log">;

const release = () => undefined;

/** The input as it is, but for a streamed body from somebody whose credentials can end. */
export function heldInput(
  house: Watch,
  { operation, input }: { operation: Operation; input: unknown },
  principals: readonly Principal[],
): HeldInput {
  const field = bodyRuleOf(operation)?.stream;
  if (field === undefined) return { input, release };
  const holds = principals.flatMap((principal) => principal.holds);
  if (holds.length === 0) return { input, release };
  const fields = input as Record<string, unknown>;
  const over = new AbortController();
  const body = whileHeld(house, { body: fields[field] as ReadableStream<Uint8Array>, holds }, over.signal);
  return { input: { ...fields, [field]: body }, release: () => over.abort() };
}

/** The body; what waits for more of it is told at once, too, since a sender may be silent for long. */
function whileHeld(
  house: Watch,
  { body, holds }: { body: ReadableStream<Uint8Array>; holds: readonly string[] },
  over: AbortSignal,
): ReadableStream<Uint8Array> {
  const reader = lazyReader(body);
  let ended: Fault | null = null;
  return new ReadableStream<Uint8Array>(
    {
      start(controller) {
        void untilEnded(house, holds, over).then((isEnded) => {
          if (!isEnded) return;
          ended = revoked();
          controller.error(ended);
          void reader.cancel(ended).catch(() => undefined);
        });
      },
      async pull(controller) {
        const { done, value } = await reader.read();
        if (ended !== null) return;
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}

/** Looks until the credentials no longer hold, which is true, or until nobody cares. */
async function untilEnded({ credentials, clock, log }: Watch, holds: readonly string[], over: AbortSignal) {
  for (;;) {
    await clock.sleep(LOOK_MS, over);
    if (over.aborted) return false;
    try {
      if (!(await allHold(credentials, holds))) return !over.aborted;
    } catch (error) {
      // Nobody's right has ended with a store that is away for a moment.
      log.write("warn", "credential_look_failed", { error: String(error) });
    }
  }
}

function revoked(): Fault {
  return new Fault("unauthorized", "The token was revoked or has expired while the body was coming in");
}
