import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type CredentialKind,
  credentialKinds,
  equalInConstantTime,
  hideSecrets,
  toHex,
  writeToken,
} from "../../core/kernel/credential.ts";
import { knockOf } from "../../core/kernel/knock.ts";
import { Fault } from "../../core/ports/fault.ts";
import {
  logText,
  type MemoryHouse,
  type MemoryTown,
  memoryHouse,
  memoryPorts,
  memoryTown,
} from "../support/memory_house.ts";

const test = suite("kernel/credential");

/** A house whose reads of the documents store are counted, and everything written to it kept as text. */
function watched() {
  const ports = memoryPorts();
  const seen = { reads: 0, written: "" };
  const { documents, commit } = ports.database;
  const database = {
    ...ports.database,
    documents: {
      ...documents,
      get: (...of: Parameters<typeof documents.get>) => {
        seen.reads += 1;
        return documents.get(...of);
      },
    },
    commit(unit: Parameters<typeof commit>[0]) {
      seen.written += JSON.stringify(unit);
      return commit(unit);
    },
  };
  return { house: memoryHouse({}, { ...ports, database }), seen };
}

async function minted(house: MemoryHouse, kind: CredentialKind = "publish", how: { expiresAt?: Date } = {}) {
  const made = await house.credentials.mint(kind, "channel 1", { facts: { default_ttl_seconds: 60 }, ...how });
  await house.database.commit([made.command]);
  return made;
}

/** The name under which a token is stored. */
async function idOf({ settings }: MemoryHouse, token: string): Promise<string> {
  const algorithm = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", settings.tokenSecretSalt, algorithm, false, ["sign"]);
  return toHex(new Uint8Array(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(token))));
}

async function refusal(work: Promise<unknown>): Promise<Fault> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, Fault);
  assert.is((error as Fault).code, "unauthorized");
  return error as Fault;
}

test("mint() writes prefix, 256 random bits and a checksum in base62", async () => {
  const { house } = watched();
  assert.match((await minted(house, "publish")).token, /^pub_[0-9A-Za-z]{49}$/);
  assert.match((await minted(house, "read")).token, /^rdg_[0-9A-Za-z]{49}$/);
  assert.is(writeToken("pub", new Uint8Array(32)).slice(0, 47), `pub_${"0".repeat(43)}`);
  assert.is(writeToken("pub", new Uint8Array(32).fill(255)).length, 53);
});

test("mint() makes another token each time", async () => {
  const { house } = watched();
  const tokens = await Promise.all(Array.from({ length: 50 }, async () => (await minted(house)).token));
  assert.is(new Set(tokens).size, 50);
});

test("identify() tells kind, subject and facts of a token, under the name that is its hash", async () => {
  const { house } = watched();
  const { token, id } = await minted(house);
  const sum = await idOf(house, token);
  assert.is(id, sum);
  assert.equal(await house.credentials.identify("publish", token), {
    kind: "publish",
    id: sum,
    subject: "channel 1",
    facts: { default_ttl_seconds: 60 },
    holds: [sum],
  });
});

test("identify() with another salt knows none of the tokens", async () => {
  const ports = memoryPorts();
  const { token } = await minted(memoryHouse({}, ports));
  const other = memoryHouse({ tokenSecretSalt: new TextEncoder().encode("another salt") }, ports);
  await refusal(other.credentials.identify("publish", token));
});

test("identify() refuses garbage by its checksum, without a look at the store", async () => {
  const { house, seen } = watched();
  const { token } = await minted(house);
  const swapped = token[10] === "a" ? "b" : "a";
  const garbage = [
    "",
    "x",
    "pub_",
    token.slice(0, -1),
    `${token}0`,
    ` ${token}`,
    `${token}\n`,
    token.toUpperCase(),
    `rdg${token.slice(3)}`,
  ];
  garbage.push(`${token.slice(0, 10)}${swapped}${token.slice(11)}`, `pub_${"0".repeat(49)}`, "x".repeat(1_000_000));
  for (const text of garbage) {
    const fault = await refusal(house.credentials.identify("publish", text));
    assert.match(fault.message, "The publish token is malformed; send the pub_… secret");
    if (text.length > 5) assert.not(fault.message.includes(text));
  }
  assert.is(seen.reads, 0);
});

test("identify() refuses a well-formed token that nobody minted", async () => {
  const { house, seen } = watched();
  const token = writeToken("pub", house.ids.bytes(32));
  assert.match((await refusal(house.credentials.identify("publish", token))).message, "unknown, expired or revoked");
  assert.is(seen.reads, 1);
});

test("identify() refuses a token of the other kind, both by its prefix and by what is stored", async () => {
  const { house } = watched();
  const read = await minted(house, "read");
  await refusal(house.credentials.identify("publish", read.token));
  const forged = writeToken("pub", house.ids.bytes(32));
  await house.database.commit([{ ...read.command, id: await idOf(house, forged) }]);
  await refusal(house.credentials.identify("publish", forged));
});

test("identify() refuses an expired token within a second of its end", async () => {
  const { house } = watched();
  const { clock, credentials } = house;
  const { token } = await minted(house, "read", { expiresAt: new Date(clock.now().getTime() + 60_000) });
  await clock.advance(59_500);
  await credentials.identify("read", token);
  await clock.advance(1_500);
  await refusal(credentials.identify("read", token));
});

test("identify() remembers a look-up for a second and not longer", async () => {
  const { house, seen } = watched();
  const { token, id } = await minted(house);
  await house.credentials.identify("publish", token);
  await house.clock.advance(900);
  await house.credentials.identify("publish", token);
  assert.is(seen.reads, 1);
  await house.database.commit([house.credentials.revocation(id)]);
  await house.clock.advance(100);
  await refusal(house.credentials.identify("publish", token));
  assert.is(seen.reads, 2);
});

test("identify() asks the store once for many who come at the same time", async () => {
  const { house, seen } = watched();
  const { token } = await minted(house);
  await Promise.all(Array.from({ length: 100 }, () => house.credentials.identify("publish", token)));
  assert.is(seen.reads, 1);
});

test("a revoked credential is refused at the knock, on every process", async () => {
  const town = memoryTown();
  const [here, there] = [memoryHouse({}, memoryPorts(town)), memoryHouse({}, memoryPorts(town, 2))];
  const { token, id } = await minted(here);
  await Promise.all([here, there].map((house) => house.credentials.identify("publish", token)));
  await here.database.commit([here.credentials.revocation(id)]);
  here.bus.knock([knockOf.credential(id)]);
  await refusal(here.credentials.identify("publish", token));
  await Promise.resolve();
  await refusal(there.credentials.identify("publish", token));
});

test("a process that may have missed knocks forgets what it remembers", async () => {
  const town = memoryTown();
  const house = memoryHouse({}, memoryPorts(town));
  const { token, id } = await minted(house);
  await house.credentials.identify("publish", token);
  await house.database.commit([house.credentials.revocation(id)]);
  town.hub.interrupt();
  await refusal(house.credentials.identify("publish", token));
});

test("knocks on other subjects leave what is remembered", async () => {
  const { house, seen } = watched();
  const { token } = await minted(house);
  await house.credentials.identify("publish", token);
  house.bus.knock([knockOf.journal("channels", "credential/x"), "document/credentials/token/x"]);
  await house.credentials.identify("publish", token);
  assert.is(seen.reads, 1);
});

test("an outage of the store is no refusal and is not remembered", async () => {
  const ports = memoryPorts();
  const { documents } = ports.database;
  let away = true;
  const get: typeof documents.get = async (...of) =>
    away ? Promise.reject(new Fault("unavailable", "The database is away")) : documents.get(...of);
  const house = memoryHouse({}, { ...ports, database: { ...ports.database, documents: { ...documents, get } } });
  const { token } = await minted(house);
  const error = await house.credentials.identify("publish", token).catch((thrown: Fault) => thrown);
  assert.is((error as Fault).code, "unavailable");
  away = false;
  assert.is((await house.credentials.identify("publish", token)).subject, "channel 1");
});

test("stillValid() tells those that are neither revoked nor expired", async () => {
  const { house } = watched();
  const kept = await minted(house);
  const revoked = await minted(house);
  const short = await minted(house, "read", { expiresAt: new Date(house.clock.now().getTime() + 1_000) });
  await house.database.commit([house.credentials.revocation(revoked.id)]);
  const ids = [kept.id, revoked.id, short.id, "unknown"];
  assert.equal([...(await house.credentials.stillValid(ids))].sort(), [kept.id, short.id].sort());
  await house.clock.advance(1_000);
  assert.equal([...(await house.credentials.stillValid(ids))], [kept.id]);
});

/** A ticket of a fresh grant, and the grant. */
async function ticketed(house: MemoryHouse, how: { expiresAt?: Date } = {}) {
  const grant = await minted(house, "read", how);
  const ticket = await house.credentials.mintTicket(await house.credentials.identify("read", grant.token));
  await house.database.commit([ticket.command]);
  return { grant, ticket };
}

/** A process of the town whose own clock is wrong by `ms`. */
function skewed(town: MemoryTown, ms: number): MemoryHouse {
  const ports = memoryPorts(town, 3);
  const clock = { ...town.clock, now: () => new Date(town.clock.now().getTime() + ms) };
  return memoryHouse({}, { ...ports, clock });
}

test("a ticket tells who stands behind it, and all that must hold", async () => {
  const { house } = watched();
  const { grant, ticket } = await ticketed(house);
  assert.match(ticket.token, /^tkt_[0-9A-Za-z]{49}$/);
  const behind = await house.credentials.identify("read", grant.token);
  assert.equal(await house.credentials.identify("ticket", ticket.token), { ...behind, holds: [grant.id, ticket.id] });
});

test("a ticket is no token, and a token no ticket", async () => {
  const { house } = watched();
  const { grant, ticket } = await ticketed(house);
  await refusal(house.credentials.identify("read", ticket.token));
  assert.match((await refusal(house.credentials.identify("ticket", grant.token))).message, "The ticket is malformed");
  const forged = writeToken("tkt", house.ids.bytes(32));
  const read = writeToken("rdg", house.ids.bytes(32));
  for (const [text, of] of [
    [forged, grant],
    [read, ticket],
  ] as const) {
    await house.database.commit([{ ...of.command, id: await idOf(house, text) }]);
    await refusal(house.credentials.identify(text === read ? "read" : "ticket", text));
  }
});

test("a ticket must first be used within 60 s of its making, by the store's clock", async () => {
  for (const skew of [0, 300_000, -300_000]) {
    const town = memoryTown();
    const house = skewed(town, skew);
    const [soon, late] = [await ticketed(house), await ticketed(house)];
    await town.clock.advance(60_000);
    await house.credentials.identify("ticket", soon.ticket.token);
    await town.clock.advance(1);
    for (let again = 0; again < 3; again += 1) {
      const fault = await refusal(house.credentials.identify("ticket", late.ticket.token));
      assert.match(fault.message, "The ticket is unknown or has ended: use it within 60 s", `skew ${skew}`);
      await town.clock.advance(2_000);
    }
    await house.credentials.identify("ticket", soon.ticket.token);
  }
});

test("a ticket that was used in time is good for 24 h from its making, on every process, and no longer", async () => {
  for (const skew of [0, 3_600_000, -3_600_000]) {
    const town = memoryTown();
    const [house, other] = [memoryHouse({}, memoryPorts(town)), skewed(town, skew)];
    const { ticket } = await ticketed(house);
    await town.clock.advance(30_000);
    await other.credentials.identify("ticket", ticket.token);
    for (let hours = 1; hours < 24; hours += 1) {
      await town.clock.advance(3_600_000);
      for (const each of [house, other]) await each.credentials.identify("ticket", ticket.token);
    }
    await town.clock.advance(3_600_000 - 30_001);
    assert.ok((await house.credentials.stillValid([ticket.id])).has(ticket.id));
    await town.clock.advance(1);
    assert.is((await house.credentials.stillValid([ticket.id])).size, 0);
    await town.clock.advance(1_000);
    for (const each of [house, other]) await refusal(each.credentials.identify("ticket", ticket.token));
  }
});

test("two processes that see a ticket first at once both take it", async () => {
  const town = memoryTown();
  const houses = [memoryHouse({}, memoryPorts(town)), memoryHouse({}, memoryPorts(town, 2))];
  const { grant, ticket } = await ticketed(houses[0]!);
  // Both have read the ticket before either stores its use.
  let readers = 0;
  let release = () => {};
  const both = new Promise<void>((resolve) => {
    release = resolve;
  });
  const { commit } = town.database;
  for (const house of houses) {
    house.database.commit = async (unit) => {
      readers += 1;
      if (readers >= 2) release();
      await both;
      return commit(unit);
    };
  }
  const found = await Promise.all(houses.map((house) => house.credentials.identify("ticket", ticket.token)));
  for (const { holds } of found) assert.equal(holds, [grant.id, ticket.id]);
  assert.is(readers, 2);
  await town.clock.advance(3_600_000);
  for (const house of houses) await house.credentials.identify("ticket", ticket.token);
});

test("a ticket ends with the credential behind it, revoked or expired, used or not", async () => {
  const { house } = watched();
  const { clock, credentials } = house;
  for (const used of [true, false]) {
    const revoked = await ticketed(house);
    const short = await ticketed(house, { expiresAt: new Date(clock.now().getTime() + 20_000) });
    for (const { ticket } of used ? [revoked, short] : []) await credentials.identify("ticket", ticket.token);
    await house.database.commit([credentials.revocation(revoked.grant.id)]);
    house.bus.knock([knockOf.credential(revoked.grant.id)]);
    await refusal(credentials.identify("ticket", revoked.ticket.token));
    await clock.advance(21_000);
    await refusal(credentials.identify("ticket", short.ticket.token));
  }
});

test("neither the store nor the log ever sees a token", async () => {
  const { house, seen } = watched();
  const tokens: string[] = [];
  for (const kind of Object.keys(credentialKinds) as CredentialKind[]) {
    const { token } = await minted(house, kind);
    tokens.push(token, `${token}x`, writeToken(credentialKinds[kind].prefix, house.ids.bytes(32)));
    for (const text of tokens.slice(-3)) await house.credentials.identify(kind, text).catch(() => undefined);
  }
  const { ticket } = await ticketed(house);
  await house.credentials.identify("ticket", ticket.token);
  tokens.push(ticket.token);
  const stored = await house.database.documents.list("credentials", "token", "", 10);
  assert.is(stored.length, 4);
  for (const token of tokens) {
    const secret = token.slice(4, 47);
    for (const text of [seen.written, JSON.stringify(stored), logText(house.log)]) assert.not(text.includes(secret));
  }
});

test("hideSecrets() hides every kind of secret", () => {
  for (const prefix of ["pub", "rdg", "tkt"]) {
    const text = hideSecrets(`a ${writeToken(prefix, new Uint8Array(32))} b`);
    assert.is(text, `a ${prefix}_[hidden] b`);
  }
});

test("equalInConstantTime() tells equal from different texts", () => {
  assert.ok(equalInConstantTime("abc", "abc"));
  assert.ok(equalInConstantTime("", ""));
  for (const other of ["abd", "ab", "abcd", "", "abcabc"]) assert.not(equalInConstantTime("abc", other), other);
  assert.not(equalInConstantTime("", "abc"));
});

test.run();
