/**
 * `POST /mcp`: Streamable HTTP without sessions, one JSON answer per message. Checks in this order: Origin, size, JSON, JSON-RPC, version.
 * The answer waits as long as the tool takes.
 */
import { ErrorCode } from "@modelcontextprotocol/sdk/types.js";
import { addressKey } from "../../kernel/address.ts";
import type { House } from "../../kernel/context.ts";
import { quote } from "../../kernel/fields.ts";
import type { Settings } from "../../kernel/settings.ts";
import { Fault } from "../../ports/fault.ts";
import { readBody } from "../body.ts";
import { isFriendlyOrigin } from "../cors.ts";
import { bearerOf, type Exchange, json, type Text } from "../route.ts";
import { protocolVersions } from "./about.ts";
import type { Dialogue } from "./dialogue.ts";
import { type Failure, failure, receive } from "./message.ts";

export function createEndpoint(dialogue: Dialogue, house: House): (exchange: Exchange) => Promise<Response | Text> {
  const { settings, limiter } = house;
  // JSON may need an escape for every other character of a payload; the rest is for what stands around it.
  const most = 2 * settings.payloadMaxBytes + 131_072;

  return async (exchange) => {
    const { request, requestId, address, origin } = exchange;
    refuseForeignOrigin(exchange, settings);
    limiter.take("mcp", addressKey(address));
    const received = receive(await readBody(request, most));
    if (received.kind === "refused") return refusal(received.failure);
    const id = received.kind === "request" ? received.request.id : null;
    // The opening of 2026-07-28: clients fall back to initialize on a 4xx, and on nothing else.
    if (received.kind === "request" && received.request.method === "server/discover") {
      return refusal(
        failure(
          id,
          ErrorCode.MethodNotFound,
          `There is no server/discover here: MCP 2026-07-28 is not spoken; begin with initialize (${spoken()})`,
        ),
      );
    }
    const version = request.headers.get("mcp-protocol-version");
    if (version !== null && !protocolVersions.includes(version)) {
      const message = `MCP-Protocol-Version is ${quote(version)}, which is not spoken here; send one of ${spoken()}, or leave the header out`;
      return refusal(failure(id, ErrorCode.InvalidRequest, message, { supported: [...protocolVersions] }));
    }
    if (received.kind === "silent") return new Response(null, { status: 202 });
    const bearer = () => bearerOf(request);
    return json(await dialogue(received, { requestId, address, origin, signal: request.signal, bearer }));
  };
}

/** A page of a foreign origin may not speak through its visitor's browser (DNS rebinding); programs send no Origin. */
function refuseForeignOrigin(exchange: Exchange, settings: Settings): void {
  const origin = exchange.request.headers.get("origin");
  if (origin === null || isFriendlyOrigin(origin, exchange, settings)) return;
  throw new Fault(
    "forbidden",
    `Pages of the origin ${quote(origin)} may not call this server; its operator can allow them in ALLOWED_ORIGINS`,
    {
      headers: { Connection: "close" },
    },
  );
}

function refusal(body: Failure): Text {
  return json(body, { status: 400 });
}

function spoken(): string {
  return protocolVersions.join(", ");
}
