"""An HTML page with charts, in one file that includes plotly: it opens offline, in light or dark, and prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import count
from typing import Any

from ..markup import escaped

Figure = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading, shown literally; `level` 2 or 3."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Fragment:
    """A piece of HTML in which every name is already escaped."""

    html: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A figure with a caption and a height in pixels.

    The caption is shown literally, and is what screen readers read.
    """

    figure: Figure
    caption: str = ""
    height: int = 380
    wide: bool = True


Block = Heading | Fragment | Chart


def page(title: str, blocks: Sequence[Block]) -> str:
    """Return one HTML file with these blocks; it includes plotly once, if there is a chart, and needs no network."""
    figures = [block.figure for block in blocks if isinstance(block, Chart)]
    numbers = count()
    body = "\n".join(_block(block, numbers) for block in blocks)
    plotly = files("plotly.package_data").joinpath("plotly.min.js").read_text("utf-8") if figures else ""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escaped(title)}</title>
<style>
{_static("page.css")}</style>
</head>
<body>
<main>
<h1>{escaped(title)}</h1>
{body}
</main>
<script>{plotly}</script>
<script type="application/json" id="figures">{_json(figures)}</script>
<script>
{_static("page.js")}</script>
</body>
</html>
"""


def _block(block: Block, numbers: count[int]) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{escaped(text)}</h{level}>"
        case Fragment(html):
            return f'<div class="fragment">{html}</div>'
        case Chart(_, caption, height, wide):
            words = f"<figcaption>{escaped(caption)}</figcaption>" if caption else ""
            plot = f'<div class="plot" id="chart-{next(numbers)}" style="height:{height}px" role="img"'
            shown = f'{words}{plot} aria-label="{escaped(caption)}"></div>'
            return f'<figure class="{"wide" if wide else "half"}">{shown}</figure>'


def _json(value: Any) -> str:
    """Return JSON in which nothing can end the <script> element around it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _static(name: str) -> str:
    return files(__package__).joinpath("static", name).read_text("utf-8")
