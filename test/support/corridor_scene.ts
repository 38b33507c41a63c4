/** A corridor over a house in memory, an operation to try it with, and requests that say how often their body was read. */
import * as assert from "uvu/assert";
import * as v from "valibot";
import type { Call } from "../../core/kernel/call.ts";
import type { Context } from "../../core/kernel/context.ts";
import { uuid } from "../../core/kernel/fields.ts";
import { createCorridor } from "../../core/kernel/invoke.ts";
import { call, type Needs, type Operation } from "../../core/kernel/operation.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { Fault, type FaultCode } from "../../core/ports/fault.ts";
import { memoryHouse } from "./memory_house.ts";

export const MINE = "0190163d-8694-739b-aea5-966c26f8ad91";
export const OTHER = "0190163d-8694-739b-aea5-966c26f8ad92";
export const owner: Needs = { credential: "publish", of: "thing_id" };
export const reader: Needs = { credential: "read", of: "thing_id", optional: true };

export const viewer: Needs = { ...reader, ticket: true };

/** What an operation of the scene does. */
export type Handle = (context: Context, input: Record<string, unknown>) => Promise<unknown>;

/** An operation with these needs. */
export function operation(
  needs: Needs,
  handle: Handle = async () => ({ done: true }),
  more: Partial<Operation> = {},
): Operation {
  const declared = call({
    summary: "Try a thing.",
    http: "POST /v1/things/:thing_id",
    tool: "try_thing",
    needs,
    limit: "other",
    input: v.strictObject({ thing_id: v.optional(uuid("the thing's id")), note: v.optional(v.string(), "none") }),
    output: v.unknown(),
    handle,
  });
  return { ...declared, name: "things.try", ...more } as Operation;
}

/** A house with its corridor, and requests to it. */
export function open(settings: Partial<Settings> = {}) {
  const house = memoryHouse(settings);
  const corridor = createCorridor(house);
  const reads = { count: 0 };
  function request(
    given: {
      token?: string;
      bearer?: string;
      ticket?: string;
      thing?: unknown;
      address?: string;
      body?: Record<string, unknown>;
    } = {},
  ): Call {
    const early = { thing_id: given.thing ?? MINE };
    return {
      face: "rest",
      requestId: "request-1",
      address: given.address ?? "192.0.2.1",
      origin: "http://localhost",
      signal: new AbortController().signal,
      secret: () => given.token ?? null,
      bearer: () => given.bearer ?? null,
      query: () => given.ticket ?? null,
      early,
      async read() {
        reads.count += 1;
        return { ...early, ...given.body };
      },
    };
  }
  async function token(kind: "publish" | "read", subject = MINE): Promise<string> {
    const minted = await house.credentials.mint(kind, subject);
    await house.database.commit([minted.command]);
    return minted.token;
  }
  /** A ticket of a fresh read token. */
  async function ticket(subject = MINE): Promise<string> {
    const made = await house.credentials.mintTicket(
      await house.credentials.identify("read", await token("read", subject)),
    );
    await house.database.commit([made.command]);
    return made.token;
  }
  return { house, corridor, reads, request, token, ticket };
}

/** The fault that the work is refused with; it must have this code. */
export async function refusal(work: Promise<unknown>, code: FaultCode): Promise<Fault> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, Fault);
  assert.is((error as Fault).code, code, (error as Fault).message);
  return error as Fault;
}
