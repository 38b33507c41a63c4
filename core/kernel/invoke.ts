/**
 * The corridor: everything from outside walks identify → limit → permit → parse → handle → log, whichever face it came through.
 * A failed identification is counted against the address, and an address with too many of them is refused before any look-up.
 */
import { Fault } from "../ports/fault.ts";
import { addressKey } from "./address.ts";
import type { Context, House } from "./context.ts";
import { credentialKinds, equalInConstantTime, type Principal, ticketKind, toHex } from "./credential.ts";
import { parseField, parseInput } from "./input.ts";
import type { CredentialNeed, Declared, Operation } from "./operation.ts";

/** One request, as a face hands it over. */
export interface Call {
  face: "rest" | "mcp";
  requestId: string;
  /** The caller's address, proxies resolved. */
  address: string;
  /** Scheme and host the caller used, without a trailing slash. */
  origin: string;
  readonly signal: AbortSignal;
  /** Secrets in the form the face carries them; null when there is none. */
  secret(header: string, argument: string): string | null;
  bearer(): string | null;
  /** A secret in the query of the URL; null when there is none. */
  query(name: string): string | null;
  /** Fields known before anything is read: path parameters, or all arguments. */
  early: Record<string, unknown>;
  /** All fields; called once, after permission. */
  read(): Promise<unknown>;
}

export interface Answer {
  value: unknown;
  status: number;
  headers: Record<string, string>;
  principals: readonly Principal[];
}

export type Corridor = (operation: Operation, call: Call) => Promise<Answer>;

/** Builds the corridor of a house. It rejects only with Faults. */
export function createCorridor(house: House): Corridor {
  /** What all contexts have in common, so that none of it is copied for a request. The signal is made by whoever asks for it. */
  const shared: object = Object.create(house, {
    signal: {
      get(this: { call: Call }) {
        return this.call.signal;
      },
    },
  });

  async function walk(
    operation: Operation,
    call: Call,
    seen: { principal: Principal | null; headers: Record<string, string> },
  ): Promise<Answer> {
    const principals = await identify(house, operation, call);
    const principal = principals[0] ?? null;
    seen.principal = principal;
    if (operation.limit !== "unlimited") {
      seen.headers = house.limiter.take(operation.limit, principal?.id ?? addressKey(call.address));
    }
    permit(operation, call, principals);
    const input = parseInput(operation.input, await call.read(), actionOf(operation));
    let status: number = operation.kind === "call" ? (operation.status ?? 200) : 200;
    const headers = { ...seen.headers };
    const context = Object.assign(Object.create(shared) as Context, {
      call,
      principal,
      principals,
      requestId: call.requestId,
      origin: call.origin,
      reply(extra: Parameters<Context["reply"]>[0]) {
        status = extra.status ?? status;
        Object.assign(headers, extra.headers);
      },
    });
    const value = await operation.handle(context, input as never);
    return { value, status, headers, principals };
  }

  return async (operation, call) => {
    const began = house.clock.elapsed();
    const seen = { principal: null as Principal | null, headers: {} as Record<string, string> };
    try {
      const answer = await walk(operation, call, seen);
      house.log.write("info", "operation", lineOf(house, { operation, call, began, seen, status: answer.status }));
      return answer;
    } catch (error) {
      const fault = asFault(error, house, call.requestId);
      const line = lineOf(house, { operation, call, began, seen, status: fault.status });
      house.log.write("info", "operation", { ...line, code: fault.code });
      if (fault.cause !== undefined)
        house.log.write("warn", "fault_cause", { request_id: call.requestId, cause: String(fault.cause) });
      Object.assign(fault.headers, { ...seen.headers, ...fault.headers });
      throw fault;
    }
  };
}

interface Walked {
  operation: Operation;
  call: Call;
  /** When the walk began, by the house's clock. */
  began: number;
  seen: { principal: Principal | null };
  status: number;
}

function lineOf({ clock }: House, { operation, call, began, seen, status }: Walked) {
  return {
    operation: operation.name,
    face: call.face,
    status,
    ms: Math.round((clock.elapsed() - began) * 10) / 10,
    request_id: call.requestId,
    ...(seen.principal === null ? {} : { credential: seen.principal.id.slice(0, 8) }),
  };
}

/** What may be told to the caller: a Fault as it is, anything else as `internal` with its words in the log only. */
export function asFault(error: unknown, house: Pick<House, "log">, requestId: string): Fault {
  if (error instanceof Fault) return error;
  const stack = error instanceof Error ? error.stack : String(error);
  house.log.write("error", "internal", { request_id: requestId, error: stack });
  return new Fault("internal", `Something went wrong on our side; it is in the log as ${requestId}`);
}

async function identify(house: House, operation: Declared, call: Call): Promise<readonly Principal[]> {
  const { needs } = operation;
  if (needs === "nobody") return [];
  // Before anything is counted or read: a closed route is closed.
  if (needs === "internal" && house.settings.internalToken === null) {
    throw new Fault("not_configured", "INTERNAL_TOKEN is not configured on this server, so this route is closed");
  }
  const address = addressKey(call.address);
  house.limiter.check("refused", address);
  try {
    if (needs !== "internal") return await identifyHolder(house, needs, call);
    await requireInternal(house.settings.internalToken!, call.bearer());
    return [];
  } catch (error) {
    if (error instanceof Fault && error.code === "unauthorized") {
      Object.assign(error.headers, house.limiter.take("refused", address));
    }
    throw error;
  }
}

async function identifyHolder(
  { credentials }: House,
  needs: CredentialNeed,
  call: Call,
): Promise<readonly Principal[]> {
  const { header, argument, bearer, words } = credentialKinds[needs.credential];
  const token = call.secret(header, argument) ?? (bearer ? call.bearer() : null);
  const ticket = needs.ticket ? call.query(ticketKind.query) : null;
  if (token !== null && ticket !== null)
    throw new Fault("invalid_input", `The ${words} and a ticket are given; send one of them`, {
      details: { field: ticketKind.query },
    });
  const secret = ticket ?? token;
  if (secret === null) {
    if (needs.optional) return [];
    throw missingCredential(needs.credential);
  }
  const kind = ticket === null ? needs.credential : "ticket";
  if (needs.several === undefined) return [await credentials.identify(kind, secret)];
  return Promise.all(secret.split(",").map((one) => credentials.identify(kind, one.trim())));
}

/** The words for "no read token" when a handler finds that one is needed after all. */
export function missingCredential(kind: keyof typeof credentialKinds): Fault {
  const { header, argument, bearer, words } = credentialKinds[kind];
  const carriers = `the header ${header}${bearer ? " or Authorization: Bearer" : ""} (over MCP: the argument ${argument})`;
  return new Fault("unauthorized", `The ${words} is missing; send it as ${carriers}`);
}

async function requireInternal(configured: string, given: string | null): Promise<void> {
  if (given === null)
    throw new Fault("unauthorized", "The internal token is missing; send it as Authorization: Bearer");
  const [left, right] = await Promise.all([digest(configured), digest(given)]);
  if (!equalInConstantTime(left, right)) throw new Fault("unauthorized", "The internal token is wrong");
}

async function digest(text: string): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text))));
}

/** A valid credential of another subject sees the same 404 as a missing one. */
function permit(operation: Declared, call: Call, principals: readonly Principal[]): void {
  const { needs } = operation;
  if (typeof needs === "string" || principals.length === 0) return;
  const subject = parseField(operation.input, needs.of, call.early[needs.of], actionOf(operation));
  const further = needs.several === undefined ? [] : (call.query(needs.several)?.split(",") ?? []);
  for (const principal of principals) {
    if (principal.subject === subject || further.includes(principal.subject)) continue;
    throw notFound(needs.of.replace(/_id$/, ""), subject as string);
  }
}

/** The one wording for what is missing, deleted or somebody else's. */
export function notFound(thing: string, id: string): Fault {
  return new Fault("not_found", `There is no ${thing} ${id}`, { details: { [`${thing}_id`]: id } });
}

/** The summary as it stands in "Cannot …": without capital and full stop. */
function actionOf(operation: Declared): string {
  const { summary } = operation;
  return summary.charAt(0).toLowerCase() + summary.slice(1).replace(/\.$/, "");
}
