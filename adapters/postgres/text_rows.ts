/**
 * Runs a prepared statement whose rows are wanted as they come, as arrays of text: for statements that run with every message. The driver's own
 * query asks the server to describe the rows each time and builds parsers and prototypes from that, which is a tenth of a lone append.
 */
import type { Buffer } from "node:buffer";
import type pg from "pg";

/** A value as text, as bytes in the type's binary form, or none. */
export type TextValue = string | Buffer | null;

/** A row with the text of each column. */
export type TextRow = (string | null)[];

/** The part of the driver's connection that is used here; its queries and cursors do the same. */
interface Connection {
  readonly stream: { cork?(): void; uncork?(): void };
  /** By name, the statements that the server has parsed. */
  readonly parsedStatements: Record<string, string>;
  parse(statement: { name: string; text: string }): void;
  bind(how: { statement: string; values: readonly TextValue[] }): void;
  execute(how: object): void;
  sync(): void;
}

/** Runs the statement, as one message to the server, and returns its rows. */
export function textRows(
  client: pg.ClientBase,
  { name, text }: { name: string; text: string },
  values: readonly TextValue[],
): Promise<TextRow[]> {
  return new Promise((resolve, reject) => {
    const rows: TextRow[] = [];
    const query = {
      name,
      text,
      // The driver puts its time limit around it.
      callback: (error: Error | null) => (error ? reject(error) : resolve(rows)),
      submit(connection: Connection) {
        const { stream, parsedStatements } = connection;
        stream.cork?.();
        try {
          if (parsedStatements[name] === undefined) connection.parse({ name, text });
          connection.bind({ statement: name, values });
          connection.execute({});
          connection.sync();
        } finally {
          stream.uncork?.();
        }
        return null;
      },
      handleDataRow: ({ fields }: { fields: TextRow }) => void rows.push(fields),
      handleCommandComplete: () => undefined,
      handleReadyForQuery: () => query.callback(null),
      handleError: (error: Error) => query.callback(error),
    };
    client.query(query as unknown as pg.Submittable);
  });
}
