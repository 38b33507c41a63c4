/**
 * The journal in memory: the reference model of `core/ports/journal.ts`.
 * Every command runs to its end before another begins, which is what the subject's lock gives elsewhere.
 */
import type { Clock } from "../clock.ts";
import type { Ids } from "../ids.ts";
import {
  type AppendEntries,
  type CloseSubject,
  type Journal,
  type JournalOutcome,
  KEY_KEPT_MS,
  type OpenSubject,
} from "../journal.ts";
import {
  appendTo,
  boundsOf,
  dropFrom,
  expired,
  newestIn,
  newSubject,
  readFrom,
  receipt,
  type Subject,
  type UsedKey,
} from "./subject.ts";

type Command = OpenSubject | CloseSubject | AppendEntries;
type Appended = Awaited<ReturnType<Journal["append"]>>;
type Undo = (() => void)[];

export interface MemoryJournal {
  readonly journal: Journal;
  /** Carries out one command and adds to `undo` what takes it back. */
  apply(command: Command, undo: Undo): JournalOutcome;
}

/** An empty journal; `dropped` is told the object key of every blob whose entry goes. */
export function memoryJournal(ports: {
  clock: Clock;
  ids: Ids;
  dropped: (key: string) => void;
  waits: (key: string) => boolean;
}): MemoryJournal {
  const subjects = new Map<string, Subject>();
  const now = () => ports.clock.now().getTime();
  const noise = () => ports.ids.bytes(10);
  const find = (realm: string, subject: string) => subjects.get(nameOf(realm, subject));
  const forgotten = (used: UsedKey) => now() - used.usedAt >= KEY_KEPT_MS;

  function create(command: Command, undo: Undo): Subject {
    const name = nameOf(command.realm, command.subject);
    const subject = newSubject(command, now());
    subjects.set(name, subject);
    undo.push(() => subjects.delete(name));
    return subject;
  }

  function open(command: OpenSubject, undo: Undo): JournalOutcome {
    if (find(command.realm, command.subject)) return { status: "exists" };
    create(command, undo);
    return { status: "opened" };
  }

  function close(command: CloseSubject, undo: Undo): JournalOutcome {
    const subject = find(command.realm, command.subject);
    if (!subject || subject.closed) return { status: "closed" };
    if (command.ifIdleMs !== undefined && now() - subject.touchedAt < command.ifIdleMs) return { status: "active" };
    subject.closed = true;
    undo.push(() => {
      subject.closed = false;
    });
    return { status: "closed" };
  }

  function append(command: AppendEntries, undo: Undo): Appended {
    const present = find(command.realm, command.subject);
    if (command.ifOpen && (!present || present.closed)) return { status: "closed" };
    const { key, fingerprint } = command;
    const used = key === undefined ? undefined : present?.keys.get(key);
    if (used && !forgotten(used)) {
      if (used.fingerprint !== fingerprint) return { status: "mismatch" };
      return { status: "replayed", entries: used.entries.map(receipt) };
    }

    const subject = present ?? create(command, undo);
    const { lastId, touchedAt } = subject;
    const { length } = subject.entries;
    undo.push(() => {
      Object.assign(subject, { lastId, touchedAt });
      subject.entries.length = length;
    });
    const entries = appendTo(subject, command, { now: now(), noise });
    if (key !== undefined) {
      subject.keys.set(key, { fingerprint, usedAt: now(), entries: entries.map(receipt) });
      undo.push(() => (used ? subject.keys.set(key, used) : subject.keys.delete(key)));
    }
    return { status: "appended", entries, previous: lastId };
  }

  const journal: Journal = {
    append: async (command) => append(command, []),
    read: async (realm, subject, after, limit) => readFrom(find(realm, subject), { after, limit, now: now() }),
    newest: async (realm, subject) => newestIn(find(realm, subject), now()),
    bounds: async (realm, subjects) => subjects.map((subject) => boundsOf(find(realm, subject), now())),
    async expire(limit) {
      let count = 0;
      for (const subject of subjects.values()) {
        for (const [key, used] of subject.keys) if (forgotten(used)) subject.keys.delete(key);
        const gone = subject.entries.filter((entry) => expired(entry, now())).slice(0, limit - count);
        for (const key of dropFrom(subject, gone)) ports.dropped(key);
        count += gone.length;
      }
      return count;
    },
    async idle(realm, idleMs, limit) {
      const latest = now() - idleMs;
      const idle = [...subjects.values()].filter((subject) => subject.closed || subject.touchedAt <= latest);
      return idle
        .filter((subject) => subject.realm === realm)
        .slice(0, limit)
        .map((subject) => subject.name);
    },
    async remove(realm, subject, limit) {
      const found = find(realm, subject);
      if (!found) return true;
      if (!found.closed) return false;
      for (const key of dropFrom(found, found.entries.slice(0, limit))) ports.dropped(key);
      return found.entries.length === 0 && subjects.delete(nameOf(realm, subject));
    },
    async holds(realm, subject, id) {
      return find(realm, subject)?.entries.some((entry) => entry.id === id) ?? false;
    },
    async referenced(keys) {
      const entries = [...subjects.values()].flatMap((subject) => subject.entries);
      const held = new Set(entries.map(({ blob }) => blob?.key));
      return [...new Set(keys)].filter((key) => held.has(key) || ports.waits(key));
    },
  };

  return {
    journal,
    apply(command, undo) {
      if (command.op === "journal.open") return open(command, undo);
      return command.op === "journal.close" ? close(command, undo) : append(command, undo);
    },
  };
}

function nameOf(realm: string, subject: string): string {
  return JSON.stringify([realm, subject]);
}
