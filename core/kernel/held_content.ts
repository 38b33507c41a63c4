/** Long answers end with the right to them: a body that is still being sent breaks off once a credential of its reader no longer holds. */
import { Fault } from "../ports/fault.ts";
import type { House } from "./context.ts";
import type { Principal } from "./credential.ts";
import type { Content } from "./operation.ts";
import { allHold, LOOK_MS } from "./revoked.ts";

/** The content as it is, but for a stream to somebody whose credentials can end. */
export function heldContent(
  house: Pick<House, "credentials" | "clock">,
  content: Content,
  principals: readonly Principal[],
): Content {
  const holds = principals.flatMap((principal) => principal.holds);
  if (holds.length === 0 || !(content.body instanceof ReadableStream)) return content;
  return { ...content, body: whileHeld(house, content.body, holds) };
}

function whileHeld(
  { credentials, clock }: Pick<House, "credentials" | "clock">,
  body: ReadableStream<Uint8Array>,
  holds: readonly string[],
): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  let looked = clock.elapsed();

  async function refuseEnded(): Promise<void> {
    if (clock.elapsed() - looked < LOOK_MS) return;
    looked = clock.elapsed();
    if (await allHold(credentials, holds)) return;
    await reader.cancel().catch(() => undefined);
    throw new Fault("unauthorized", "The token was revoked or has expired while the answer was being sent");
  }

  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await refuseEnded();
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      cancel: (reason) => reader.cancel(reason),
    },
    { highWaterMark: 0 },
  );
}
