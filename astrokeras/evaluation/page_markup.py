"""A page that stands alone: no file beside it, no network, on a phone, in the dark and on paper."""

import dataclasses
import html
from collections.abc import Sequence
from string import Template

from astrokeras.text import shortened

_MOST = 160  # characters of a cell
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fff; --faint: #6a6f76; --line: #d9dce0; --box: #f4f5f7 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e7e9; --paper: #15171a; --faint: #9aa0a8; --line: #353a40; --box: #1f2226 }
}
* { box-sizing: border-box }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 62rem; padding: 1.5rem 1rem 4rem }
h1 { font-size: 1.15rem; font-weight: 600; color: var(--faint); margin: 0 0 .4rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .4rem }
p { margin: .5rem 0; overflow-wrap: anywhere }
.verdict { font-size: 1.3rem; line-height: 1.45; margin: 0 0 1rem }
.note { color: var(--faint); font-size: .9rem }
.wide { overflow-x: auto; max-width: 100% }
.figure { overflow-x: auto; max-width: 100% }
.figure svg { max-width: 100%; height: auto; display: block }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap }
th { text-align: right; font-weight: 600 }
th:first-child, td:first-child { text-align: left }
pre { background: var(--box); padding: .7rem; overflow-x: auto; font-size: .85rem; white-space: pre-wrap;
  overflow-wrap: anywhere }
.stamps { display: flex; flex-wrap: wrap; gap: .8rem }
.stamps figure { margin: 0; width: 9rem; font-size: .78rem; line-height: 1.3; overflow-wrap: anywhere }
.stamps img { width: 100%; image-rendering: pixelated; display: block; margin-bottom: .2rem }
@media print {
  :root { color-scheme: light; --ink: #1c1e21; --paper: #fff; --faint: #6a6f76; --line: #d9dce0; --box: #f4f5f7 }
  @page { margin: 13mm }
  body { max-width: none; font-size: 10pt; padding: 0 }
  h2 { break-inside: avoid; break-after: avoid; margin-top: 1.4rem }
  .figure, tr, .stamps figure { break-inside: avoid }
  .figure svg { max-height: 8cm; width: auto; min-width: 0 !important }
  .wide, .figure, pre { overflow: visible }
  table { font-size: 7.5pt }
  th, td { white-space: normal; padding-right: .4rem }
  th, td:first-child { overflow-wrap: anywhere }
}
"""
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title><link rel="icon" href="data:,"><style>$style</style></head><body>
<h1>$title</h1>
<p class="verdict">$verdict</p>
$body
</body></html>
""")


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a page: its heading, its content as HTML, and a note in small print as plain text."""

    heading: str
    content: str
    note: str = ""


def page(title: str, verdict: str, sections: Sequence[Section]) -> str:
    """Return a page; title and verdict are plain text."""
    body = "\n".join(_section(section) for section in sections)
    return _PAGE.substitute(
        title=html.escape(shortened(title, _MOST)), style=_STYLE, verdict=html.escape(verdict), body=body
    )


def _section(section: Section) -> str:
    note = f'<p class="note">{html.escape(section.note)}</p>' if section.note else ""
    return f"<section><h2>{html.escape(section.heading)}</h2>\n{section.content}\n{note}</section>"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table of plain texts, which scrolls on its own where it is wider than the page."""
    lines = "\n".join(f"<tr>{_cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table><thead><tr>{_cells("th", head)}</tr></thead>\n<tbody>{lines}</tbody></table></div>'
    )


def _cells(tag: str, texts: Sequence[str]) -> str:
    return "".join(f"<{tag}>{html.escape(shortened(text, _MOST))}</{tag}>" for text in texts)


def figure(svg: str) -> str:
    """Return a figure, see `figures.in_page`."""
    return f'<div class="figure">{svg}</div>'


def stamps(pictures: Sequence[tuple[str, str]]) -> str:
    """Return pictures with captions: each the address of its image, as ``data:image/png;base64,…``, and plain text."""
    shown = "\n".join(
        f'<figure><img alt="" src="{html.escape(address)}"><figcaption>{html.escape(caption)}</figcaption></figure>'
        for address, caption in pictures
    )
    return f'<div class="stamps">{shown}</div>'


def code(text: str) -> str:
    """Return text as it is typed."""
    return f"<pre>{html.escape(text)}</pre>"
