// The report's style sheet: system fonts, light and dark by the reader's setting, one column on a phone and a table of contents at
// the side on a wide screen. On dark paper the figures' blue is lightened. No rule refers to anything outside the file.

/** CSS of {@link reportHtml}. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1c1f23; --soft: #5a6169; --line: #dcdfe3; --accent: #005a8e; }
@media (prefers-color-scheme: dark) {
  :root { --paper: #14171b; --card: #1c2026; --ink: #e6e8ea; --soft: #a3abb4; --line: #343a42; --accent: #6cc1f5; }
  svg:not(.photo) [stroke="#0072B2"] { stroke: #3f9fe0; }
  svg:not(.photo) :is(circle, .bar, .key, .series)[fill="#0072B2"] { fill: #3f9fe0; }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
a { color: var(--accent); text-underline-offset: 0.15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 3px; }
.skip { position: absolute; left: 0.5rem; top: -4rem; padding: 0.5rem 1rem; background: var(--card); z-index: 1; }
.skip:focus { top: 0.5rem; }
.page { max-width: 76rem; margin: 0 auto; padding: 1.25rem 1rem 4rem; }
header h1 { font-size: clamp(1.5rem, 1.1rem + 2vw, 2.2rem); line-height: 1.15; margin: 0 0 0.25rem; letter-spacing: -0.01em; overflow-wrap: anywhere; }
header p { margin: 0; color: var(--soft); overflow-wrap: anywhere; }
nav { margin: 1.25rem 0; padding: 0.9rem 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
nav h2 { font-size: 0.8rem; margin: 0 0 0.3rem; color: var(--soft); text-transform: uppercase; letter-spacing: 0.06em; }
nav ol { margin: 0; padding-left: 1.3rem; }
nav li { padding: 0.12rem 0; overflow-wrap: anywhere; }
section { margin: 0 0 1.25rem; padding: 1.1rem 1.1rem 1.25rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px; scroll-margin-top: 1rem; }
section h2 { font-size: 1.25rem; line-height: 1.25; margin: 0 0 0.35rem; overflow-wrap: anywhere; }
.note { margin: 0 0 0.9rem; color: var(--soft); max-width: 46rem; }
p { max-width: 46rem; }
figure { margin: 1rem 0; min-width: 0; }
figcaption { margin-top: 0.35rem; color: var(--soft); font-size: 0.9rem; }
.scroll { overflow-x: auto; }
svg { display: block; width: auto; max-width: 100%; height: auto; }
svg.route { min-width: 36rem; }
svg.route.compact, .gallery svg.compact { min-width: 0; width: auto; max-width: none; }
details { margin: 0.75rem 0; }
summary { cursor: pointer; padding: 0.25rem 0; color: var(--accent); }
details .scroll { max-height: 32rem; overflow-y: auto; }
.gallery { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 21rem), 1fr)); gap: 1rem; align-items: start; }
.gallery figure { margin: 0; }
section > :last-child { margin-bottom: 0; }
.gallery svg { width: 100%; max-width: 38rem; }
table { border-collapse: collapse; margin-block: 0.5rem 1.25rem; font-variant-numeric: tabular-nums; font-size: 0.94rem; }
caption { text-align: left; color: var(--soft); padding-bottom: 0.35rem; }
th, td { padding: 0.35rem 0.9rem 0.35rem 0; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { border-bottom: 2px solid var(--soft); white-space: nowrap; }
tbody th { font-weight: 500; }
.number { text-align: right; padding-left: 0.6rem; }
@media (min-width: 68rem) {
  .page { display: grid; grid-template-columns: 14rem minmax(0, 1fr); column-gap: 1.5rem; align-items: start; }
  header { grid-column: 1 / -1; margin-bottom: 1.25rem; }
  nav { position: sticky; top: 1rem; margin: 0; max-height: calc(100vh - 2rem); overflow-y: auto; }
}
@media (max-width: 30rem) {
  .page { padding: 0.9rem 0.5rem 3rem; }
  section { padding: 0.9rem 0.75rem 1rem; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
@media print {
  :root { color-scheme: light; --paper: #ffffff; --card: #ffffff; --ink: #000000; --soft: #444444; --line: #bbbbbb; --accent: #000000; }
  nav, .skip { display: none; }
  section { border: 0; padding: 0; }
  h2 { break-after: avoid; }
  figure, tr { break-inside: avoid; }
  .page { display: block; }
  .scroll, details .scroll { overflow: visible; max-height: none; }
  svg.route, .gallery svg.compact { min-width: 0; max-width: 100%; }
  details::details-content { content-visibility: visible; block-size: auto; }
}
`.trim();
