/** Tokens among processes on one PostgreSQL: made at one, used at both, and revoked, with all that they made, everywhere within a second. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Client, createClient } from "../support/client.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";
import { createTestDatabase, testServer } from "../support/test_database.ts";

const test = suite("access: tokens among processes");

const SERVICE = "the-service-token";
const postgres = testServer;

const bearer = (token: string) => ({ headers: { Authorization: `Bearer ${token}` } });

if (postgres !== null) {
  test("a revoked token, and those that it made, end at both processes within a second", async () => {
    const database = await createTestDatabase(postgres);
    const directory = await temporaryDirectory();
    const env = { ...database.env, DATASTORE_TOKEN: SERVICE };
    const servers = [
      await startServerProcess({ dataDir: directory.path, env }),
      await startServerProcess({ dataDir: directory.path, env }),
    ];
    try {
      const [here, there] = servers.map(({ url }) => createClient(url)) as [Client, Client];
      const scopes = ["tokens:write", "tokens:read"];
      const create = async (token: string) => {
        const { status, body } = await here.send("POST", "/tokens", {
          body: { label: "test", scopes },
          ...bearer(token),
        });
        assert.is(status, 201, JSON.stringify(body));
        return body as { id: string; token: string };
      };
      const first = await create(SERVICE);
      const second = await create(first.token);
      const third = await create(second.token);
      const statuses = (client: Client) =>
        Promise.all(
          [first, second, third].map(async ({ token }) => (await client.send("GET", "/tokens", bearer(token))).status),
        );
      assert.equal([await statuses(here), await statuses(there)], [Array(3).fill(200), Array(3).fill(200)]);

      const { status } = await here.send("DELETE", `/tokens/${second.id}`, bearer(SERVICE));
      const revoked = performance.now();
      assert.is(status, 200);
      assert.equal(await statuses(here), [200, 401, 401]);
      let elsewhere = await statuses(there);
      while (elsewhere[1] === 200 || elsewhere[2] === 200) {
        assert.ok(performance.now() - revoked < 1_500, `still ${elsewhere} after 1.5 s`);
        elsewhere = await statuses(there);
      }
      console.log(`revoked elsewhere after ${Math.round(performance.now() - revoked)} ms`);
      assert.equal(elsewhere, [200, 401, 401]);
      const { body } = await there.send("GET", "/tokens?limit=2", bearer(SERVICE));
      const { body: rest } = await there.send("GET", `/tokens?cursor=${body.next_cursor}`, bearer(SERVICE));
      const ended = [...body.tokens, ...rest.tokens].filter(({ revoked_at }) => revoked_at !== null);
      assert.equal(ended.map(({ id }) => id).sort(), [second.id, third.id].sort());
    } finally {
      await Promise.all(servers.map((server) => server.end("SIGTERM")));
      await database.drop();
      await directory.remove();
    }
  });
}

test.run();
