/**
 * Knocks between processes by NATS, for when there are more of them than LISTEN and NOTIFY carry well. Its messages are hints, as every knock is: nothing is
 * kept on the server, and while it is away each process finds by its own looks what others have stored.
 */
import type { Bus } from "../core/ports/bus.ts";
import type { Log } from "../core/ports/log.ts";
import { gatherKnocks } from "./knock_gatherer.ts";
import { readNatsAddress } from "./nats_address.ts";
import { linkNats } from "./nats_connection.ts";

export interface NatsOptions {
  /** See `readNatsAddress`. */
  url: string;
  /** Processes hear each other when they share this: a server may carry the knocks of many installations. Asked for until it answers. */
  installation(): Promise<string>;
  log: Log;
}

/** Opens the bus; it resolves once it listens, or at the first failure, after which it goes on trying. */
export async function openNats({ url, installation, log }: NatsOptions): Promise<Bus> {
  const address = readNatsAddress(url);
  if (address === null) throw new RangeError("the URL is none of a NATS server");
  const knocks = gatherKnocks({ send: (messages) => link.publish(messages), log });
  const link = await linkNats({
    address,
    subject: async () => `millrace.${await installation()}.knocks`,
    heard: knocks.receive,
    // Whoever listened while this process was deaf may have missed anything.
    listening: knocks.missed,
    log,
  });
  return {
    knock: knocks.knock,
    listen: knocks.listen,
    async close() {
      await knocks.close();
      await link.stop();
    },
  };
}
