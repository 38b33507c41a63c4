/**
 * What the database's errors mean: the one place where SQLSTATE and socket errors become Faults.
 * A Fault made here never carries SQL, names of tables or the server's words; those stay in its `cause`, for the log.
 */
import { Fault } from "../../core/ports/fault.ts";

/**
 * What went wrong with one statement. `lost`: the connection went away, so nobody knows whether it took effect. `busy`: the server gave up and undid
 * it (timeouts, no room, read-only). `behind`: tables or functions are missing, since nobody has migrated. `contended`: undone as well, and the same statement may run again at once.
 * `text`: a value that no PostgreSQL text can hold. `other`: the rest.
 */
export type Failure = "lost" | "busy" | "behind" | "contended" | "text" | "other";

const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Deadlock, serialization. */
const CONTENDED = /^40(001|P01)$/;
/** Resources, lock timeout, statement timeout, idle transaction, read-only, cannot connect now. */
const BUSY = /^(53...|55P03|57014|57P03|25P03|25006)$/;
/** Connection exceptions, and sessions the server ended. */
const LOST = /^(08...|57P0[1245])$/;
/** Undefined table, column, function, schema. */
const BEHIND = /^(42P01|42703|42883|3F000)$/;
const TEXT = /^(22021|22P05)$/;
/** How the driver and the sockets of the three runtimes speak of a connection that is gone. */
const LOST_WORDS =
  /connection|connect|not queryable|socket|timeout|calling end|ECONN|EPIPE|ENOENT|ENOTFOUND|EAI_AGAIN/i;

/** The kind of failure behind an error of the driver. */
export function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return "other";
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  if (SQLSTATE.test(code) && "severity" in error) {
    if (CONTENDED.test(code)) return "contended";
    if (BUSY.test(code)) return "busy";
    if (LOST.test(code)) return "lost";
    if (BEHIND.test(code)) return "behind";
    return TEXT.test(code) ? "text" : "other";
  }
  if (error instanceof TypeError || error instanceof RangeError) return "other";
  return LOST_WORDS.test(`${code} ${error.message}`) ? "lost" : "other";
}

/** The Fault for a statement that failed; `lost` has the words for a connection that went away meanwhile. */
export function faultOf(error: unknown, lost = "The connection to the database was lost; retry."): Fault {
  switch (failureOf(error)) {
    case "lost":
      return new Fault("unavailable", lost, { cause: error });
    case "busy":
    case "contended":
      return new Fault("unavailable", "The database is busy and stored nothing; retry.", { cause: error });
    case "behind":
      return new Fault(
        "unavailable",
        "The database is not migrated for this release and stored nothing; retry later.",
        {
          cause: error,
        },
      );
    case "text":
      return new Fault("invalid_input", "Text may not contain the character U+0000.", {
        cause: error,
      });
    default:
      return new Fault("internal", "The database failed.", { cause: error });
  }
}

/** The Fault for a connection that could not be had: nothing was sent. */
export function unreached(error: unknown): Fault {
  return new Fault("unavailable", "The database cannot be reached; nothing was stored. Retry.", { cause: error });
}
