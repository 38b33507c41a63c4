/**
 * A pool of connections, each set up alike, and the two ways to use one: a statement that stands alone, or a transaction of several. What lost a
 * deadlock is undone, so either is simply run again.
 */
import pg from "pg";
import type { Log } from "../../core/ports/log.ts";
import { failureOf, faultOf, unreached } from "./failure.ts";
import { restingClients } from "./resting.ts";
import { type TextValue, textRows } from "./text_rows.ts";

export interface PoolOptions {
  /** Where the database is, as the `pg` driver wants it. */
  connection: pg.ClientConfig;
  /** The schema that holds everything: `[a-z_][a-z0-9_]*`, at most 48 characters. */
  schema: string;
  /** Milliseconds added to the store's clock, for tests. */
  clockOffsetMs: number;
  /** The most connections. */
  size: number;
  log: Log;
}

/** A named prepared statement: each connection parses it once. */
export interface Statement {
  readonly name: string;
  readonly text: string;
  /** Its rows come as arrays of text (`TextRow`), and its values are text already (`TextValue`); otherwise the driver parses and prints. */
  readonly asText?: true;
}

export interface Pool {
  /** Runs the statement and returns its rows. Throws Faults only; `lost` has the words for a connection lost meanwhile. */
  query<Row extends object>(statement: Statement, values: readonly unknown[], lost?: string): Promise<Row[]>;
  /**
   * Runs `work` within one transaction of the default isolation and resolves once it is committed. When `work` throws, all is rolled back and what it
   * threw is thrown, unless a statement of it lost a deadlock or a serialization: then the whole work runs again, so it MUST NOT have effects elsewhere.
   * Its statements go through the `query` that it is given, one at a time and not after it is over; `lost` has the words for a connection lost during the commit.
   */
  transaction<T>(work: (query: Pool["query"]) => Promise<T>, lost?: string): Promise<T>;
  /** Waits for statements under way and closes all connections. */
  end(): Promise<void>;
}

const CONNECT_MS = 5_000;
const IDLE_MS = 60_000;
const LOCK_MS = 2_000;
const STATEMENT_MS = 5_000;
const IDLE_IN_TRANSACTION_MS = 2_000;
/** Longer than the server's own limits: it speaks when the server has stopped answering altogether. */
const ANSWER_MS = 8_000;
/** How often what lost a deadlock runs in all. */
const TRIES = 4;

const LOST_BEFORE = "The connection to the database was lost before the commit, so nothing was stored; retry.";
const LOST_AT_COMMIT = "The connection to the database was lost: it is unknown whether this was stored.";

/** Opens connections as they are needed; it does not connect by itself. */
export function openPool(options: PoolOptions): Pool {
  const pool = new pg.Pool({
    ...clientConfig(options.connection),
    max: options.size,
    idleTimeoutMillis: IDLE_MS,
    onConnect: (client) => prepare(client, options),
  });
  const resting = restingClients(pool, IDLE_MS);
  const lost = (error: Error) => options.log.write("warn", "database_connection_lost", { error: error.message });
  pool.on("error", lost);
  // A connection that breaks while it is lent out tells its borrower through the statement; unheard, the event would end the process.
  pool.on("connect", (client) => client.on("error", (error) => resting.drop(client) && lost(error)));

  async function attempt<Row extends object>(
    statement: Statement,
    values: readonly unknown[],
  ): Promise<{ rows: Row[] } | { error: unknown }> {
    const client = resting.take() ?? (await pool.connect().catch(refuseUnreached));
    try {
      const rows = await run<Row>(client, statement, values);
      resting.give(client);
      return { rows };
    } catch (error) {
      client.release(failureOf(error) === "lost");
      return { error };
    }
  }

  async function transact<T>(
    work: (query: Pool["query"]) => Promise<T>,
    lost: string,
  ): Promise<{ value: T } | { error: unknown; again: boolean }> {
    const client = resting.take() ?? (await pool.connect().catch(refuseUnreached));
    const steps = transactionOn(client);
    try {
      await steps.begin();
      const value = await work(steps.query);
      await steps.commit(lost);
      resting.give(client);
      return { value };
    } catch (error) {
      if (await steps.rollback()) resting.give(client);
      else client.release(true);
      return { error, again: failureOf(steps.failed()) === "contended" };
    }
  }

  return {
    async transaction(work, lost = LOST_AT_COMMIT) {
      for (let tries = 1; ; tries += 1) {
        const result = await transact(work, lost);
        if ("value" in result) return result.value;
        if (!result.again || tries === TRIES) throw result.error;
      }
    },
    async query<Row extends object>(statement: Statement, values: readonly unknown[], lost?: string): Promise<Row[]> {
      for (let tries = 1; ; tries += 1) {
        const result = await attempt<Row>(statement, values);
        if ("rows" in result) return result.rows;
        if (failureOf(result.error) !== "contended" || tries === TRIES) throw faultOf(result.error, lost);
      }
    },
    end() {
      resting.end();
      return pool.end();
    },
  };
}

async function run<Row extends object>(
  client: pg.ClientBase,
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  if (statement.asText) return (await textRows(client, statement, values as TextValue[])) as Row[];
  return (await client.query<Row>({ name: statement.name, text: statement.text, values: [...values] })).rows;
}

/** One transaction on a client, step by step. */
function transactionOn(client: pg.ClientBase) {
  let failed: unknown = null;
  let over = false;

  async function step<T>(run: () => Promise<T>, lost: string): Promise<T> {
    if (over) throw new Error("the transaction is over: a statement came after it, or was not awaited");
    try {
      return await run();
    } catch (error) {
      failed = error;
      throw faultOf(error, lost);
    }
  }

  return {
    /** The last error of a statement, as the driver gave it; null when there was none. */
    failed: () => failed,
    begin: () => step(() => client.query("BEGIN"), LOST_BEFORE),
    query: <Row extends object>(statement: Statement, values: readonly unknown[], lost = LOST_BEFORE): Promise<Row[]> =>
      step(() => run<Row>(client, statement, values), lost),
    async commit(lost: string): Promise<void> {
      const { command } = await step(() => client.query("COMMIT"), lost);
      over = true;
      // The server's answer when a statement has failed before and whoever sent it went on all the same.
      if (command === "ROLLBACK") throw faultOf(failed);
    },
    /** False when the connection is of no more use. */
    async rollback(): Promise<boolean> {
      over = true;
      if (failureOf(failed) === "lost") return false;
      return client.query("ROLLBACK").then(
        () => true,
        () => false,
      );
    },
  };
}

function refuseUnreached(error: unknown): never {
  throw unreached(error);
}

/** The connection with the time limits that every one of ours has. */
export function clientConfig(connection: pg.ClientConfig): pg.ClientConfig {
  return {
    fallback_application_name: "millrace",
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ANSWER_MS,
    ...connection,
  };
}

/** A name in double quotes, for the few places where no parameter may stand. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * Every statement here looks rows up by an index, or reads a page of one, and is planned once. A plan made while its tables are small must suit
 * large ones, since it stays until their statistics change: it may not read a table whole, nor sort what an index has in order.
 */
const PLANS = {
  plan_cache_mode: "force_generic_plan",
  enable_seqscan: "off",
  enable_bitmapscan: "off",
  enable_hashjoin: "off",
  enable_mergejoin: "off",
  jit: "off",
};

// By a statement rather than startup options, which a connection string may hold already and some poolers refuse.
async function prepare(client: pg.ClientBase, { schema, clockOffsetMs }: PoolOptions): Promise<void> {
  const settings = {
    search_path: quoted(schema),
    lock_timeout: `${LOCK_MS}`,
    statement_timeout: `${STATEMENT_MS}`,
    idle_in_transaction_session_timeout: `${IDLE_IN_TRANSACTION_MS}`,
    "millrace.clock_offset": `${Math.round(clockOffsetMs)}`,
    ...PLANS,
  };
  await client.query(
    "SELECT set_config(s.name, s.value, false) FROM unnest($1::text[], $2::text[]) AS s (name, value)",
    [Object.keys(settings), Object.values(settings)],
  );
}
