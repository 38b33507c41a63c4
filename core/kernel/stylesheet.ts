/** The look of every page: one stylesheet, no outside fonts or images, light and dark by the reader's preference. What only one page has is in `stylesheet_parts.ts`. */
import { partsStylesheet } from "./stylesheet_parts.ts";

const foundation = `
:root {
  color-scheme: light dark;
  --paper: #fbfaf6; --surface: #ffffff; --sunken: #f3f1ea; --line: #dfdbcf; --strong-line: #8b897f;
  --ink: #1c2428; --soft: #505b61; --water: #0a5f73; --water-deep: #074654; --water-wash: #e3eff1;
  --on-water: #ffffff; --good: #1d6b3c; --bad: #a32a1d; --bad-wash: #fbeae7;
  --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", P052, Georgia, serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif;
  --mono: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "Liberation Mono", monospace;
  --radius: 10px;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1619; --surface: #151f23; --sunken: #0b1113; --line: #27343a; --strong-line: #6d7c83;
    --ink: #e5e9e8; --soft: #a3b0b5; --water: #79c8d8; --water-deep: #a5dce8; --water-wash: #14303a;
    --on-water: #06262e; --good: #86cf9f; --bad: #f2a196; --bad-wash: #34191a;
  }
}
*, *::before, *::after { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; scroll-padding-top: 1.5rem; }
@media (prefers-reduced-motion: no-preference) { html { scroll-behavior: smooth; } }
body {
  margin: 0; background: var(--paper); color: var(--ink); font: 400 1.0625rem/1.65 var(--sans);
  overflow-wrap: break-word; -webkit-font-smoothing: antialiased; text-rendering: optimizeLegibility;
}
h1, h2, h3, h4 { margin: 0; line-height: 1.2; text-wrap: balance; }
h1, h2 { font-family: var(--serif); font-weight: 500; letter-spacing: -0.01em; }
h1 { font-size: clamp(2.3rem, 1.5rem + 3.6vw, 3.9rem); line-height: 1.08; letter-spacing: -0.018em; }
h2 { font-size: clamp(1.6rem, 1.3rem + 1.3vw, 2.15rem); }
h3 { font-size: 1.2rem; font-weight: 650; letter-spacing: -0.005em; }
h4 { font-size: .9688rem; font-weight: 650; }
p, ul, ol, dl, pre, table, figure { margin: 0; }
p { text-wrap: pretty; }
strong { font-weight: 650; }
a { color: var(--water); text-decoration-thickness: .06em; text-underline-offset: .2em; }
a:hover { color: var(--water-deep); text-decoration-thickness: .12em; }
:focus-visible { outline: 3px solid var(--water); outline-offset: 3px; border-radius: 3px; }
code, pre, .mono { font-family: var(--mono); font-size: .875em; font-variant-ligatures: none; }
:not(pre) > code { padding: .1em .3em; border-radius: 4px; background: var(--sunken); overflow-wrap: anywhere; }
pre code { font-size: 1em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; tab-size: 2; }
.lead { max-width: 38em; font-size: clamp(1.125rem, 1.05rem + .4vw, 1.3rem); line-height: 1.55; color: var(--soft); }
.soft { color: var(--soft); }
.small { font-size: .9375rem; }
.quiet-link { color: inherit; text-decoration: none; }
.quiet-link:hover { text-decoration: underline; }

.skip { position: absolute; left: 1rem; top: -4rem; padding: .6rem 1rem; background: var(--surface); z-index: 2; }
.skip:focus { top: .6rem; }
.wrap { width: min(70rem, 100% - 2.5rem); margin-inline: auto; }
.top { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .25rem 1.5rem; padding-block: 1.25rem; }
.brand { display: inline-flex; align-items: center; gap: .6rem; padding-block: .35rem; color: var(--ink); font: 500 1.3rem/1 var(--serif); text-decoration: none; }
.brand svg { width: 1.75rem; height: 1.75rem; color: var(--water); }
.brand:hover { color: var(--water); }
.top nav { display: flex; gap: 1.4rem; font-size: .9375rem; }
.top nav a { padding-block: .5rem; color: var(--soft); text-decoration: none; }
.top nav a:hover, .top nav a[aria-current] { color: var(--ink); text-decoration: underline; text-decoration-color: var(--water); text-decoration-thickness: 2px; text-underline-offset: .4em; }
.bottom { margin-top: clamp(4rem, 9vw, 7rem); border-top: 1px solid var(--line); color: var(--soft); font-size: .9375rem; }
.bottom .wrap { display: flex; flex-wrap: wrap; gap: .4rem 1.5rem; justify-content: space-between; padding-block: 1.75rem 2.5rem; }
.bottom nav { display: flex; flex-wrap: wrap; gap: .4rem 1.4rem; }
.bottom a { color: inherit; }

.button, button {
  display: inline-flex; align-items: center; justify-content: center; min-height: 2.75rem; padding: .45rem 1.15rem;
  border: 1px solid var(--water); border-radius: 999px; background: var(--water); color: var(--on-water);
  font: 600 .9688rem/1.2 var(--sans); text-decoration: none; cursor: pointer;
}
.button:hover, button:hover:not(:disabled) { background: var(--water-deep); border-color: var(--water-deep); color: var(--on-water); }
.button.plain, button.plain { background: transparent; color: var(--water); }
.button.plain:hover, button.plain:hover:not(:disabled) { background: var(--water-wash); color: var(--water-deep); }
button:disabled { cursor: default; opacity: .55; }
.button:focus-visible, button:focus-visible { border-radius: 999px; }
.actions { display: flex; flex-wrap: wrap; gap: .75rem; }
label { display: block; margin-bottom: .35rem; font-size: .9375rem; font-weight: 600; }
input {
  width: 100%; min-width: 0; min-height: 2.75rem; padding: .5rem .85rem; border: 1px solid var(--strong-line); border-radius: 8px;
  background: var(--paper); color: var(--ink); font: inherit; font-size: 1rem;
}
input:focus-visible { outline-offset: 1px; border-radius: 8px; }

.code { position: relative; }
.code figcaption { margin-bottom: .5rem; font-size: .9375rem; font-weight: 600; line-height: 1.5; }
.code.copyable figcaption { padding-right: 4.6rem; }
.code figcaption .soft { font-weight: 400; }
.code pre { padding: .85rem 1.1rem; border: 1px solid var(--line); border-radius: var(--radius); background: var(--sunken); font-size: .8438rem; line-height: 1.6; }
button.copy {
  position: absolute; top: -.3rem; right: 0; min-height: 2rem; min-width: 4.1rem; padding: .2rem .7rem; border-color: var(--line);
  background: transparent; color: var(--soft); font-size: .8125rem; font-weight: 500;
}
button.copy:hover:not(:disabled) { border-color: var(--water); background: transparent; color: var(--water); }

table { width: 100%; border-collapse: collapse; font-size: .9375rem; line-height: 1.5; }
th { padding: 0 1rem .45rem 0; text-align: left; font-size: .8125rem; font-weight: 600; color: var(--soft); }
td, tbody th { padding: .65rem 1rem .65rem 0; border-top: 1px solid var(--line); vertical-align: top; font-weight: 400; font-size: inherit; color: inherit; }
td:last-child, th:last-child { padding-right: 0; }
td { text-wrap: pretty; }
td p + p { margin-top: .3rem; }
main:focus { outline: none; }
@media (max-width: 40rem) {
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, td, tbody th { display: block; }
  tr { padding-block: .7rem; border-top: 1px solid var(--line); }
  td, tbody th { padding: .1rem 0; border: 0; }
}
`;

/** The text of `/assets/style.css`. */
export const stylesheet = `${foundation.trim()}\n${partsStylesheet.trim()}\n`;
