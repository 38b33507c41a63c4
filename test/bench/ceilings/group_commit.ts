/** PostgreSQL's own group commit, as plain as it can be from Node: all that waits goes into one INSERT … SELECT unnest, one statement at a time. */
import type pg from "pg";

/** One INSERT a message. */
export const INSERT_ONE = {
  name: "insert_one",
  text: "INSERT INTO ceiling (channel, data) VALUES ($1, $2) RETURNING id",
} as const;

const INSERT_ALL = {
  name: "insert_all",
  text: "INSERT INTO ceiling (channel, data) SELECT * FROM unnest($1::text[], $2::text[]) RETURNING id",
} as const;

/** The table of the ceilings: one index, nothing else to keep. */
export async function makeTable(client: pg.Client): Promise<void> {
  await client.query(
    "CREATE TABLE IF NOT EXISTS ceiling (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, channel text NOT NULL, data text NOT NULL)",
  );
}

/** Stores many messages in one statement and returns their ids. */
export async function insertAll(client: pg.Client, channels: string[], data: string[]): Promise<string[]> {
  const { rows } = await client.query<{ id: string }>({ ...INSERT_ALL, values: [channels, data] });
  return rows.map(({ id }) => id);
}

/** A way to store one message that shares its commit with all who wait. */
export function groupCommit(client: pg.Client): (channel: string, data: string) => Promise<string> {
  let waiting: { channel: string; data: string; resolve: (id: string) => void; reject: (error: unknown) => void }[] =
    [];
  let running = false;

  async function run(): Promise<void> {
    running = true;
    await Promise.resolve();
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        const ids = await insertAll(
          client,
          batch.map(({ channel }) => channel),
          batch.map(({ data }) => data),
        );
        for (const [index, { resolve }] of batch.entries()) resolve(ids[index]!);
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    running = false;
  }

  return (channel, data) =>
    new Promise((resolve, reject) => {
      waiting.push({ channel, data, resolve, reject });
      if (!running) void run();
    });
}
