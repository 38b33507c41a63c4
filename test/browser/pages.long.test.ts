/** Our pages in a real browser: against the server at TEST_URL, else against one of its own on 127.0.0.1. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import { type Browser, chromium, type Page } from "playwright-core";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createClient } from "../support/client.ts";
import { cuttableProxy } from "../support/cuttable_proxy.ts";
import { eventually } from "../support/eventually.ts";
import { background, focused, poorContrast, watchPolicy, widest } from "../support/in_page.ts";
import { startServerProcess, temporaryDirectory } from "../support/server_process.ts";

const CHROMIUM = "/usr/bin/chromium";
const ARGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATHS = ["/", "/reference"];
const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 360, height: 740 };

interface World {
  base: string;
  browser: Browser;
  end(): Promise<void>;
}

/** A page with all that a careful reader would complain about. */
interface Visit {
  page: Page;
  complaints: string[];
}

const test = suite<World>("pages in Chromium");

async function startServer(): Promise<{ url: string; end(): Promise<void> }> {
  const url = process.env.TEST_URL;
  if (url) return { url: url.replace(/\/$/, ""), end: async () => {} };
  const directory = await temporaryDirectory();
  const server = await startServerProcess({ dataDir: directory.path });
  return {
    url: server.url.replace("localhost", "127.0.0.1"),
    async end() {
      await server.end("SIGTERM");
      await directory.remove();
    },
  };
}

async function visit(world: World, path: string, options: Parameters<Browser["newPage"]>[0] = {}): Promise<Visit> {
  const page = await world.browser.newPage({ viewport: DESKTOP, ...options });
  page.setDefaultTimeout(10_000);
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== world.base) complaints.push(`request to ${request.url()}`);
  });
  page.on("response", (response) => {
    if (response.status() >= 400) complaints.push(`${response.status()} for ${response.url()}`);
  });
  await page.addInitScript(watchPolicy);
  await page.goto(world.base + path);
  return { page, complaints };
}

async function close({ page, complaints }: Visit): Promise<void> {
  const violations = await page.evaluate<string[]>("violations");
  await page.close();
  assert.equal([...complaints, ...violations], []);
}

const status = (page: Page) => page.locator('[data-part="status"]');
const messages = (page: Page) => page.locator(".messages .payload");

async function createChannel(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Create a channel", exact: true }).click();
  await page.locator('[data-state="live"]').waitFor();
}

async function publish(page: Page, text: string): Promise<void> {
  await page.getByLabel("Message").fill(text);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
}

test.before(async (world) => {
  const server = await startServer();
  world.base = server.url;
  world.end = server.end;
  world.browser = await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
});

test.after(async (world) => {
  await world.browser?.close();
  await world.end?.();
});

for (const path of PATHS) {
  for (const viewport of [DESKTOP, PHONE]) {
    test(`${path} fits ${viewport.width} px, stays at home and breaks no policy`, async (world) => {
      const seen = await visit(world, path, { viewport });
      const { page } = seen;
      await page.waitForLoadState("load");
      assert.equal(await page.evaluate(widest), { scroll: viewport.width, culprits: [] });
      assert.is(await page.locator("h1").count(), 1);
      await close(seen);
    });
  }

  test(`${path} follows the reader's choice of light or dark, with contrast in both`, async (world) => {
    const colours = [];
    for (const colorScheme of ["light", "dark"] as const) {
      const seen = await visit(world, path, { colorScheme });
      colours.push(await seen.page.evaluate(background));
      assert.equal(await seen.page.evaluate(poorContrast), [], colorScheme);
      await close(seen);
    }
    assert.is.not(colours[0], colours[1]);
  });

  test(`${path} shows where the keyboard is`, async (world) => {
    const seen = await visit(world, path);
    for (let stop = 0; stop < 12; stop += 1) {
      await seen.page.keyboard.press("Tab");
      assert.match(await seen.page.evaluate<string>(focused), /^(A|BUTTON|OL|SUMMARY|INPUT|PRE) solid 3px$/);
    }
    await close(seen);
  });
}

test("the demo creates a channel, publishes, and the message arrives in the page", async (world) => {
  const seen = await visit(world, "/");
  const { page } = seen;
  await createChannel(page);
  await publish(page, "Hello <b>there</b>");
  await messages(page).first().waitFor();
  assert.equal(await messages(page).allTextContents(), ["Hello <b>there</b>"]);
  await page.getByText("from this page").waitFor();
  assert.match((await status(page).textContent())!, /Published and on disk in \d+ ms/);
  await publish(page, "A second one");
  await messages(page).nth(1).waitFor();
  assert.equal(await messages(page).allTextContents(), ["A second one", "Hello <b>there</b>"]);
  await close(seen);
});

test("the demo's terminal line publishes into the page", async (world) => {
  const seen = await visit(world, "/");
  const { page } = seen;
  await createChannel(page);
  await page.getByText("Publish to it from a terminal").click();
  const line = await page.locator("details code").first().textContent();
  await shell(line!);
  await messages(page).first().waitFor();
  assert.equal(await messages(page).allTextContents(), ["Hello from a terminal"]);
  await close(seen);
});

test("the demo catches up after the connection broke, nothing twice", async (world) => {
  const way = await cuttableProxy(world.base);
  const { page } = await visit({ ...world, base: way.url }, "/");
  await createChannel(page);
  await publish(page, "Before");
  await messages(page).first().waitFor();
  way.cut();
  await page.getByText("The connection broke").waitFor();
  await publish(page, "Meanwhile");
  await messages(page).nth(1).waitFor();
  assert.equal(await messages(page).allTextContents(), ["Meanwhile", "Before"]);
  await page.close();
  await way.close();
});

test("the page's lines follow a private channel by ticket, survive a cut, and end when the grant is revoked", async (world) => {
  const client = createClient(world.base);
  const channel = await client.createChannel({ visibility: "private" });
  const headers = { "X-Publish-Token": channel.publish_token };
  const grants = `/v1/channels/${channel.id}/read-grants`;
  const { body: grant } = await client.send("POST", grants, { body: {}, headers });
  const way = await cuttableProxy(world.base);
  const { page } = await visit({ ...world, base: way.url }, "/");
  const seen: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "log") seen.push(message.text());
  });
  const lines = await page.locator("section[aria-labelledby=tokens] code").last().textContent();
  const known = `const channel = "${channel.id}", token = "${grant.raw_token}";`;
  await page.evaluate(`(async () => { ${known}\n${lines}\nglobalThis.stream = stream; })()`);
  const state = () => page.evaluate<number>("stream.readyState");
  await eventually("the stream is open", async () => (await state()) === 1);
  await client.publish(channel, "before");
  await eventually("the first message is here", () => seen.length === 1);
  way.cut();
  await client.publish(channel, "meanwhile");
  await eventually("the browser came back", () => seen.length === 2, 10_000);
  assert.equal(seen, ["before", "meanwhile"]);
  await client.send("POST", `${grants}/${grant.id}/revoke`, { headers });
  await eventually("the stream was ended", async () => (await state()) !== 1, 1_000);
  await client.publish(channel, "after");
  await eventually("the browser gave up", async () => (await state()) === 2, 10_000);
  assert.equal(seen, ["before", "meanwhile"]);
  await page.close();
  await way.close();
});

test("the demo deletes its channel and begins again", async (world) => {
  const { page } = await visit(world, "/");
  await createChannel(page);
  await page.getByRole("button", { name: "Delete the channel" }).click();
  await page.getByText("The channel is deleted").waitFor();
  assert.is(await page.getByLabel("Message").isVisible(), false);
  await createChannel(page);
  await publish(page, "Again");
  await messages(page).first().waitFor();
  await page.close();
});

test("the demo says in words what went wrong", async (world) => {
  const { page } = await visit(world, "/");
  const error = { code: "rate_limited", message: "Too many channels; wait 30 s", retryable: true, request_id: "1" };
  await page.route("**/v1/channels", (route) => route.fulfill({ status: 429, json: { error } }), { times: 1 });
  await page.getByRole("button", { name: "Create a channel", exact: true }).click();
  await page.locator('[data-state="failed"]').waitFor();
  assert.match((await status(page).textContent())!, "Too many channels; wait 30 s");
  await page.route("**/v1/channels", (route) => route.abort(), { times: 1 });
  await page.getByRole("button", { name: "Create a channel", exact: true }).click();
  await page.getByText("The server did not answer").waitFor();
  await createChannel(page);
  await page.close();
});

test("copy buttons copy the code", async (world) => {
  const context = await world.browser.newContext({ permissions: ["clipboard-read", "clipboard-write"] });
  const page = await context.newPage();
  await page.goto(world.base);
  await page.getByRole("button", { name: "Copy: Claude Code" }).click();
  await page.getByText("Copied").waitFor();
  const copied = await page.evaluate("navigator.clipboard.readText()");
  assert.is(copied, `claude mcp add --transport http millrace ${world.base}/mcp`);
  await context.close();
});

test("the three lines of the landing page run as they stand", async (world) => {
  const seen = await visit(world, "/");
  const lines = await seen.page.locator(".steps code").allTextContents();
  assert.is(lines.length, 3);
  // The last line follows until it is interrupted.
  const { stdout } = await shell(
    lines.map((line, index) => (index === 2 ? `${line} --max-time 2 || true` : line)).join("\n"),
  );
  assert.match(stdout, /event: message\ndata: .*"payload":"Hello"/);
  await close(seen);
});

function shell(script: string): Promise<{ stdout: string }> {
  return promisify(execFile)("sh", ["-c", script], { timeout: 20_000 });
}

if (existsSync(CHROMIUM)) {
  test.run();
} else {
  console.log("skipped: no chromium");
  suite("pages in Chromium").run();
}
