/** The subjects of knocks, and their distribution inside a process: one listener on the bus, many who wait. */
import type { Bus } from "../ports/bus.ts";
import type { Entry } from "../ports/journal.ts";

export const knockOf = {
  journal: (realm: string, subject: string) => `journal/${realm}/${subject}`,
  /** Jobs of the queue may have become claimable, or may become so earlier than was thought. */
  queue: (realm: string, queue: string) => `queue/${realm}/${queue}`,
  /** The job has ended. */
  job: (realm: string, queue: string, id: string) => `job/${realm}/${queue}/${id}`,
  credential: (id: string) => `credential/${id}`,
};

/** Whether one of the knocks is on a credential, or may have been. */
export function concernsCredentials(subjects: readonly string[] | "all"): boolean {
  const start = knockOf.credential("");
  return subjects === "all" || subjects.some((subject) => subject.startsWith(start));
}

/** Entries that this process has just appended to a subject: whoever stands at `previous` has everything with them. */
export interface Handed {
  previous: string;
  entries: readonly Entry[];
}

export interface Knocks {
  /** Calls `heard` at each knock on the subject, and when knocks may have been lost. Returns the function that ends it. */
  on(subject: string, heard: (handed: Handed | null) => void): () => void;
  /** Calls `heard` with every subject, or "all". */
  onEvery(heard: (subjects: readonly string[] | "all") => void): void;
  /** Knocks; those who wait in this process are handed what was appended. */
  hand(subject: string, handed: Handed): void;
}

export function createKnocks(bus: Bus, signal: AbortSignal): Knocks {
  const waiting = new Map<string, Set<(handed: Handed | null) => void>>();
  const every: ((subjects: readonly string[] | "all") => void)[] = [];
  /** The bus tells this process before `knock` returns, so this stands exactly while those who wait here hear it. */
  let inHand: Handed | null = null;

  bus.listen((subjects) => {
    for (const heard of every) heard(subjects);
    const sets = subjects === "all" ? [...waiting.values()] : subjects.map((subject) => waiting.get(subject));
    for (const set of sets) for (const heard of [...(set ?? [])]) heard(inHand);
  }, signal);

  return {
    on(subject, heard) {
      const set = waiting.get(subject) ?? new Set();
      waiting.set(subject, set.add(heard));
      return () => {
        set.delete(heard);
        if (set.size === 0 && waiting.get(subject) === set) waiting.delete(subject);
      };
    },
    onEvery: (heard) => void every.push(heard),
    hand(subject, handed) {
      inHand = handed;
      try {
        bus.knock([subject]);
      } finally {
        inHand = null;
      }
    },
  };
}
