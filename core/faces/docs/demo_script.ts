/**
 * The JavaScript of the landing page's demo: creates a public channel, publishes to it and follows its stream. It knows the page by the
 * `data-part` names of the section, and shows every state in words.
 */

/** The text of `/assets/demo.js`. */
export const demoScript = `
const root = document.querySelector(".demo");
const part = (name) => root.querySelector('[data-part="' + name + '"]');
const base = root.dataset.rest;
const MOST_SHOWN = 50;
const sent = new Map();
let channel = null;
let stream = null;

function say(state, words) {
  part("status").dataset.state = state;
  part("words").textContent = words;
}

function show(name, visible) {
  part(name).hidden = !visible;
}

// One request; what goes wrong is said in the server's words, else in ours.
async function request(path, options) {
  let response;
  try {
    response = await fetch(base + path, options);
  } catch {
    throw new Error("The server did not answer. Is it running, and is this page allowed to call it?");
  }
  const body = await response.json().catch(() => null);
  if (response.ok) return body;
  throw new Error(body?.error?.message ?? "The server answered with status " + response.status + ".");
}

async function busy(button, work) {
  button.disabled = true;
  try {
    await work();
  } catch (error) {
    say("failed", error.message);
  } finally {
    button.disabled = false;
  }
}

part("create").addEventListener("click", () => busy(part("create"), async () => {
  say("busy", "Creating a channel …");
  channel = await request("/v1/channels", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ name: "demo", visibility: "public", default_ttl_seconds: 3600 }),
  });
  sent.clear();
  part("messages").replaceChildren(note("Waiting for the first message."));
  follow();
  showTerminal();
  show("start", false);
  for (const name of ["form", "terminal", "end"]) show(name, true);
  root.querySelector("#demo-text").select();
}));

function follow() {
  say("busy", "The channel is made. Opening its stream …");
  stream = new EventSource(channel.url + "?from=earliest");
  stream.onopen = () => say("live", "The stream is open. Publish something.");
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) say("failed", "The stream has ended. Create another channel to go on.");
    else say("busy", "The connection broke. The browser connects again and catches up by itself …");
    if (stream.readyState === EventSource.CLOSED) finish();
  };
  stream.addEventListener("message", (event) => arrive(JSON.parse(event.data)));
  for (const kind of ["gap", "reset"]) {
    stream.addEventListener(kind, () => add(note("Some messages expired before they could be shown here.")));
  }
}

part("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = root.querySelector("#demo-text");
  const text = input.value;
  busy(part("publish"), async () => {
    const began = performance.now();
    const { id } = await request("/v1/channels/" + channel.id + "/publish", {
      method: "POST",
      headers: { "Content-Type": "text/plain", "X-Publish-Token": channel.publish_token },
      body: text,
    });
    const took = Math.round(performance.now() - began);
    sent.set(id, took);
    say(stream.readyState === EventSource.OPEN ? "live" : "busy", "Published and on disk in " + took + " ms.");
    input.value = "";
    input.focus();
    mark(id);
  });
});

function arrive(message) {
  const item = document.createElement("li");
  item.id = "message-" + message.id;
  const payload = document.createElement("p");
  payload.className = "payload";
  payload.textContent = typeof message.payload === "string" ? message.payload : JSON.stringify(message.payload, null, 2);
  const about = document.createElement("p");
  about.className = "about";
  const time = document.createElement("time");
  time.dateTime = message.created_at;
  time.textContent = new Date(message.created_at).toLocaleTimeString();
  const id = document.createElement("span");
  id.className = "mono";
  id.textContent = message.id;
  const origin = document.createElement("span");
  origin.className = "origin";
  about.append(time, origin, id);
  item.append(payload, about);
  add(item);
  mark(message.id);
}

// The answer and the event may come in either order.
function mark(id) {
  const origin = document.querySelector("#message-" + CSS.escape(id) + " .origin");
  if (origin) origin.textContent = sent.has(id) ? "from this page" : "";
}

function add(item) {
  const list = part("messages");
  list.querySelector(".empty")?.remove();
  list.prepend(item);
  while (list.children.length > MOST_SHOWN) list.lastElementChild.remove();
}

function note(words) {
  const item = document.createElement("li");
  item.className = "empty";
  item.textContent = words;
  return item;
}

function showTerminal() {
  const [publish, follow] = part("terminal").querySelectorAll("code");
  publish.textContent = "curl '" + base + "/v1/channels/" + channel.id + "/publish' -H 'X-Publish-Token: " + channel.publish_token + "' -d 'Hello from a terminal'";
  follow.textContent = "curl -N '" + channel.url + "?from=earliest'";
}

part("remove").addEventListener("click", () => busy(part("remove"), async () => {
  say("busy", "Deleting the channel …");
  await request("/v1/channels/" + channel.id, { method: "DELETE", headers: { "X-Publish-Token": channel.publish_token } });
  finish();
  say("idle", "The channel is deleted with all its messages. Create another to go on.");
}));

function finish() {
  stream?.close();
  for (const name of ["form", "terminal", "end"]) show(name, false);
  show("start", true);
  part("create").focus();
}
`.trimStart();
