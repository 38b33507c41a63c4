/**
 * The matrix of who may call what, made of the declarations: for each operation every kind of caller, and what the corridor owes them. It knows the
 * needs that operations declare, and nothing of what they do.
 */
import { credentialKinds, tokenKind, writeToken } from "../../core/kernel/credential.ts";
import {
  type CredentialNeed,
  credentialNeedOf,
  type Operation,
  type ScopeNeed,
  scopeNeedOf,
} from "../../core/kernel/operation.ts";
import { accesses, modes, writeScope } from "../../core/kernel/scope.ts";
import { type MemoryApp, openApp } from "./memory_app.ts";

export const SERVICE = "the-service-token";
export const INTERNAL = "the-internal-token";

/** What a caller is owed. `refused`: any of the words before it; `allowed`: none of them. */
export type Verdict = "unauthorized" | "forbidden" | "not_found" | "refused" | "allowed";

/** Somebody who calls: the headers and MCP arguments that carry the secret. */
export interface Caller {
  who: string;
  owed: Verdict;
  headers: Record<string, string>;
  /** A credential of a channel, as an argument of a tool. */
  secret?: string;
  /** Further input fields. */
  input?: Input;
}

export type Face = "rest" | "mcp" | "batch";

/** One cell of the matrix: what was owed, and what came. */
export interface Cell {
  operation: string;
  face: Face;
  who: string;
  owed: Verdict;
  came: string;
  wrong: "allowed" | "refused" | null;
}

/** An operation's input. */
export type Input = Record<string, unknown>;

/** A fresh server with a private channel, another one, a file, and whatever callers carry. */
export interface World extends MemoryApp {
  channel: { id: string; publish_token: string; read_token?: string };
  other: { id: string; publish_token: string; read_token?: string };
  /** A file's id. */
  file: string;
  token(...scopes: string[]): Promise<string>;
}

export async function openWorld(): Promise<World> {
  const server = openApp({ settings: { datastoreToken: SERVICE, internalToken: INTERNAL } });
  const { client } = server;
  return {
    ...server,
    channel: await client.createChannel({ visibility: "private" }),
    other: await client.createChannel({ visibility: "private" }),
    file: (await client.send("POST", "/files/temp", { raw: "bytes", headers: bearer(SERVICE) })).body.id,
    async token(...scopes) {
      const { body } = await client.send("POST", "/tokens", {
        body: { label: "test", scopes },
        headers: bearer(SERVICE),
      });
      return body.token;
    },
  };
}

const bearer = (token: string) => ({ Authorization: `Bearer ${token}` });

/** Tokens of every kind that no operation of the data modes may take. */
async function strangers(world: World, scope: string): Promise<Caller[]> {
  const { client, channel } = world;
  const ending = { label: "ends", scopes: [scope], expires_at: "2026-01-01T01:00:00Z" };
  const expired = await client.send("POST", "/tokens", { body: ending, headers: bearer(SERVICE) });
  await world.advance(3_601_000);
  const revoked = await client.send("POST", "/tokens", {
    body: { label: "r", scopes: [scope] },
    headers: bearer(SERVICE),
  });
  await client.send("DELETE", `/tokens/${revoked.body.id}`, { headers: bearer(SERVICE) });
  const right = await world.token(scope);
  const unknown = writeToken(tokenKind.prefix, new Uint8Array(32).fill(7));
  const carried: [who: string, headers: Record<string, string>][] = [
    ["nobody", {}],
    ["a blank token", { Authorization: "Bearer " }],
    ["a token of blanks", { Authorization: "Bearer    \t " }],
    ["garbage", bearer("garbage")],
    ["a token that looks right", bearer(unknown)],
    ["a token with a wrong checksum", bearer(`${right.slice(0, -1)}${right.endsWith("0") ? "1" : "0"}`)],
    ["a right token in capitals", bearer(right.toUpperCase())],
    ["two right tokens", bearer(`${right},${right}`)],
    ["the service token with a letter more", bearer(`${SERVICE}x`)],
    ["the service token with a letter less", bearer(SERVICE.slice(0, -1))],
    ["the service token without its scheme", { Authorization: SERVICE }],
    ["the service token as a password", { Authorization: `Basic ${btoa(`user:${SERVICE}`)}` }],
    [
      "the service token in another header",
      { "X-Publish-Token": SERVICE, "X-Read-Token": SERVICE, Cookie: `token=${SERVICE}` },
    ],
    ["the internal token", bearer(INTERNAL)],
    ["a publish token", bearer(channel.publish_token)],
    ["a read token", bearer(channel.read_token!)],
    ["an expired token", bearer(expired.body.token)],
    ["a revoked token", bearer(revoked.body.token)],
  ];
  return carried.map(([who, headers]) => ({ who, owed: "unauthorized", headers }));
}

/** Callers of an operation that needs a scope, with an input that may name something and need further scopes. */
async function scopeCallers(
  world: World,
  { scope: mode, access, of, unless }: ScopeNeed,
  { input, further }: Sample,
): Promise<Caller[]> {
  const callers = await strangers(world, `${mode}:${access}`);
  const name = of === undefined ? null : String(input[of]);
  const push = async (owed: Verdict, scopes: string[]) =>
    void callers.push({ who: scopes.join(", "), owed, headers: bearer(await world.token(...scopes)) });
  const add = (owed: Verdict, ...scopes: string[]) => push(owed, owed === "allowed" ? [...scopes, ...further] : scopes);
  for (const missing of further) {
    const rest = further.filter((one) => one !== missing);
    await push("forbidden", [writeScope({ mode, access, name }), ...rest, `${missing}x`]);
  }
  const others = modes
    .flatMap((one) => accesses.map((each) => `${one}:${each}`))
    .filter((one) => one !== `${mode}:${access}`);
  for (const one of others) await add("forbidden", one);
  await add("forbidden", ...others);
  const named = (text: string) => `${mode}:${access}:${text}`;
  if (mode !== "tokens" && mode !== "files") {
    const foreign =
      name === null ? ["anything", "a*"] : [`${name}x`, `${name}-*`, name.slice(0, -1), `x${name}`, name.toUpperCase()];
    for (const one of foreign.filter((text) => text !== "" && text !== name)) await add("forbidden", named(one));
    if (name !== null) {
      await add("forbidden", ...others, named(`${name}x`));
      await add("allowed", named(name));
      await add("allowed", named(`${name.slice(0, -1)}*`));
      await add("allowed", named(`${name}x`), named(name));
    }
  }
  if (unless !== undefined) {
    for (const wrong of ["", " ", "wrong", SERVICE, "null"])
      callers.push({
        who: `a wrong ${unless}, ${JSON.stringify(wrong)}`,
        owed: "refused",
        headers: {},
        input: { [unless]: wrong },
      });
  }
  await add("allowed", `${mode}:${access}`);
  callers.push({ who: "the service token", owed: "allowed", headers: bearer(SERVICE) });
  callers.push({
    who: "the service token, scheme in lower case",
    owed: "allowed",
    headers: { Authorization: `bearer ${SERVICE}` },
  });
  return callers;
}

/** Callers of an operation that needs the credential of one channel. */
async function credentialCallers(world: World, need: CredentialNeed): Promise<Caller[]> {
  const { header, prefix } = credentialKinds[need.credential];
  const { client, channel, other } = world;
  const grant = (body: object) =>
    client.send("POST", `/v1/channels/${channel.id}/read-grants`, {
      body,
      headers: { "X-Publish-Token": channel.publish_token },
    });
  const own = { publish: channel.publish_token, read: channel.read_token! };
  const foreign = { publish: other.publish_token, read: other.read_token! };
  const otherKind = need.credential === "publish" ? own.read : own.publish;
  const secrets: [who: string, secret: string, owed: Verdict][] = [
    ["garbage", "garbage", "unauthorized"],
    ["a token that looks right", writeToken(prefix, new Uint8Array(32).fill(7)), "unauthorized"],
    ["a token of another kind", otherKind, "unauthorized"],
    ["the service token", SERVICE, "unauthorized"],
    [
      "a token for the data modes",
      await world.token(...modes.flatMap((mode) => accesses.map((access) => `${mode}:${access}`))),
      "unauthorized",
    ],
  ];
  if (need.credential === "read") {
    const ending = await grant({ expires_at: "2026-01-01T01:00:00Z" });
    await world.advance(3_601_000);
    const revoked = await grant({});
    await client.send("POST", `/v1/channels/${channel.id}/read-grants/${revoked.body.id}/revoke`, {
      headers: { "X-Publish-Token": channel.publish_token },
    });
    secrets.push(
      ["an expired grant", ending.body.raw_token, "unauthorized"],
      ["a revoked grant", revoked.body.raw_token, "unauthorized"],
    );
  }
  secrets.push(
    ["the token of another channel", foreign[need.credential], "not_found"],
    ["the right token", own[need.credential], "allowed"],
  );
  return [
    { who: "nobody", owed: "unauthorized", headers: {} },
    { who: "a blank token", owed: "unauthorized", headers: { [header]: "  " }, secret: "  " },
    { who: "the service token as bearer", owed: "unauthorized", headers: bearer(SERVICE) },
    ...secrets.map(([who, secret, owed]): Caller => ({ who, owed, headers: { [header]: secret }, secret })),
  ];
}

function internalCallers(): Caller[] {
  const wrong = ["garbage", SERVICE, `${INTERNAL}x`].map(
    (token): Caller => ({ who: token, owed: "unauthorized", headers: bearer(token) }),
  );
  return [
    { who: "nobody", owed: "unauthorized", headers: {} },
    ...wrong,
    { who: "the internal token", owed: "allowed", headers: bearer(INTERNAL) },
  ];
}

/** Everybody who is tried on the operation with this input. */
export function callersOf(world: World, { needs }: Operation, sample: Sample): Promise<Caller[]> | Caller[] {
  if (needs === "nobody") return [];
  if (needs === "internal") return internalCallers();
  const scope = scopeNeedOf(needs);
  if (scope === null) return credentialCallers(world, credentialNeedOf(needs)!);
  return scopeCallers(world, scope, sample);
}

/** An input, and the scopes that it needs beyond the operation's own. */
export interface Sample {
  input: Input;
  further: readonly string[];
}
