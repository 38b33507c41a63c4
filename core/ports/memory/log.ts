/**
 * A log that keeps its lines: tests read what was written.
 */
import { type Log, type LogLevel, logLevels } from "../log.ts";

export interface MemoryLog extends Log {
  /** What was written, oldest first. */
  readonly lines: { level: LogLevel; event: string; fields: Record<string, unknown> }[];
}

/** A log that drops lines below `lowest`. */
export function memoryLog(lowest: LogLevel = "debug"): MemoryLog {
  const lines: MemoryLog["lines"] = [];
  return {
    lines,
    write(level, event, fields) {
      if (logLevels.indexOf(level) < logLevels.indexOf(lowest)) return;
      lines.push({ level, event, fields: copied(fields) });
    },
  };
}

/** A copy, so that later changes do not show; a field whose getter throws becomes the error. */
function copied(fields: Record<string, unknown> = {}): Record<string, unknown> {
  const copy: Record<string, unknown> = {};
  for (const key of Object.keys(fields)) {
    try {
      copy[key] = fields[key];
    } catch (error) {
      copy[key] = error;
    }
  }
  return copy;
}
