/** JavaScript that tests run inside a page, as text: it is for the browser, so neither our compiler nor its loader may touch it. */

/** Counts what the page's policy forbade, from the first moment on. */
export const watchPolicy = `
globalThis.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
`;

/** How wide the page is, and what reaches beyond the window. */
export const widest = `(() => {
  const isWide = (element) => Math.ceil(element.getBoundingClientRect().right) > innerWidth;
  const culprits = [...document.querySelectorAll("body *")].filter((one) => isWide(one) && !one.closest("svg"));
  return { scroll: document.documentElement.scrollWidth, culprits: culprits.map((one) => one.outerHTML.slice(0, 80)) };
})()`;

export const background = `getComputedStyle(document.body).backgroundColor`;

/** Element and outline of where the keyboard is. */
export const focused = `(() => {
  const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
  return [document.activeElement.tagName, outlineStyle, outlineWidth].join(" ");
})()`;

/** Texts with less than 4.5 to 1 against what is behind them (WCAG 2.2, 1.4.3). */
export const poorContrast = `(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [red, green, blue] = parts(colour).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const { backgroundColor } = getComputedStyle(at);
      if ((parts(backgroundColor)[3] ?? 1) === 1) return backgroundColor;
    }
    return "rgb(255, 255, 255)";
  };
  const isText = (node) => node.nodeType === Node.TEXT_NODE && node.textContent.trim() !== "";
  return [...document.querySelectorAll("body *")]
    .filter((element) => [...element.childNodes].some(isText))
    .filter((element) => {
      const [darker, lighter] = [light(getComputedStyle(element).color), light(behind(element))].sort((one, two) => one - two);
      return (lighter + 0.05) / (darker + 0.05) < 4.5;
    })
    .map((element) => element.outerHTML.slice(0, 100));
})()`;
