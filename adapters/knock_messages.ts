/** The form in which knocks travel between processes: JSON texts `[sender, "knock", subject…]`, or `[sender, "all"]` when there are very many. */

/** What one message says, and which process said it. */
export interface KnockMessage {
  sender: string;
  subjects: readonly string[] | "all";
}

/** PostgreSQL takes payloads below 8,000 bytes; NATS takes more wherever it has not been told otherwise. */
const MESSAGE_BYTES = 7_900;
/** More subjects than this at once travel as the one word that something changed. */
const SUBJECTS_MOST = 2_000;

/** The subjects in as few messages as fit. */
export function knockMessages(sender: string, subjects: readonly string[]): string[] {
  if (subjects.length > SUBJECTS_MOST) return [JSON.stringify([sender, "all"])];
  const bytes = (text: string) => new TextEncoder().encode(text).length;
  const messages: string[] = [];
  const head = JSON.stringify([sender, "knock"]).slice(0, -1);
  let body = "";
  let size = 0;
  for (const subject of subjects) {
    const item = `,${JSON.stringify(subject)}`;
    const itemBytes = bytes(item);
    if (size + itemBytes > MESSAGE_BYTES - head.length - 1 && size > 0) {
      messages.push(`${head}${body}]`);
      body = "";
      size = 0;
    }
    body += item;
    size += itemBytes;
  }
  if (size > 0) messages.push(`${head}${body}]`);
  return messages;
}

/** Reads a message of `knockMessages`; throws when it is none. */
export function readKnockMessage(text: string): KnockMessage {
  const parts: unknown = JSON.parse(text);
  if (!Array.isArray(parts) || !parts.every((part) => typeof part === "string")) throw new Error("no list of texts");
  const [sender, kind, ...subjects] = parts;
  if (sender === undefined || (kind !== "knock" && kind !== "all")) throw new Error(`no knock but ${kind}`);
  return { sender, subjects: kind === "all" ? "all" : subjects };
}
