/** What PostgreSQL holds, which is the truth that clients are held against. */
import type { Cluster } from "../scenario.ts";
import type { Channel, Row } from "./history.ts";

/** What is stored in these channels, in the order of ids within each. */
export async function tableOf(cluster: Cluster, channels: readonly Channel[]): Promise<Row[]> {
  const sql = `
    SELECT s.subject AS channel, e.id::text, coalesce(e.data::json->'metadata'->>'k', '') AS key
    FROM journal_entries e JOIN journal_subjects s ON ${await joined(cluster)}
    WHERE s.realm = 'channels' AND s.subject = ANY ($1) ORDER BY s.subject, e.id`;
  return (await cluster.query(sql, [channels.map(({ id }) => id)])) as unknown as Row[];
}

/** The last id of each of these channels; a channel without messages has none. */
export async function lastIds(cluster: Cluster, channels: readonly Channel[]): Promise<Map<string, string>> {
  const sql = `
    SELECT s.subject AS channel, max(e.id::text) AS last
    FROM journal_entries e JOIN journal_subjects s ON ${await joined(cluster)}
    WHERE s.realm = 'channels' AND s.subject = ANY ($1) GROUP BY s.subject`;
  const rows = await cluster.query(sql, [channels.map(({ id }) => id)]);
  return new Map(rows.map(({ channel, last }) => [String(channel), String(last)]));
}

async function joined(cluster: Cluster): Promise<string> {
  const columns = await cluster.query(
    "SELECT 1 FROM information_schema.columns WHERE table_name = 'journal_entries' AND column_name = 'subject_number'",
  );
  return columns.length > 0 ? "s.number = e.subject_number" : "s.realm = e.realm AND s.subject = e.subject";
}
