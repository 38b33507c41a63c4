/** Liveness, which touches nothing, and readiness, which asks every store and waits a bounded time for the answer. */
import * as v from "valibot";
import type { Context } from "../../kernel/context.ts";
import { call } from "../../kernel/operation.ts";
import { Fault } from "../../ports/fault.ts";

/** The longest a check may take, in milliseconds; a probe that hangs would tell nothing. */
const PATIENCE_MS = 3_000;
const LATE = "No answer within 3 s";

export const health = call({
  summary: "Tell that the server lives.",
  details: "Touches neither the database nor the object store, so it also answers while they are away.",
  http: "GET /healthz",
  tool: false,
  app: "all",
  needs: "nobody",
  limit: "unlimited",
  input: v.strictObject({}),
  output: v.object({
    status: v.pipe(v.literal("ok"), v.description("Always ok: a server that cannot say so does not answer")),
    version: v.pipe(v.string(), v.description("The version of this server")),
  }),
  examples: [{ input: {}, output: { status: "ok", version: "$VERSION" } }],
  handle: async (context) => ({ status: "ok" as const, version: context.settings.version }),
});

const isReady = v.pipe(v.boolean(), v.description("Whether it can be used now"));
const reason = v.optional(v.pipe(v.string(), v.description("What is missing, in words")));
const check = v.object({ ready: isReady, reason });

type Check = v.InferOutput<typeof check>;

export const ready = call({
  summary: "Tell whether the server can do its work.",
  details:
    "Asks the database and the object store, and waits 3 s for them at most. The status is 200 when all checks are ready, else 503 with the same body. A server that is about to stop says so here first and serves on for a while.",
  http: "GET /readyz",
  tool: false,
  app: "all",
  needs: "nobody",
  limit: "unlimited",
  input: v.strictObject({}),
  otherwise: { status: 503, words: "Something is not ready; the same body says what." },
  output: v.object({
    ready: v.pipe(v.boolean(), v.description("Whether all checks are ready")),
    checks: v.object({
      server: check,
      database: check,
      objects: check,
      migrations: v.object({
        ready: isReady,
        schema: v.pipe(
          v.nullable(v.string()),
          v.description("The newest migration applied; null when the database cannot be asked"),
        ),
        reason,
      }),
    }),
  }),
  examples: [
    {
      input: {},
      output: {
        ready: true,
        checks: {
          server: { ready: true },
          database: { ready: true },
          objects: { ready: true },
          migrations: { ready: true, schema: "$SCHEMA" },
        },
      },
    },
  ],
  async handle(context) {
    const [stores, objects] = await Promise.all([checkDatabase(context), checkObjects(context)]);
    const checks = { server: checkServer(context), ...stores, objects };
    const all = Object.values(checks).every((each) => each.ready);
    if (!all) context.reply({ status: 503 });
    return { ready: all, checks };
  },
});

function checkServer({ phase }: Context): Check {
  return phase() === "serving" ? { ready: true } : { ready: false, reason: "stopping" };
}

/** Whether the database answers, and whether its schema is complete; never rejects. */
export async function checkDatabase(context: Context) {
  const readiness = await inTime(context.database.ready(), context).catch((error: unknown) => {
    context.log.write("error", "database_not_ready", { error: String(error) });
    return { ready: false, schema: null, reason: "The database cannot be used; the log says why" };
  });
  if (readiness === "late") {
    const late = { ready: false, reason: LATE };
    return { database: late, migrations: { ...late, schema: null } };
  }
  const { schema } = readiness;
  const why = readiness.ready ? {} : { reason: readiness.reason ?? "It is not ready" };
  const database: Check = schema === null ? { ready: readiness.ready, ...why } : { ready: true };
  return { database, migrations: { ready: readiness.ready, schema, ...why } };
}

async function checkObjects(context: Context): Promise<Check> {
  try {
    const answered = await inTime(context.objects.ready(), context);
    return answered === "late" ? { ready: false, reason: LATE } : { ready: true };
  } catch (error) {
    context.log.write("warn", "objects_not_ready", { error: String(error) });
    return {
      ready: false,
      reason: error instanceof Fault ? error.message : "The object store cannot be used; the log says why",
    };
  }
}

/** What `answer` resolves to, or "late" when it takes too long. */
export async function inTime<T>(answer: Promise<T>, { clock }: Context): Promise<T | "late"> {
  const done = new AbortController();
  try {
    return await Promise.race([answer, clock.sleep(PATIENCE_MS, done.signal).then(() => "late" as const)]);
  } finally {
    done.abort();
  }
}
