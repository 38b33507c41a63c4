import { suite } from "uvu";
import * as assert from "uvu/assert";
import { capabilities } from "../../core/capabilities/mod.ts";
import { operationsOf } from "../../core/kernel/capability.ts";
import { credentialKinds } from "../../core/kernel/credential.ts";
import { memorySite } from "../support/memory_site.ts";

const test = suite("faces/cors");

test("a page of an allowed origin may send every header that an operation takes, and every credential", async () => {
  const { send } = memorySite({ settings: { allowedOrigins: ["https://app.test"] } });
  const response = await send("/v1/channels", { method: "OPTIONS", headers: { Origin: "https://app.test" } });
  const allowed = new Set(
    response.headers
      .get("access-control-allow-headers")!
      .split(",")
      .map((name) => name.trim().toLowerCase()),
  );
  const taken = operationsOf(capabilities).flatMap(({ headers = {} }) => Object.values(headers));
  const secrets = ["Authorization", ...Object.values(credentialKinds).map(({ header }) => header)];
  for (const name of [...taken, ...secrets]) assert.ok(allowed.has(name.toLowerCase()), name);
});

test.run();
