/** The JavaScript of every page: copy buttons, and the mark of the present section in a list of contents. Pages read well without it. */

/** The text of `/assets/page.js`. */
export const pageScript = `
for (const figure of document.querySelectorAll(".copyable")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + figure.querySelector("figcaption").textContent);
  button.addEventListener("click", async () => {
    const code = figure.querySelector("code");
    button.textContent = (await copied(code)) ? "Copied" : "Selected";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  figure.append(button);
}

// The clipboard is closed to pages without TLS; there the text is selected, ready to be copied by hand.
async function copied(code) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(code);
    return false;
  }
}

const entries = new Map();
for (const link of document.querySelectorAll(".contents a[href^='#']")) {
  const section = document.getElementById(link.hash.slice(1));
  if (section) entries.set(section, link);
}
if (entries.size > 0) {
  const inView = new Set();
  const watcher = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) isIntersecting ? inView.add(target) : inView.delete(target);
    const sections = [...entries.keys()].filter((section) => inView.has(section));
    const present = sections.at(-1);
    for (const [section, link] of entries) {
      if (section === present) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
  }, { rootMargin: "0px 0px -75% 0px" });
  for (const section of entries.keys()) watcher.observe(section);
}
`.trimStart();
