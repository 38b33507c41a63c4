/**
 * The corridor: everything from outside walks identify → limit → permit → parse → handle → log, whichever face it came through.
 * A failed identification is counted against the address, and an address with too many of them is refused before any look-up.
 */
import { Fault } from "../ports/fault.ts";
import { addressKey } from "./address.ts";
import type { Call } from "./call.ts";
import type { Context, House } from "./context.ts";
import type { Principal } from "./credential.ts";
import { heldInput } from "./held_body.ts";
import { heldContent } from "./held_content.ts";
import { identify } from "./identify.ts";
import { parseInput } from "./input.ts";
import { actionOf, type Content, type Operation } from "./operation.ts";
import { permit, permitNamed } from "./permit.ts";

export interface Answer {
  value: unknown;
  status: number;
  headers: Record<string, string>;
  principals: readonly Principal[];
}

export type Corridor = (operation: Operation, call: Call) => Promise<Answer>;

/** What a walk has found out so far, for the log and for the answer to a failure. */
interface Seen {
  principal: Principal | null;
  headers: Record<string, string>;
}

/** What a context has besides what handlers see of it. */
interface Walking {
  call: Call;
  replyHeaders: Record<string, string>;
}

type Walk = (operation: Operation, call: Call, seen: Seen) => Promise<Answer>;

function createWalk(house: House): Walk {
  /** What all contexts have in common, so that none of it is copied for a request. The signal is made by whoever asks for it. */
  const shared: object = Object.create(house, {
    signal: {
      get(this: Walking) {
        return this.call.signal;
      },
    },
    progress: {
      value(this: Walking, value: unknown) {
        this.call.progress?.(value, this.replyHeaders);
      },
    },
  });

  return async function walk(operation, call, seen) {
    const principals = await identify(house, operation, call);
    const principal = principals[0] ?? null;
    seen.principal = principal;
    if (operation.limit !== "unlimited") {
      seen.headers = house.limiter.take(operation.limit, principal?.id ?? addressKey(call.address));
    }
    permit(operation, call, principals);
    const parsed = parseInput(operation.input, await call.read(), actionOf(operation));
    permitNamed(operation, parsed, principal);
    let status: number = operation.kind === "call" ? (operation.status ?? 200) : 200;
    const headers = { ...seen.headers };
    const context = Object.assign(Object.create(shared) as Context, {
      call,
      replyHeaders: headers,
      principal,
      principals,
      requestId: call.requestId,
      origin: call.origin,
      reply(extra: Parameters<Context["reply"]>[0]) {
        status = extra.status ?? status;
        Object.assign(headers, extra.headers);
      },
    });
    const { input, release } = heldInput(house, { operation, input: parsed }, principals);
    const handled = await Promise.resolve(operation.handle(context, input as never)).finally(release);
    const value = operation.kind === "content" ? heldContent(house, handled as Content, principals) : handled;
    return { value, status, headers, principals };
  };
}

/** The request that a context belongs to. */
export function callOf(context: Context): Call {
  return (context as Context & { call: Call }).call;
}

/** The corridor for operations that are part of another, whose own walk counts and logs them all: it returns what the handler does. */
export function createInnerCorridor(house: House): (operation: Operation, call: Call) => Promise<unknown> {
  const walk = createWalk(house);
  return async (operation, call) => {
    const uncounted: Operation = { ...operation, limit: "unlimited" };
    return (await walk(uncounted, call, { principal: null, headers: {} })).value;
  };
}

/** Builds the corridor of a house. It rejects only with Faults. */
export function createCorridor(house: House): Corridor {
  const walk = createWalk(house);
  return async (operation, call) => {
    const began = house.clock.elapsed();
    const seen: Seen = { principal: null, headers: {} };
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
