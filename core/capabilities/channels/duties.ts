/** What the server does for channels by itself: expired messages, dead and idle channels, payload objects nobody refers to. */
import type { House } from "../../kernel/context.ts";
import type { Duty } from "../../kernel/duty.ts";
import { knockOf } from "../../kernel/knock.ts";
import { sweepOrphans } from "../../kernel/orphans.ts";
import type { Command } from "../../ports/database.ts";
import { CHANNELS, fromDocument, grantsOf, REALM } from "./channel.ts";
import { objectPrefix } from "./message.ts";

const BATCH = 500;
const HOUR_MS = 3_600_000;
/** A channel without a published message for this long goes with all its data. */
export const IDLE_MS = 30 * 24 * HOUR_MS;
/** Objects wait this long after their rows, so that a reader who has just read the row still finds the bytes. */
export const OBJECT_GRACE_MS = 600_000;

const expireMessages: Duty = {
  name: "channels.expire",
  everyMs: 30_000,
  async run({ database }, signal) {
    const messages = await untilDone(signal, () => database.journal.expire(BATCH));
    const credentials = await untilDone(signal, () => database.documents.expire(BATCH));
    return { messages, credentials };
  },
};

const deleteObjects: Duty = {
  name: "channels.delete_objects",
  everyMs: 60_000,
  async run({ database, objects, log }, signal) {
    const deleted = await untilDone(signal, async () => {
      const gone: string[] = [];
      for (const key of await database.objectDeletions.due(OBJECT_GRACE_MS, BATCH)) {
        if (signal.aborted) break;
        // One object that cannot be removed must not keep the others; it stays queued.
        const removed = await objects.remove(key).then(
          () => true,
          (error) => void log.write("warn", "object_not_removed", { key, error: String(error) }),
        );
        if (removed) gone.push(key);
      }
      await database.objectDeletions.done(gone);
      return gone.length;
    });
    return { objects: deleted };
  },
};

const removeChannels: Duty = {
  name: "channels.remove",
  everyMs: 60_000,
  async run(house, signal) {
    const removed = await untilDone(signal, async () => {
      const subjects = await house.database.journal.idle(REALM, IDLE_MS, BATCH);
      let gone = 0;
      for (const subject of subjects) if (!signal.aborted && (await removeChannel(house, subject, signal))) gone += 1;
      return gone;
    });
    return { channels: removed };
  },
};

/** Closes the channel if nobody has published meanwhile, then removes rights, record and messages. False when it came back to life. */
async function removeChannel(house: House, id: string, signal: AbortSignal): Promise<boolean> {
  const { database, credentials, bus, clock } = house;
  const document = await database.documents.get(REALM, CHANNELS, id);
  const [bounds] = await database.journal.bounds(REALM, [id]);
  if (bounds?.state === "open") {
    const unit: Command[] = [{ op: "journal.close", realm: REALM, subject: id, ifIdleMs: IDLE_MS }];
    if (document !== null) {
      // Deleted for everybody from here on, so that nothing is added while it is taken apart.
      const body = { ...document.body, deleted_at: clock.now().toISOString() };
      unit.push({ op: "document.put", realm: REALM, collection: CHANNELS, id, body, ifVersion: document.version });
    }
    if (!(await database.commit(unit)).committed) return false;
    bus.knock([knockOf.journal(REALM, id)]);
  }
  while (!signal.aborted) {
    const grants = await database.documents.list(REALM, grantsOf(id), "", BATCH);
    if (grants.length === 0) break;
    await database.commit(
      grants.flatMap((grant): Command[] => [
        credentials.revocation(grant.body.credential as string),
        { op: "document.remove", realm: REALM, collection: grantsOf(id), id: grant.id },
      ]),
    );
  }
  if (signal.aborted) return false;
  if (document !== null) {
    await database.commit([
      credentials.revocation(fromDocument(document).publishCredential),
      { op: "document.remove", realm: REALM, collection: CHANNELS, id },
    ]);
  }
  while (!signal.aborted) if (await database.journal.remove(REALM, id, BATCH)) return true;
  return false;
}

const removeOrphans: Duty = {
  name: "channels.remove_orphans",
  everyMs: HOUR_MS,
  async run(house, signal) {
    const { referenced } = house.database.journal;
    return { orphans: await sweepOrphans(house, { prefix: await objectPrefix(house), referenced, signal }) };
  },
};

/** Repeats a batch until one finds nothing more to do; returns the sum. */
async function untilDone(signal: AbortSignal, batch: () => Promise<number>): Promise<number> {
  let sum = 0;
  while (!signal.aborted) {
    const done = await batch();
    sum += done;
    if (done < BATCH) break;
  }
  return sum;
}

export const duties: readonly Duty[] = [expireMessages, deleteObjects, removeChannels, removeOrphans];
