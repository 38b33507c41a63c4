/**
 * The quickest that PostgreSQL takes rows from a Node process: `COPY … FROM STDIN`, each a transaction; prints rows a second as JSON.
 * `node copy.ts DATABASE_URL ROWS CONNECTIONS SECONDS`: so many rows a statement, by so many connections.
 */
import pg from "pg";
import { COLUMNS_SQL, copyText, people } from "../people.ts";

const WARM_MS = 300;

/** The part of the driver's connection that copying needs. */
interface Connection {
  query(text: string): void;
  sendCopyFromChunk(chunk: Buffer): void;
  endCopyFrom(): void;
}

/** Copies the rows into the table, as one statement. */
function copy(client: pg.Client, rows: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const query = {
      callback: (error: Error | null) => (error ? reject(error) : resolve()),
      submit: (connection: Connection) => connection.query("COPY copied (name, email, age, pay, born) FROM STDIN"),
      handleCopyInResponse(connection: Connection) {
        connection.sendCopyFromChunk(rows);
        connection.endCopyFrom();
      },
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => query.callback(null),
      handleError: (error: Error) => query.callback(error),
    };
    client.query(query as unknown as pg.Submittable);
  });
}

const [url, size, connections, seconds] = process.argv.slice(2);
const rows = Buffer.from(copyText(people(Number(size))));
const clients = Array.from({ length: Number(connections) }, () => new pg.Client({ connectionString: url! }));
await Promise.all(clients.map((client) => client.connect()));
await clients[0]!.query(`CREATE TABLE IF NOT EXISTS copied (${COLUMNS_SQL})`);
const warm = performance.now() + WARM_MS;
const end = warm + Number(seconds) * 1_000;
let done = 0;
await Promise.all(
  clients.map(async (client) => {
    while (performance.now() < end) {
      await copy(client, rows);
      const now = performance.now();
      if (now >= warm && now < end) done += Number(size);
    }
  }),
);
console.log(JSON.stringify({ rate: done / Number(seconds) }));
process.exit(0);
