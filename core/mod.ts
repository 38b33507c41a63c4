/** The front door of core: what adapters and tests may import, besides the ports. */
export { type App, createApp } from "./app.ts";
export { isAddressBlock } from "./kernel/address.ts";
export type { Ports } from "./kernel/context.ts";
export { hideSecrets } from "./kernel/credential.ts";
export { nearest } from "./kernel/nearest.ts";
export { defaultRateLimits, type RateLimits, type Settings } from "./kernel/settings.ts";
export { Fault } from "./ports/fault.ts";
export type { AppName, Host, Sink } from "./ports/host.ts";
