/** Shots as HTTP requests, over the network or into an app in memory, and what their answers must be. */
import * as v from "valibot";
import { credentialKinds } from "../../core/kernel/credential.ts";
import { endpointsOf, namesIn, type Operation } from "../../core/kernel/operation.ts";
import type { JsonObject } from "../../core/ports/json.ts";
import { createRules, demand, type Exchange, isHelpful, type Rules } from "./answer_rules.ts";
import type { Scene, Sent } from "./broken_request.ts";
import type { Fetcher } from "./client.ts";
import type { Shot } from "./fuzz_shots.ts";
import { type Aim, aimed, isRepeated, openWorld, repaired, type Sayings, type World } from "./fuzz_world.ts";

export interface RestFuzz {
  world: World;
  rules: Rules;
  counts: { requests: number; server: number; taken: number; refused: number; events: number };
  /** Sends a request and holds its answer against what is true of every answer. */
  send(sent: Sent): Promise<Exchange>;
  /** Sends what a shot says, when HTTP can say it, and throws unless it is taken or refused as it must be. */
  fire(shot: Shot): Promise<void>;
  /** Channels for broken requests to refer to. */
  scene(): Promise<Scene>;
}

export interface RestFuzzOptions {
  fetcher: Fetcher;
  base: string;
  internalToken: string;
  /** Resolves when a stream will say no more for now. */
  silence(): Promise<unknown>;
  /** Lets a second pass for whoever waits; left out where time passes by itself. */
  second?(): Promise<unknown>;
}

export async function openRestFuzz({
  fetcher,
  base,
  internalToken,
  silence,
  second,
}: RestFuzzOptions): Promise<RestFuzz> {
  const counts = { requests: 0, server: 0, taken: 0, refused: 0, events: 0 };
  const world = await openWorld(fetcher, base, internalToken);
  const rules = createRules((await world.client.send("GET", "/openapi.json")).body, world.isSecret);

  /** All of an answer, or the beginning of an endless one. */
  async function textOf(response: Response): Promise<string> {
    if (response.body === null) return "";
    if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return response.text();
    const reader = response.body.getReader();
    let text = "";
    for (;;) {
      const part = await Promise.race([reader.read(), silence().then(() => null)]);
      if (part === null || part.done) return text;
      text += new TextDecoder().decode(part.value);
    }
  }

  async function answerOf(request: Request): Promise<Response> {
    let answered = false;
    const answering = fetcher(request).finally(() => {
      answered = true;
    });
    if (/[?&]wait=/.test(request.url)) while (!answered && second !== undefined) await second();
    return answering;
  }

  async function send({ method, path, headers = {}, body }: Sent): Promise<Exchange> {
    const gone = new AbortController();
    const init = { method, headers, signal: gone.signal, ...(body === undefined ? {} : { body }) };
    const request = new Request(base + path, init);
    const began = performance.now();
    const response = await answerOf(request);
    const text = await textOf(response);
    const ms = performance.now() - began;
    gone.abort();
    const { status, headers: answered } = response;
    const exchange = {
      method: request.method,
      path: new URL(request.url).pathname,
      status,
      headers: answered,
      text,
      ms,
    };
    counts.requests += 1;
    if (status >= 500) counts.server += 1;
    rules.always(exchange);
    return exchange;
  }

  async function judge(shot: Shot, aim: Aim, request: Sent): Promise<void> {
    const { operation, broken } = shot;
    const exchange = await send(request);
    const { status, text } = exchange;
    if (status < 400) {
      demand(broken === null && aim.refusal === null, `taken with ${status}: ${text.slice(0, 300)}`);
      counts.taken += 1;
      if (request.method !== "HEAD") taken(shot, aim, { ...exchange, sent: request });
      return;
    }
    if (isRepeated(shot, text)) return;
    demand(broken !== null || aim.refusal !== null, `refused with ${status}: ${text.slice(0, 300)}`);
    if (request.method === "HEAD") return;
    const { code, message, ...rest } = rules.refusal(exchange);
    counts.refused += 1;
    const words = `${code}: ${message}`;
    if (code === "invalid_input") demand(isHelpful({ code, message, ...rest }, operation), `no advice: ${words}`);
    if (broken === null) demand(code === aim.refusal, `not ${aim.refusal}, but ${words}`);
    else if (aim.refusal === null && !isInPath(shot)) demand(["invalid_input", "too_large"].includes(code), words);
  }

  function taken({ operation }: Shot, aim: Aim, { status, text, sent }: Exchange & { sent: Sent }): void {
    if (operation.kind === "page" || operation.kind === "content") return;
    if (operation.kind === "feed") {
      demand(/^retry: \d+\n: open\n\n/.test(text), `it begins with ${text.slice(0, 40)}`);
      for (const [, data] of text.matchAll(/^event: message\ndata: ([^\n]*)\n/gm)) {
        rules.shape(operation.event, JSON.parse(data!));
        world.unchanged(JSON.parse(data!));
        counts.events += 1;
      }
      return;
    }
    demand(status === (operation.status ?? 200), `a ${status}`);
    const answer = JSON.parse(text) as JsonObject;
    rules.shape(operation.output, answer);
    if (operation.name === "channels.publish") world.published(answer, sayingsOf(sent));
    else if (Array.isArray(answer.messages)) for (const message of answer.messages) world.unchanged(message as never);
    world.learn(operation, aim, answer);
  }

  return {
    world,
    rules,
    counts,
    send,
    async fire(shot) {
      const aim = await world.aim(shot.operation, shot.standing, shot.pick);
      const request = aim === null ? null : requestOf(shot, aim);
      if (aim === null || request === null) return;
      await judge(shot, aim, request).catch((error: Error) => {
        const { operation, standing, broken } = shot;
        throw new Error(`${operation.name}, ${standing}, ${broken?.why ?? "fits"}: ${error.message}\n${show(request)}`);
      });
    },
    async scene() {
      const { client } = world;
      const deleted = await client.createChannel();
      const headers = { "X-Publish-Token": deleted.publish_token };
      await client.send("DELETE", `/v1/channels/${deleted.id}`, { headers });
      const live = {
        public: await client.createChannel(),
        private: await client.createChannel({ visibility: "private" }),
      };
      return { ...live, deleted, internalToken, payloadMaxBytes: 1_048_576 };
    },
  };
}

/** What a publish request says, as its messages must. */
function sayingsOf({ headers, body }: Sent): Sayings[] {
  if (headers?.["Content-Type"] !== "application/json") return [{ payload: body ?? "", metadata: null }];
  const { messages, ...message } = JSON.parse(String(body));
  return messages ?? [message];
}

const isInPath = ({ operation, broken }: Shot) =>
  namesIn(endpointsOf(operation)[0]!.path).includes(broken?.field ?? "");

/** The request that carries the shot, or null when HTTP cannot say it. */
function requestOf({ operation, input: fits, broken, pick }: Shot, aim: Aim): Sent | null {
  const endpoints = endpointsOf(operation);
  const endpoint = endpoints[pick % endpoints.length]!;
  const input = broken === null ? aimed(fits, aim, pick) : repaired(broken.input, aimed(fits, aim, pick), broken.field);
  const inPath = namesIn(endpoint.path);
  // A poll that does not ask for its form is a request of the other.
  const [, asks] = operation.name.split("?");
  if (asks !== undefined && !Object.hasOwn(input, asks)) return null;
  if (inPath.some((name) => !Object.hasOwn(input, name))) return null;
  const path = endpoint.path.replace(/:([a-z_]+)(\{[^}]*\})?/g, (_, name: string) =>
    encodeURIComponent(asText(input[name])),
  );
  const headers: Record<string, string> = { ...secretHeaders(aim, pick) };
  const rest = new Map(Object.entries(input).filter(([name]) => !inPath.includes(name)));
  for (const [field, header] of Object.entries(operation.headers ?? {})) {
    const text = rest.has(field) ? asText(rest.get(field)) : null;
    if (text === null) continue;
    if (!/^[\x21-\x7e]+$/.test(text) || (broken?.field === field && isTaken(operation, field, text))) return null;
    headers[header] = text;
    rest.delete(field);
  }
  const { method } = endpoint;
  if (method === "GET" || method === "DELETE") {
    const spoilt = broken?.field ?? "";
    if (rest.has(spoilt) && isTaken(operation, spoilt, asText(rest.get(spoilt)))) return null;
    const query = [...rest]
      .map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(asText(value))}`)
      .join("&");
    return {
      method: method === "GET" && pick % 16 === 0 ? "HEAD" : method,
      path: query === "" ? path : `${path}?${query}`,
      headers,
    };
  }
  const asItIs = operation.kind === "call" && rest.has(operation.body?.raw ?? "") && pick % 4 === 0;
  if (asItIs && broken === null) return rawRequest({ method, path, headers }, rest, operation);
  if (rest.size === 0 && broken === null && pick % 2 === 0) return { method, path, headers };
  return {
    method,
    path,
    headers: { ...headers, "Content-Type": "application/json" },
    body: JSON.stringify(Object.fromEntries(rest)),
  };
}

/** Whether a value that was broken by its type fits again as text. */
function isTaken({ input }: Operation, field: string, text: string): boolean {
  return Object.hasOwn(input.entries, field) && v.is(input.entries[field]!, text);
}

function rawRequest(to: Sent, rest: Map<string, unknown>, operation: Operation): Sent {
  const raw = operation.kind === "call" ? operation.body!.raw! : "";
  const ttl = rest.has("ttl_seconds") ? `?ttl_seconds=${rest.get("ttl_seconds")}` : "";
  const headers = { ...to.headers, "Content-Type": "application/octet-stream" };
  return { ...to, path: to.path + ttl, headers, body: asText(rest.get(raw)) };
}

/** Half a surrogate pair cannot be sent as UTF-8. */
function asText(value: unknown): string {
  return (typeof value === "string" ? value : JSON.stringify(value)).replaceAll(/\p{Surrogate}/gu, "\ufffd");
}

function secretHeaders({ secret }: Aim, pick: number): Record<string, string> {
  if (secret === null) return {};
  if (secret.kind === "internal") return { Authorization: `Bearer ${secret.token}` };
  const { header, bearer } = credentialKinds[secret.kind];
  return bearer && pick % 2 === 0 ? { Authorization: `Bearer ${secret.token}` } : { [header]: secret.token };
}

/** A request in words. */
export function show({ method, path, headers, body }: Sent): string {
  return `${method} ${path.slice(0, 300)} ${JSON.stringify(headers)} ${String(body).slice(0, 600)}`;
}
