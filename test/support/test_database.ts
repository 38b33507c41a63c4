/** A database of a test's own on the server of TEST_DATABASE_URL, and the migration command run on it. */
import { spawn } from "node:child_process";
import process from "node:process";
import { Client } from "pg";
import { projectRoot, runFile } from "./runtime.ts";

/** The server to make databases on; null: none was given. */
export const testServer: string | null = process.env.TEST_DATABASE_URL || null;

export interface TestDatabase {
  url: string;
  /** What servers need to use it. */
  env: Record<string, string>;
  query(sql: string): Promise<Record<string, unknown>[]>;
  /** Ends its connections and removes it. */
  drop(): Promise<void>;
}

export async function createTestDatabase(server: string): Promise<TestDatabase> {
  const name = `millrace_test_${crypto.randomUUID().replaceAll("-", "")}`;
  await ask(server, `CREATE DATABASE ${name}`);
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href,
    env: { DATABASE_URL: url.href, TOKEN_SECRET_SALT: "the salt of these tests" },
    query: (sql) => ask(url.href, sql),
    drop: async () => void (await ask(server, `DROP DATABASE ${name} WITH (FORCE)`)),
  };
}

async function ask(connectionString: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString });
  client.on("error", () => undefined);
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Runs `scripts/migrate.ts` on the present runtime; resolves when it has ended. */
export function migrate(
  words: string[],
  env: Record<string, string>,
): Promise<{ code: number | null; output: string }> {
  const { command, args } = runFile("scripts/migrate.ts");
  const child = spawn(command, [...args, ...words], {
    cwd: projectRoot,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, output })));
}
