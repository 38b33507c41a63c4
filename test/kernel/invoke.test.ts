import { suite } from "uvu";
import * as assert from "uvu/assert";
import { writeToken } from "../../core/kernel/credential.ts";
import type { CredentialNeed, Operation } from "../../core/kernel/operation.ts";
import { defaultRateLimits } from "../../core/kernel/settings.ts";
import { Fault } from "../../core/ports/fault.ts";
import { MINE, OTHER, open, operation, owner, reader, refusal, viewer } from "../support/corridor_scene.ts";
import { logText } from "../support/memory_house.ts";

const test = suite("kernel/invoke");

test("an internal route that is not configured answers 503 before anything is read", async () => {
  const { corridor, reads, request } = open();
  for (const given of [{}, { bearer: "guess" }, { bearer: "" }, { thing: "nonsense" }]) {
    const fault = await refusal(corridor(operation("internal"), request(given)), "not_configured");
    assert.is(fault.status, 503);
    assert.match(fault.message, "INTERNAL_TOKEN is not configured");
  }
  assert.is(reads.count, 0);
});

test("an internal route takes its token and no other", async () => {
  const { corridor, reads, request, token } = open({ internalToken: "the internal token" });
  await refusal(corridor(operation("internal"), request()), "unauthorized");
  for (const bearer of ["the internal toke", "the internal token2", "THE INTERNAL TOKEN", "", await token("publish")]) {
    await refusal(corridor(operation("internal"), request({ bearer })), "unauthorized");
  }
  assert.is(reads.count, 0);
  assert.is((await corridor(operation("internal"), request({ bearer: "the internal token" }))).status, 200);
});

test("a caller without a valid token is refused before the body is read", async () => {
  const { house, corridor, reads, request, token } = open();
  const garbage = ["x", "pub_", writeToken("pub", house.ids.bytes(32)), await token("read")];
  for (const text of garbage) await refusal(corridor(operation(owner), request({ token: text })), "unauthorized");
  const missing = await refusal(corridor(operation(owner), request()), "unauthorized");
  assert.is(
    missing.message,
    "The publish token is missing; send it as the header X-Publish-Token (over MCP: the argument publish_token)",
  );
  assert.is(reads.count, 0);
});

test("a bearer carries a read token and no publish token", async () => {
  const { corridor, request, token } = open();
  await corridor(operation(reader), request({ bearer: await token("read") }));
  await refusal(corridor(operation(owner), request({ bearer: await token("publish") })), "unauthorized");
});

test("an optional credential may be left out, and is refused when it is wrong", async () => {
  const { corridor, reads, request, token } = open();
  assert.equal((await corridor(operation(reader), request())).principals, []);
  assert.is((await corridor(operation(reader), request({ token: await token("read") }))).principals[0]?.subject, MINE);
  assert.is(reads.count, 2);
  await refusal(corridor(operation(reader), request({ token: "rdg_x" })), "unauthorized");
  await refusal(corridor(operation(reader), request({ bearer: await token("publish") })), "unauthorized");
  await refusal(corridor(operation(reader), request({ token: await token("read", OTHER) })), "not_found");
  assert.is(reads.count, 2);
});

test("a ticket stands in for the token where the operation takes one, and nowhere else", async () => {
  const { corridor, reads, request, ticket } = open();
  const given = { ticket: await ticket() };
  const [principal] = (await corridor(operation(viewer), request(given))).principals;
  assert.equal([principal?.kind, principal?.subject, principal?.holds.length], ["read", MINE, 2]);
  const { optional: _, ...strict } = viewer as CredentialNeed;
  await corridor(operation(strict), request(given));
  assert.equal((await corridor(operation(reader), request(given))).principals, []);
  await refusal(corridor(operation(owner), request(given)), "unauthorized");
  assert.is(reads.count, 3);
});

test("a ticket beside a token is refused before either is looked up, and the body is not read", async () => {
  const { house, corridor, reads, request, token, ticket } = open();
  const [read, given] = [await token("read"), await ticket()];
  house.database.documents.get = () => Promise.reject(new Error("nothing is to be looked up"));
  for (const both of [{ token: read }, { bearer: read }, { token: "rdg_x" }]) {
    const fault = await refusal(corridor(operation(viewer), request({ ...both, ticket: given })), "invalid_input");
    assert.is(fault.message, "The read token and a ticket are given; send one of them");
    assert.equal(fault.details, { field: "ticket" });
  }
  assert.is(reads.count, 0);
});

test("a wrong ticket is refused, and a ticket of another thing shows what a missing thing shows", async () => {
  const { house, corridor, reads, request, token, ticket } = open();
  for (const wrong of ["", "x", writeToken("tkt", house.ids.bytes(32)), await token("read"), await token("publish")])
    await refusal(corridor(operation(viewer), request({ ticket: wrong })), "unauthorized");
  await refusal(corridor(operation(viewer), request({ ticket: await ticket(OTHER) })), "not_found");
  assert.is(reads.count, 0);
});

test("a valid token of another thing sees what a missing thing shows, before the body is read", async () => {
  const { corridor, reads, request, token } = open();
  const fault = await refusal(
    corridor(operation(owner), request({ token: await token("publish", OTHER) })),
    "not_found",
  );
  assert.is(fault.message, `There is no thing ${MINE}`);
  assert.equal(fault.details, { thing_id: MINE });
  assert.is(reads.count, 0);
});

test("an id that is none is named as such, to holders of a token only", async () => {
  const { corridor, reads, request, token } = open();
  await refusal(corridor(operation(owner), request({ thing: "nonsense" })), "unauthorized");
  const fault = await refusal(
    corridor(operation(owner), request({ token: await token("publish"), thing: "nonsense" })),
    "invalid_input",
  );
  assert.match(fault.message, 'Cannot try a thing: thing_id is "nonsense", which is not an id');
  assert.is(reads.count, 0);
});

test("the handler gets validated input with defaults, and nothing else", async () => {
  const { corridor, request } = open();
  const inputs: unknown[] = [];
  const trying = operation("nobody", async (_, input) => inputs.push(input));
  await corridor(trying, request());
  await refusal(corridor(trying, request({ body: { notes: "x" } })), "invalid_input");
  await refusal(corridor(trying, request({ body: { note: 1 } })), "invalid_input");
  assert.equal(inputs, [{ thing_id: MINE, note: "none" }]);
});

test("the answer has the declared status and headers, unless the handler sets others", async () => {
  const { corridor, request } = open();
  const plain = await corridor(operation("nobody"), request());
  assert.equal([plain.value, plain.status, plain.headers], [{ done: true }, 200, {}]);
  assert.is(
    (await corridor(operation("nobody", undefined, { status: 201 } as Partial<Operation>), request())).status,
    201,
  );
  const replying = operation("nobody", async (context) => context.reply({ status: 503, headers: { "X-Why": "busy" } }));
  const other = await corridor(replying, request());
  assert.equal([other.status, other.headers], [503, { "X-Why": "busy" }]);
});

const few = {
  ...defaultRateLimits,
  create: { count: 3, perMs: 60_000 },
  publish: { count: 3, perMs: 1_000 },
  other: { count: 3, perMs: 60_000 },
  refused: { count: 3, perMs: 60_000 },
};

test("failed identifications count against the address, which is then refused before any look-up", async () => {
  const { house, corridor, reads, request, token } = open({ rateLimits: few });
  const held = await token("publish");
  let lookUps = 0;
  const { get } = house.database.documents;
  house.database.documents.get = (...of) => {
    lookUps += 1;
    return get(...of);
  };
  for (let guess = 0; guess < 3; guess += 1) {
    const fault = await refusal(
      corridor(operation(owner), request({ token: writeToken("pub", house.ids.bytes(32)) })),
      "unauthorized",
    );
    assert.match(fault.headers.RateLimit ?? "", `r=${2 - guess}`);
  }
  const fault = await refusal(corridor(operation(owner), request({ token: held })), "rate_limited");
  assert.is(fault.headers["Retry-After"], "20");
  assert.is(lookUps, 3);
  assert.is(reads.count, 0);
  await corridor(operation("nobody"), request());
  await refusal(corridor(operation(owner), request({ address: "192.0.2.2" })), "unauthorized");
  await corridor(operation(owner), request({ token: held, address: "192.0.2.3" }));
  await house.clock.advance(20_000);
  await corridor(operation(owner), request({ token: held }));
});

test("a credential has a limit of its own, wherever it is used from", async () => {
  const { corridor, reads, request, token } = open({ rateLimits: few });
  const [first, second] = [await token("publish"), await token("publish")];
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"])
    await corridor(operation(owner), request({ token: first, address }));
  await refusal(corridor(operation(owner), request({ token: first, address: "192.0.2.4" })), "rate_limited");
  assert.is(reads.count, 3);
  await corridor(operation(owner), request({ token: second }));
});

test("tickets share the limit of the token that they were made with, and wrong ones count as guesses", async () => {
  const { house, corridor, request, token } = open({ rateLimits: few });
  const read = await token("read");
  const behind = await house.credentials.identify("read", read);
  for (const address of ["192.0.2.1", "192.0.2.2", "192.0.2.3"]) {
    const { token: ticket, command } = await house.credentials.mintTicket(behind);
    await house.database.commit([command]);
    await corridor(operation(viewer), request({ ticket, address }));
  }
  await refusal(corridor(operation(viewer), request({ bearer: read, address: "192.0.2.4" })), "rate_limited");
  const guess = () => request({ ticket: writeToken("tkt", house.ids.bytes(32)), address: "192.0.2.5" });
  for (let tries = 0; tries < 3; tries += 1) await refusal(corridor(operation(viewer), guess()), "unauthorized");
  await refusal(corridor(operation(viewer), guess()), "rate_limited");
});

test("addresses of one IPv6 network share a limit", async () => {
  const { corridor, request } = open({ rateLimits: few });
  for (const last of ["1", "2", "3"]) await corridor(operation("nobody"), request({ address: `2001:db8::${last}` }));
  await refusal(corridor(operation("nobody"), request({ address: "2001:db8::4" })), "rate_limited");
  await corridor(operation("nobody"), request({ address: "2001:db8:0:1::4" }));
});

test("an unlimited operation answers on and on", async () => {
  const { corridor, request } = open({ rateLimits: few });
  for (let round = 0; round < 20; round += 1)
    await corridor(operation("nobody", undefined, { limit: "unlimited" }), request());
});

test("rate headers stand on answers and on faults", async () => {
  const { corridor, request } = open({ rateLimits: few });
  assert.is((await corridor(operation("nobody"), request())).headers.RateLimit, '"other";r=2;t=20');
  const failing = operation("nobody", () => Promise.reject(new Fault("conflict", "no", { headers: { "X-Own": "1" } })));
  const fault = await refusal(corridor(failing, request()), "conflict");
  assert.equal(fault.headers, { "RateLimit-Policy": '"other";q=3;w=60', RateLimit: '"other";r=1;t=40', "X-Own": "1" });
});

test("what is not a Fault becomes internal: its words stay in the log, under the id that the caller gets", async () => {
  const wrongs = [new Error('relation "secrets" does not exist'), "secrets", { secrets: 1 }, undefined, null];
  for (const wrong of wrongs) {
    const { house, corridor, request } = open();
    const fault = await refusal(
      corridor(
        operation("nobody", () => Promise.reject(wrong)),
        request(),
      ),
      "internal",
    );
    assert.is(fault.message, "Something went wrong on our side; it is in the log as request-1");
    assert.is(fault.details, undefined);
    const line = house.log.lines.find(({ event }) => event === "internal");
    assert.is(line?.level, "error");
    assert.is(line?.fields.request_id, "request-1");
    if (wrong instanceof Error) assert.match(String(line?.fields.error), 'relation "secrets"');
  }
});

test("the cause of a Fault is for the log only", async () => {
  const { house, corridor, request } = open();
  const failing = operation("nobody", () =>
    Promise.reject(new Fault("unavailable", "The store is away", { cause: new Error("10.0.0.7 refused") })),
  );
  const fault = await refusal(corridor(failing, request()), "unavailable");
  assert.not.match(fault.message, "10.0.0.7");
  assert.match(logText(house.log), "10.0.0.7 refused");
});

test("a fault while the body is read goes to the caller as it is", async () => {
  const { corridor, request } = open();
  const reading = { ...request(), read: () => Promise.reject(new Fault("too_large", "The body is larger")) };
  await refusal(corridor(operation("nobody"), reading), "too_large");
});

test("every operation writes one line, with what an operator needs and without secrets", async () => {
  const { house, corridor, request, token } = open();
  const secret = await token("publish");
  let arrived = () => {};
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const working = operation(owner, async (context) => {
    const work = context.clock.sleep(12);
    arrived();
    await work;
  });
  const answer = corridor(working, request({ token: secret }));
  await arrival;
  await house.clock.advance(12);
  const [principal] = (await answer).principals;
  await refusal(corridor(working, request({ token: secret, body: { note: 7 } })), "invalid_input");
  const wrong = `${secret.slice(0, -1)}${secret.endsWith("a") ? "b" : "a"}`;
  await refusal(corridor(working, request({ token: wrong })), "unauthorized");
  const line = {
    operation: "things.try",
    face: "rest",
    status: 200,
    ms: 12,
    request_id: "request-1",
    credential: principal!.id.slice(0, 8),
  };
  const { credential: _, ...nobody } = line;
  assert.equal(house.log.lines, [
    { level: "info", event: "operation", fields: line },
    { level: "info", event: "operation", fields: { ...line, ms: 0, status: 400, code: "invalid_input" } },
    { level: "info", event: "operation", fields: { ...nobody, ms: 0, status: 401, code: "unauthorized" } },
  ]);
  for (const text of [secret, wrong]) assert.not(logText(house.log).includes(text.slice(4, 47)));
});

test("an error that repeats a token is the only way it could reach a log, and none of ours does", async () => {
  const { house, corridor, request, token } = open();
  const secret = await token("read", OTHER);
  for (const given of [
    { token: secret },
    { bearer: secret },
    { token: `${secret}x` },
    { token: secret.replace("rdg", "pub") },
    { ticket: secret },
  ]) {
    const error = await corridor(operation(viewer), request(given)).catch((thrown: Fault) => thrown);
    assert.instance(error, Fault);
    assert.not(JSON.stringify([(error as Fault).message, (error as Fault).details]).includes(secret.slice(4, 47)));
  }
  assert.not(logText(house.log).includes(secret.slice(4, 47)));
});

test.run();
