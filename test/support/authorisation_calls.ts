/** Calling an operation as somebody, on each of its faces, for the matrix of who may call what. */
import { credentialKinds } from "../../core/kernel/credential.ts";
import {
  type CallOperation,
  credentialNeedOf,
  type Endpoint,
  endpointsOf,
  type Operation,
} from "../../core/kernel/operation.ts";
import type { Caller, Face, Input, World } from "./authorisation.ts";
import { placed } from "./example_scene.ts";

/** One way to call an operation: the face, and what came back, `done` or the code of the error. */
export interface Way {
  face: Face;
  send(world: World, input: Input, caller: Caller): Promise<string>;
}

/** All ways to call an operation: each endpoint, as a tool, and as a part of a batch. */
export function ways(operation: Operation): Way[] {
  const found: Way[] = endpointsOf(operation).map((endpoint) => ({
    face: "rest",
    send: overHttp(operation, endpoint),
  }));
  if (operation.kind !== "call") return found;
  if (operation.tool !== false) found.push({ face: "mcp", send: overMcp(operation, operation.tool) });
  if (operation.batch !== undefined) found.push({ face: "batch", send: inBatch(operation) });
  return found;
}

function overHttp(operation: Operation, endpoint: Endpoint): Way["send"] {
  return async (world, input, { headers, owed }) => {
    const { target, headers: own, sent } = placed(operation, endpoint, input);
    if (endpoint.method === "GET" && owed === "unauthorized") {
      const url = `http://millrace.test${target}`;
      const { status } = await world.fetcher(new Request(url, { method: "HEAD", headers: { ...own, ...headers } }));
      if (status !== 401) return `HEAD answers ${status}`;
    }
    const leave = new AbortController();
    const isJson = sent.body !== undefined;
    const body = isJson ? JSON.stringify(sent.body) : sent.raw;
    const response = await world.fetcher(
      new Request(`http://millrace.test${target}`, {
        method: endpoint.method,
        headers: { ...(isJson ? { "Content-Type": "application/json" } : {}), ...own, ...headers },
        ...(body === undefined ? {} : { body }),
        signal: leave.signal,
      }),
    );
    if (response.status < 400) {
      leave.abort();
      return "done";
    }
    return ((await response.json()) as { error: { code: string } }).error.code;
  };
}

function overMcp({ needs }: CallOperation, tool: string): Way["send"] {
  const need = credentialNeedOf(needs);
  return async ({ client }, input, { headers, secret }) => {
    // The credential of a channel is an argument, and no header counts.
    const argument =
      need === null || secret === undefined ? {} : { [credentialKinds[need.credential].argument]: secret };
    const params = { name: tool, arguments: { ...input, ...argument } };
    const { body } = await client.send("POST", "/mcp", {
      body: { jsonrpc: "2.0", id: 1, method: "tools/call", params },
      headers,
    });
    if (body.result === undefined) return `protocol: ${JSON.stringify(body)}`;
    return body.result.isError ? /^(\w+):/.exec(body.result.content[0].text)![1]! : "done";
  };
}

function inBatch({ batch, needs }: CallOperation): Way["send"] {
  const need = credentialNeedOf(needs);
  return async ({ client }, input, { headers, secret }) => {
    const fields = Object.entries(input).flatMap(([field, value]) => {
      const name = batch!.fields?.[field] === undefined ? field : batch!.fields[field];
      return name === null ? [] : [[name, value] as const];
    });
    const argument =
      need === null || secret === undefined ? {} : { [credentialKinds[need.credential].argument]: secret };
    const operations = [{ op: batch!.op, ...Object.fromEntries(fields), ...argument }];
    const own = need === null ? headers : {};
    const { status, body } = await client.send("POST", "/batch", { body: { operations }, headers: own });
    return status < 400 ? "done" : body.error.code;
  };
}
