/** Where log lines go: one JSON object a line, for machines. */

export const logLevels = ["debug", "info", "warn", "error"] as const;

export type LogLevel = (typeof logLevels)[number];

export interface Log {
  /**
   * Writes one line. `event` is a stable word; `fields` are its particulars and MUST NOT hold secrets.
   * It MUST NOT throw and MUST NOT block; lines below the configured level are dropped.
   */
  write(level: LogLevel, event: string, fields?: Record<string, unknown>): void;
}
