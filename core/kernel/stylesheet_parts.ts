/** The parts of the stylesheet that belong to one page: the landing page with its demo, and the reference. */

const landing = `
.hero { padding-block: clamp(2.5rem, 7vw, 5.5rem) clamp(1.5rem, 4vw, 3rem); }
.hero h1 { max-width: 15em; }
.hero .lead { margin-top: 1.4rem; }
.hero .actions { margin-top: 2rem; }
.race { display: block; width: 100%; height: clamp(5rem, 12vw, 9rem); color: var(--water); }
.race path { fill: none; stroke: currentColor; stroke-width: 2; vector-effect: non-scaling-stroke; }
.race .bed { opacity: .22; }
.race .flow { stroke-width: 3; stroke-linecap: round; stroke-dasharray: 2 58 26 94; opacity: .75; }
.race .flow.second { stroke-dasharray: 44 136; opacity: .5; }
.race .flow.third { stroke-dasharray: 2 118; opacity: .9; }
@media (prefers-reduced-motion: no-preference) {
  .race .flow { animation: flow 9s linear infinite; }
  .race .flow.second { animation-duration: 14s; }
  .race .flow.third { animation-duration: 7s; }
}
@keyframes flow { from { stroke-dashoffset: 360; } to { stroke-dashoffset: 0; } }
.part { margin-top: clamp(4rem, 9vw, 6.5rem); }
.part > .lead { margin-top: .8rem; }
.part > .lead + * { margin-top: 2rem; }
.three { margin-top: clamp(1.5rem, 4vw, 3rem); display: grid; gap: 2rem clamp(2rem, 4vw, 3.5rem); grid-template-columns: repeat(auto-fit, minmax(min(16rem, 100%), 1fr)); }
.three h2 { font: 500 1.4rem/1.2 var(--serif); }
.three p { margin-top: .5rem; color: var(--soft); }
.stack { display: grid; gap: 1.5rem; }
.stack > *, .two > * { min-width: 0; }
.two { display: grid; gap: 1.75rem 2rem; grid-template-columns: repeat(auto-fit, minmax(min(25rem, 100%), 1fr)); align-items: start; }
.steps { padding: 0; list-style: none; counter-reset: step; }
.steps > li { position: relative; padding-left: 2.9rem; counter-increment: step; }
.steps > li::before {
  content: counter(step); position: absolute; left: 0; top: -.1rem; width: 1.9rem; height: 1.9rem; border: 1px solid var(--water);
  border-radius: 50%; color: var(--water); font: 500 1.05rem/1.8rem var(--serif); text-align: center;
}
@media (max-width: 40rem) { .steps > li { padding-left: 0; } .steps > li::before { position: static; display: inline-block; margin-bottom: .5rem; } }

.demo { display: grid; grid-template-columns: minmax(0, 5fr) minmax(0, 6fr); border: 1px solid var(--line); border-radius: 16px; background: var(--surface); overflow: clip; }
.demo > div { padding: clamp(1.25rem, 3vw, 2.25rem); min-width: 0; }
.demo .stream { border-left: 1px solid var(--line); background: var(--paper); }
@media (max-width: 52rem) { .demo { grid-template-columns: minmax(0, 1fr); } .demo .stream { border-left: 0; border-top: 1px solid var(--line); } }
.demo .status { display: flex; gap: .7rem; margin-top: 1rem; padding: .75rem 1rem; border-radius: 8px; background: var(--sunken); font-size: .9375rem; line-height: 1.5; }
.demo .status::before { content: ""; flex: none; width: .6rem; height: .6rem; margin-top: .42rem; border-radius: 50%; background: var(--strong-line); }
.demo .status[data-state="live"]::before { background: var(--good); }
.demo .status[data-state="failed"] { background: var(--bad-wash); }
.demo .status[data-state="failed"]::before { background: var(--bad); border-radius: 2px; }
.demo .status[data-state="busy"]::before { background: var(--water); }
.demo .status > span { min-width: 0; overflow-wrap: anywhere; }
.demo form { display: grid; gap: .75rem; margin-top: 1.4rem; }
.demo .actions { margin-top: 1.4rem; }
.demo .line { display: flex; gap: .6rem; }
.demo .line input { flex: 1; }
.demo details { margin-top: 1.4rem; font-size: .9375rem; }
.demo summary { padding-block: .3rem; color: var(--water); cursor: pointer; font-weight: 600; }
.demo details .stack { margin-top: .9rem; gap: 1rem; }
.messages { display: grid; gap: .6rem; margin-top: 1rem; padding: 0; list-style: none; max-height: 27rem; overflow-y: auto; }
.messages li { padding: .7rem .95rem; border: 1px solid var(--line); border-left: 3px solid var(--water); border-radius: 8px; background: var(--surface); }
.messages .payload { white-space: pre-wrap; overflow-wrap: anywhere; }
.messages .about { display: flex; flex-wrap: wrap; gap: 0 .9rem; margin-top: .15rem; color: var(--soft); font-size: .8125rem; line-height: 1.5; overflow-wrap: anywhere; }
.messages .empty { border: 1px dashed var(--line); background: transparent; color: var(--soft); }
@media (prefers-reduced-motion: no-preference) {
  .messages li:not(.empty) { animation: arrive .35s ease-out; }
  @keyframes arrive { from { opacity: 0; transform: translateY(-.5rem); } }
}
[hidden] { display: none !important; }
`;

const reference = `
.pages { display: grid; grid-template: "contents opening" auto "contents body" 1fr / 15.5rem minmax(0, 1fr); column-gap: clamp(2rem, 5vw, 4.5rem); align-items: start; }
.pages > .opening { grid-area: opening; }
.pages > .body { grid-area: body; min-width: 0; }
.contents { grid-area: contents; position: sticky; top: 0; max-height: 100vh; padding-block: 1.5rem 2rem; overflow-y: auto; font-size: .9063rem; line-height: 1.4; }
.contents .title { font: 650 .8125rem/1.4 var(--sans); letter-spacing: .01em; color: var(--soft); }
.contents ul { padding: 0; list-style: none; }
.contents > ul > li { margin-top: 1rem; }
.contents > ul > li > a { font-weight: 650; }
.contents ul ul { margin-top: .2rem; border-left: 1px solid var(--line); }
.contents a { display: block; padding-block: .28rem; color: var(--ink); text-decoration: none; }
.contents ul ul a { margin-left: -1px; padding-left: .9rem; border-left: 2px solid transparent; color: var(--soft); }
.contents a:hover { color: var(--water); }
.contents ul ul a[aria-current] { border-left-color: var(--water); color: var(--water); }
@media (max-width: 60rem) {
  .pages { grid-template: "opening" auto "contents" auto "body" auto / minmax(0, 1fr); }
  .contents { position: static; max-height: none; padding-block: .5rem 2rem; }
  .contents ul ul a { padding-block: .4rem; }
}
.opening { padding-block: clamp(2rem, 5vw, 3.5rem) 1rem; }
.opening .lead { margin-top: 1rem; }
.chapter { margin-top: clamp(3rem, 6vw, 4.5rem); }
.chapter:first-child { margin-top: 1rem; }
.chapter > p { max-width: 42em; margin-top: .7rem; color: var(--soft); }
.chapter > p + figure, .chapter > p + table, .chapter > figure + table { margin-top: 1.5rem; }
.tour { margin-top: 2.5rem; padding-top: 2.25rem; border-top: 1px solid var(--line); }
.tour > h3 { font: 500 1.5rem/1.25 var(--serif); letter-spacing: -.01em; }
.tour > p { max-width: 42em; margin-top: .6rem; color: var(--soft); }
.modes td code { white-space: nowrap; }
.manual > * { margin-top: 1rem; }
.manual > p, .manual > ul, .manual > ol { max-width: 42em; }
.manual > figure { max-width: 56rem; }
.manual > h2 { margin-top: 3rem; }
.manual > h3, .tour .manual > h4 { margin-top: 2.2rem; }
.manual > h4, .tour .manual > h5 { margin-top: 1.7rem; }
.manual > ul, .manual > ol { padding-left: 1.4rem; }
.operation { margin-top: 2.5rem; padding-top: 2.25rem; border-top: 1px solid var(--line); }
.operation > h3 { font: 500 1.5rem/1.25 var(--serif); letter-spacing: -.01em; }
.operation h3 a { color: inherit; text-decoration: none; }
.operation h3 a:hover { color: var(--water); text-decoration: underline; }
.operation > p { max-width: 42em; margin-top: .6rem; }
.endpoints { display: grid; gap: .35rem; margin-top: 1rem; padding: 0; list-style: none; font-size: .9375rem; }
.endpoints li { display: flex; flex-wrap: wrap; gap: .1rem .7rem; align-items: baseline; }
.endpoints code { padding: 0; background: none; }
.method { flex: none; min-width: 4.2em; padding: .05em .5em; border: 1px solid var(--strong-line); border-radius: 5px; color: var(--ink); font: 600 .8125rem/1.5 var(--mono); text-align: center; }
.facts { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .35rem 1.4rem; margin-top: 1.1rem; font-size: .9375rem; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; }
@media (max-width: 40rem) { .facts { grid-template-columns: minmax(0, 1fr); gap: 0; } .facts dd { margin-bottom: .5rem; } }
.operation h4 { margin: 1.9rem 0 .6rem; }
@media (min-width: 40.01rem) {
  .fields tbody th, .faults tbody th { width: 26%; }
  .fields .kind { width: 30%; }
  .faults .status { width: 5rem; }
  .operation .fields td, .operation .fields tbody th { padding-block: .5rem; }
  .operation .faults td, .operation .faults tbody th { padding-block: .35rem; }
}
tbody th code { font-weight: 600; }
.need { display: block; color: var(--soft); font-size: .8125rem; }
.examples { display: grid; grid-template-columns: repeat(2, minmax(0, 1fr)); gap: 1rem 1.25rem; }
.examples + .examples { margin-top: 1.75rem; }
.examples .wide { grid-column: 1 / -1; }
@media (max-width: 40rem) { .examples { grid-template-columns: minmax(0, 1fr); } }
@media (max-width: 40rem) { .need { display: inline; margin-left: .5em; } }
@media print {
  .top, .contents, .bottom, .copy, .skip { display: none; }
  .pages { display: block; }
  .operation { break-inside: avoid-page; }
}
`;

/** What follows the foundation in `/assets/style.css`. */
export const partsStylesheet = `${landing.trim()}\n${reference.trim()}\n`;
