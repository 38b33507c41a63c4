/** What every page is sent with: nothing from elsewhere is loaded or framed, and no other site is told where the reader came from. */
import type { Settings } from "../kernel/settings.ts";

export function pageHeaders(settings: Settings): Record<string, string> {
  const bases = [settings.restBase, settings.channelBase].filter((base) => base !== null);
  const connect = ["'self'", ...bases.map((base) => new URL(base).origin)].join(" ");
  return {
    "Content-Security-Policy": `default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src ${connect}; base-uri 'none'; form-action 'self'; frame-ancestors 'none'`,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",
  };
}
