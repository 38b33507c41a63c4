/** Who is calling: the credential that the operation needs, where it stands in the call, and whose it is. What it may do: `permit.ts`. */
import { Fault } from "../ports/fault.ts";
import { addressKey } from "./address.ts";
import type { Call } from "./call.ts";
import type { House } from "./context.ts";
import { credentialKinds, equalInConstantTime, type Principal, ticketKind, toHex } from "./credential.ts";
import type { CredentialNeed, Declared, Needs, ScopeNeed } from "./operation.ts";
import type { Settings } from "./settings.ts";

/** Whoever the caller is, by the credentials that the operation asks for; nobody in particular where it asks for none. */
export async function identify(house: House, operation: Declared, call: Call): Promise<readonly Principal[]> {
  const { needs } = operation;
  if (needs === "nobody") return [];
  // Before anything is counted or read: a closed route is closed.
  refuseUnconfigured(needs, house.settings);
  if (needs === "each" && call.bearer() === null) {
    // Without a token all that may come is messages with their own; nothing is known of them before the body is read.
    house.limiter.take("publish", addressKey(call.address));
    return [];
  }
  const address = addressKey(call.address);
  house.limiter.check("refused", address);
  try {
    if (needs === "internal") {
      await requireInternal(house.settings.internalToken!, call.bearer());
      return [];
    }
    if (needs === "each") return [await identifyBearer(house, call.bearer())];
    if (!("scope" in needs)) return await identifyHolder(house, needs, call);
    return hasSecret(operation, needs, call) ? [] : [await identifyBearer(house, call.bearer())];
  } catch (error) {
    if (error instanceof Fault && error.code === "unauthorized") {
      Object.assign(error.headers, house.limiter.take("refused", address));
    }
    throw error;
  }
}

/** Throws `not_configured` while the operator has not given the token that lets anybody in. */
export function refuseUnconfigured(needs: Needs, { internalToken, datastoreToken }: Settings): void {
  if (needs === "internal" && internalToken === null)
    throw new Fault("not_configured", "INTERNAL_TOKEN is not configured on this server, so this route is closed");
  const takesToken = needs === "each" || (typeof needs === "object" && "scope" in needs);
  if (takesToken && datastoreToken === null)
    throw new Fault("not_configured", "DATASTORE_TOKEN is not configured on this server, so the data modes are closed");
}

/** Whether the call carries the secret that stands in for a token, as an argument, in the query or as a header. */
function hasSecret({ headers = {} }: Declared, { unless }: ScopeNeed, call: Call): boolean {
  if (unless === undefined) return false;
  const header = headers[unless];
  return (
    call.early[unless] !== undefined ||
    call.query(unless) !== null ||
    (header !== undefined && call.secret(header, unless) !== null)
  );
}

const SERVICE: Principal = { kind: "service", id: "service", holds: [], subject: "", facts: {} };

/** The holder of the service token, or of a token that it made. */
export async function identifyBearer(
  { settings, credentials }: Pick<House, "settings" | "credentials">,
  bearer: string | null,
): Promise<Principal> {
  if (bearer === null) throw new Fault("unauthorized", "The token is missing; send it as Authorization: Bearer");
  if (equalInConstantTime(bearer, settings.datastoreToken!)) return SERVICE;
  return credentials.identify("token", bearer);
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
