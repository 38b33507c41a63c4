/** An app on memory ports, asked without a network: for tests of what faces and pages answer. */
import { createApp } from "../../core/app.ts";
import { capabilities as all } from "../../core/capabilities/mod.ts";
import type { Capability } from "../../core/kernel/capability.ts";
import type { Settings } from "../../core/kernel/settings.ts";
import { type AppName, appNames } from "../../core/ports/host.ts";
import { type MemoryPorts, memoryPorts, memorySettings } from "./memory_house.ts";

export interface SiteOptions {
  capabilities?: readonly Capability[];
  settings?: Partial<Settings>;
  apps?: readonly AppName[];
  ports?: MemoryPorts;
}

export const SITE = "http://millrace.test";

/** Sends requests to an app of these capabilities (all of ours when left out). */
export function memorySite({
  capabilities = all,
  settings = {},
  apps = appNames,
  ports = memoryPorts(),
}: SiteOptions = {}) {
  const app = createApp(ports, memorySettings(settings), capabilities);
  const host = {
    address: "192.0.2.1",
    apps: new Set(apps),
    stream(): Response {
      throw new Error("no stream is followed here");
    },
  };
  return {
    app,
    ports,
    send: (path: string, init?: RequestInit) => app.fetch(new Request(SITE + path, init), host),
  };
}
