/** What tests of batches share: an app with a service token, operations to send, and what is stored afterwards. */
import { channels } from "../../core/capabilities/channels/mod.ts";
import { createCredentials } from "../../core/kernel/credential.ts";
import { createKnocks } from "../../core/kernel/knock.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import type { CreatedChannel, Reply } from "./client.ts";
import { ledger } from "./ledger.ts";
import { openApp } from "./memory_app.ts";

export const SERVICE = "the-service-token-of-these-tests";
export const bearer = { Authorization: `Bearer ${SERVICE}` };

/** An app in memory with channels and the ledger, and looks into what it stores. */
export function open(settings: Parameters<typeof openApp>[0] = {}) {
  const { capability, trace } = ledger();
  const app = openApp({
    capabilities: [channels, capability],
    ...settings,
    settings: { datastoreToken: SERVICE, ...settings.settings },
  });
  const batch = (operations: unknown, headers: Record<string, string> = bearer): Promise<Reply> =>
    app.client.send("POST", "/batch", { body: operations, headers });
  const { documents, journal, queue } = app.ports.database;
  return {
    ...{ app, trace, batch },
    async stored(): Promise<unknown> {
      const [notes, jobs] = await Promise.all([
        documents.list("ledger", "notes", "", 2_000),
        queue.list("ledger", "work", "waiting", { after: null, limit: 100 }),
      ]);
      const feeds = await Promise.all(
        ["notes", "pushed-work"].map((subject) =>
          journal.read("ledger", subject, "00000000-0000-0000-0000-000000000000", 2_000),
        ),
      );
      return [notes.map(({ id }) => id), jobs.jobs.length, ...feeds.map(({ entries }) => entries.length)];
    },
    async messages(channel: CreatedChannel): Promise<unknown[]> {
      const { body } = await app.client.send("GET", `/v1/public/${channel.id}?from=earliest&wait=0`);
      return body.messages.map(({ payload }: { payload: unknown }) => payload);
    },
  };
}

/** Operations of batches. */
export const put = (key: string, more: JsonObject = {}) => ({
  op: "ledger.put",
  namespace: "notes",
  key,
  payload: 1,
  ...more,
});
export const push = (more: JsonObject = {}) => ({ op: "ledger.push", queue: "work", payload: { n: 1 }, ...more });
export const count = { op: "ledger.count", namespace: "notes" };

export function publish({ id, publish_token }: CreatedChannel, payload: unknown, more: JsonObject = {}) {
  return { op: "channel.publish", channel_id: id, publish_token, payload, ...more };
}

/** The headers of a token with these scopes. */
export async function tokenWith(app: ReturnType<typeof openApp>, scopes: string[]): Promise<Record<string, string>> {
  const { database, ids, clock, bus } = app.ports;
  const knocks = createKnocks(bus, new AbortController().signal);
  const credentials = createCredentials({ database, ids, clock, knocks, salt: app.settings.tokenSecretSalt });
  const { token, command } = await credentials.mint("token", "a-token", { facts: { scopes } });
  await database.commit([command]);
  return { Authorization: `Bearer ${token}` };
}
