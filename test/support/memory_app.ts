/** The whole server in memory: ports, settings, the app, and a client that calls it without a network. Time moves when a test says so. */
import { type App, createApp } from "../../core/app.ts";
import type { Capability } from "../../core/kernel/capability.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { type AppName, appNames, type Host } from "../../core/ports/host.ts";
import { streamResponse } from "../../core/ports/stream.ts";
import { type Client, createClient, type Fetcher } from "./client.ts";
import { type EventReader, openEvents } from "./event_stream.ts";
import { type MemoryPorts, memoryPorts, memorySettings } from "./memory_house.ts";

export interface MemoryApp {
  app: App;
  ports: MemoryPorts;
  settings: Settings;
  client: Client;
  /** Hands a request to the app as a listener would. */
  fetcher: Fetcher;
  /** Opens a stream; `path` begins with a slash. */
  events(path: string, headers?: Record<string, string>): Promise<EventReader>;
  /** Lets `ms` pass for the server, and lets it finish what it then does. */
  advance(ms: number): Promise<void>;
  stop(): Promise<void>;
}

export interface MemoryAppOptions {
  settings?: Partial<Settings>;
  ports?: MemoryPorts;
  /** Scheme and host of the requests. */
  base?: string;
  /** The caller's address as the socket has it. */
  address?: string;
  apps?: readonly AppName[];
  /** Other capabilities than ours. */
  capabilities?: readonly Capability[];
}

export function openApp(options: MemoryAppOptions = {}): MemoryApp {
  const { ports = memoryPorts(), base = "http://millrace.test", address = "192.0.2.1", apps = appNames } = options;
  const settings = memorySettings(options.settings);
  const app = createApp(ports, settings, options.capabilities);
  const host: Host = { address, apps: new Set(apps), stream: streamResponse };

  async function fetcher(request: Request): Promise<Response> {
    const response = await app.fetch(request, host);
    if (response.body === null) return response;
    // As a listener does: the answer ends when its caller goes away.
    const body = response.body.pipeThrough(new TransformStream(), { signal: request.signal });
    return new Response(body, { status: response.status, headers: response.headers });
  }

  return {
    app,
    ports,
    settings,
    client: createClient(base, fetcher),
    fetcher,
    events: (path, headers) => openEvents(base + path, headers, fetcher),
    advance: ports.clock.advance,
    stop: app.stop,
  };
}
