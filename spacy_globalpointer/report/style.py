"""The style sheets of the page."""

# Of documents with their spans, on the page and in notebooks.
SPANS = """
/* displaCy sets a line height of its own on the element. */
.spans {
  line-height: 1.6 !important; white-space: pre-wrap; overflow-wrap: anywhere;
}
.token {
  display: inline-grid; grid-template-rows: auto; grid-auto-rows: 1.2rem;
  grid-template-columns: minmax(0, auto); max-width: 100%; margin-bottom: .35rem;
}
/* The space after a word is part of its box, so that a bar runs on across it. */
.word { grid-row: 1; white-space: break-spaces; }
.bar {
  display: flex; align-items: center; align-self: center; min-width: 0; height: .45rem;
  border: solid #0007; border-width: 1px 0;
}
.bar.start { border-inline-start-width: 1px; }
.bar.end { border-inline-end-width: 1px; margin-inline-end: .25rem; }
.badge {
  display: inline-block; min-width: 0; max-width: 100%; padding: 0 .3rem;
  overflow: hidden; border: 1px solid #0009; border-radius: .2rem; color: #000;
  font-size: .72rem; font-weight: 600; line-height: 1rem; text-overflow: ellipsis;
  white-space: nowrap; vertical-align: middle; unicode-bidi: plaintext;
}
/* A label that its span has room for widens no word. */
.bar.fits { width: 0; min-width: 100%; }
.bar.fits .badge { position: relative; z-index: 1; flex: none; max-width: none; }
.bar.wrong {
  background-image: repeating-linear-gradient(135deg, #fff0 0 3px, #fff 3px 6px);
}
.badge.wrong { border: 2px dashed #000; line-height: calc(1rem - 2px); }
.bar, .badge { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
"""

STYLE = (
    SPANS
    + """
:root {
  color-scheme: light dark;
  --ground: #fff; --text: #1a1a1a; --soft: #555; --line: #ddd; --strong: #333;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #16181c; --text: #e6e6e6; --soft: #aab; --line: #3a3f47; --strong: #999;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 90rem; padding: 1rem; background: var(--ground);
  color: var(--text);
  font: 1rem/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", Arial, sans-serif;
}
h1 { margin: 0 0 .5rem; font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { margin: 0 0 .4rem; font-size: 1.25rem; }
h3 { margin: 0; font-size: 1.05rem; }
h4 { margin: 0 0 .4rem; font-size: .9rem; color: var(--soft); }
body > section {
  margin-top: 2rem; padding-top: 1rem; border-top: 2px solid var(--strong);
}
.models { overflow-wrap: anywhere; }
a { color: inherit; }
nav {
  position: sticky; top: 0; z-index: 3; background: var(--ground);
  border-bottom: 1px solid var(--line);
}
nav ul { display: flex; gap: .2rem 1rem; overflow-x: auto; padding: .3rem 0; }
section[id] { scroll-margin-top: 2.6rem; }
.document { scroll-margin-top: 8rem; }
.document:focus { outline: 2px solid var(--soft); outline-offset: .3rem; }
#note {
  position: absolute; z-index: 4; max-width: calc(100vw - 1rem); padding: .2rem .5rem;
  border: 1px solid var(--soft); border-radius: .3rem; background: var(--ground);
  font-size: .85rem; overflow-wrap: anywhere;
}
[hidden] { display: none !important; }
p { margin: .4rem 0; }
ul { margin: .4rem 0; padding: 0; list-style: none; }

.totals { display: flex; flex-wrap: wrap; gap: .4rem 1.6rem; margin: .8rem 0; }
.totals dt { font-size: .8rem; color: var(--soft); }
.totals dd { margin: 0; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.legend { display: flex; flex-wrap: wrap; gap: .4rem; }
.legend li { min-width: 0; }
.note { color: var(--soft); font-style: italic; }

.document {
  margin-top: 1.2rem; padding-top: .8rem; border-top: 1px solid var(--line);
  /* Long pages: the browser lays out what is in sight. */
  content-visibility: auto; contain-intrinsic-size: auto 20rem;
}
.document[hidden] { display: none; }
#filters {
  position: sticky; top: 2.4rem; z-index: 2; display: flex; flex-wrap: wrap;
  gap: .3rem 1.2rem; align-items: center; padding: .5rem 0;
  background: var(--ground);
  border-bottom: 1px solid var(--line);
}
#filters fieldset {
  display: flex; flex-wrap: wrap; gap: .1rem .9rem; min-width: 0; margin: 0;
  padding: 0; border: 0;
}
#filters legend { float: left; padding: 0 .9rem 0 0; }
#filters label { white-space: nowrap; }
@media (max-width: 45rem) { #filters { position: static; } }
.panels { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.panel {
  min-width: 0; padding: .7rem; border: 1px solid var(--line); border-radius: .4rem;
}
@media (max-width: 45rem) { .panels { grid-template-columns: 1fr; } }

/* Outside the drawing, where rows need not line up, a long label is shown in full. */
.legend .badge, .errors .badge { white-space: normal; overflow-wrap: anywhere; }
.errors { margin-top: .6rem; font-size: .9rem; }
.errors summary { font-weight: 600; }
.errors li { margin: .25rem 0; overflow-wrap: anywhere; }
.where { color: var(--soft); font-variant-numeric: tabular-nums; }
.links { margin-top: .6rem; font-size: .9rem; }
.links li { margin: .25rem 0; overflow-wrap: anywhere; }
.links b.wrong { outline: 2px dashed; outline-offset: 1px; }
.kind {
  padding: 0 .3rem; border: 1px solid var(--soft); border-radius: .6rem;
  font-size: .8rem;
}

.scroll { max-width: 100%; margin: .6rem 0; overflow-x: auto; }
.tall { max-height: 40rem; overflow-y: auto; }
table {
  border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
}
th, td {
  padding: .2rem .6rem; border-bottom: 1px solid var(--line); text-align: end;
  vertical-align: top;
}
thead th { vertical-align: bottom; }
th:first-child { min-width: 7rem; max-width: 20rem; text-align: start; }
th { overflow-wrap: break-word; }
td small { display: block; color: var(--soft); white-space: nowrap; }
.figures { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
/* Plots are drawn for a light ground. */
figure { max-width: 100%; margin: .6rem 0; }
figure svg { background: #fff; }
figure svg { display: block; max-width: 100%; height: auto; }
figcaption {
  position: sticky; left: 0; max-width: min(36rem, 100vw - 2rem); font-size: .85rem;
  color: var(--soft);
}
thead tr:first-child th.group { text-align: center; border-bottom: 0; }
@media print {
  /* The numbers and plots: documents are read on the screen. */
  nav, #filters, #list, #note { display: none !important; }
  body { max-width: none; padding: 0; font-size: 9pt; }
  .tall { max-height: none; }
  .scroll { overflow: visible; }
  body > section { margin-top: 1rem; break-inside: auto; }
  figure, tr { break-inside: avoid; }
  figure svg { max-height: 16cm; }
  details:not([open]) > * { display: none; }
}
/* On a small screen a plot is moved, not made too small to read. */
@media (max-width: 45rem) {
  nav ul { gap: .2rem .6rem; font-size: .85rem; }
  th, td { padding: .2rem .3rem; font-size: .8rem; }
  th:first-child { min-width: 4.5rem; }
  figure { overflow-x: auto; }
  figure svg { max-width: none; }
}
"""
)
