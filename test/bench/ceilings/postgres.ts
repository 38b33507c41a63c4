/**
 * What PostgreSQL gives a Node process without any server between; prints rows a second as JSON.
 * `node postgres.ts DATABASE_URL group WAITING SECONDS`: group commit with so many waiting. `bulk ROWS SECONDS`: statements of so many rows.
 * `pages READERS SECONDS`: 10,000 rows by keyset pages of 1,000, made into frames.
 */
import pg from "pg";
import { groupCommit, insertAll, makeTable } from "./group_commit.ts";

const PAGE = 1_000;
const STORED = 10_000;
const DATA = "x".repeat(282);
const WARM_MS = 300;

type Step = () => Promise<number>;

/** Runs the steps side by side until the time is over, and gives rows a second after the warm-up. */
async function rate(steps: readonly Step[], seconds: number): Promise<number> {
  const warm = performance.now() + WARM_MS;
  const end = warm + seconds * 1000;
  let rows = 0;
  const walk = async (step: Step) => {
    while (performance.now() < end) {
      const done = await step();
      const now = performance.now();
      if (now >= warm && now < end) rows += done;
    }
  };
  await Promise.all(steps.map(walk));
  return rows / seconds;
}

async function groups(client: pg.Client, waiting: number): Promise<Step[]> {
  const store = groupCommit(client);
  return Array.from({ length: waiting }, () => () => store("one", DATA.slice(0, 128)).then(() => 1));
}

async function bulk(client: pg.Client, rows: number): Promise<Step[]> {
  const channels = new Array<string>(rows).fill("one");
  const data = new Array<string>(rows).fill(DATA.slice(0, 128));
  return [() => insertAll(client, channels, data).then((ids) => ids.length)];
}

async function pages(client: pg.Client, readers: number): Promise<Step[]> {
  await client.query("CREATE TABLE IF NOT EXISTS pages (channel text, id uuid, data text, PRIMARY KEY (channel, id))");
  await client.query(
    "INSERT INTO pages SELECT 'one', gen_random_uuid(), $1 FROM generate_series(1, $2) WHERE NOT EXISTS (SELECT FROM pages)",
    [DATA, STORED],
  );
  const read = {
    name: "page",
    text: "SELECT id, data FROM pages WHERE channel = 'one' AND id > $1 ORDER BY id LIMIT $2",
  };
  const pool = new pg.Pool({ connectionString: process.argv[2]!, max: 4 });
  return Array.from({ length: readers }, () => async () => {
    let after = "00000000-0000-0000-0000-000000000000";
    for (let done = 0; done < STORED; done += PAGE) {
      const { rows } = await pool.query<{ id: string; data: string }>({
        ...read,
        values: [after, PAGE],
      });
      Buffer.from(rows.map(({ id, data }) => `id: ${id}\nevent: message\ndata: ${data}\n\n`).join(""));
      after = rows.at(-1)!.id;
    }
    return STORED;
  });
}

async function connected(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: process.argv[2]! });
  await client.connect();
  return client;
}

const [what, size, seconds] = process.argv.slice(3);
const client = await connected();
await makeTable(client);
const steps = await { group: groups, bulk, pages }[what as "group" | "bulk" | "pages"](client, Number(size));
console.log(JSON.stringify({ rate: await rate(steps, Number(seconds)) }));
process.exit(0);
