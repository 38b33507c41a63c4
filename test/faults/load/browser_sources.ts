/** A few real EventSources in a real browser, which hold the strict ones to account; as many as HTTP/1.1 leaves a page. */
import { existsSync } from "node:fs";
import { chromium } from "playwright-core";
import type { Rig } from "../scenario.ts";

export interface BrowserSource {
  path: string;
  /** 0 connecting, 1 open, 2 dead. */
  state: number;
  ids: string[];
}

const CHROMIUM = "/usr/bin/chromium";
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"];

/** Opens one for each path of `base`, on one page; null when there is no browser on this machine. The function tells how they are. */
export async function openBrowserSources(
  rig: Rig,
  { base, paths }: { base: string; paths: readonly string[] },
): Promise<(() => Promise<BrowserSource[]>) | null> {
  if (!existsSync(CHROMIUM)) return null;
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
  rig.onEnd(() => browser.close());
  const page = await browser.newPage();
  await page.goto(`${base}/healthz`);
  await page.evaluate(`globalThis.sources = ${JSON.stringify(paths)}.map((path) => {
    const source = new EventSource(path);
    const ids = [];
    source.addEventListener("message", ({ lastEventId }) => ids.push(lastEventId));
    return { path, source, ids };
  })`);
  const told = "sources.map(({ path, source, ids }) => ({ path, state: source.readyState, ids }))";
  return async () => (await page.evaluate(told)) as BrowserSource[];
}
