/**
 * The shape of a broken request: one that is wrong in one way, with the answer it must get, and what such requests may refer to.
 */
import type { FaultCode } from "../../core/ports/fault.ts";
import type { CreatedChannel } from "./client.ts";

/** What the requests may refer to; all of it exists. */
export interface Scene {
  public: CreatedChannel;
  private: CreatedChannel;
  deleted: CreatedChannel;
  internalToken: string;
  payloadMaxBytes: number;
}

export interface Sent {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array<ArrayBuffer>;
}

export type Row = [name: string, send: (scene: Scene) => Sent, code: FaultCode, says: RegExp];

export const JSON_TYPE = { "Content-Type": "application/json" };
/** An id that nothing has. */
export const NOWHERE = "0190163d-8694-439b-aea5-966c26f8ad91";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** Creates a channel by this body. */
export const create =
  (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = JSON_TYPE) =>
  () => ({
    method: "POST",
    path: "/v1/channels",
    headers,
    body: typeof body === "string" ? utf8(body) : body,
  });

/** Publishes this body to the public channel. */
export const publish =
  (body: string | ((scene: Scene) => string), headers: Record<string, string> = JSON_TYPE, query = "") =>
  (scene: Scene) => ({
    method: "POST",
    path: `/v1/channels/${scene.public.id}/publish${query}`,
    headers: { "X-Publish-Token": scene.public.publish_token, ...headers },
    body: utf8(typeof body === "string" ? body : body(scene)),
  });
