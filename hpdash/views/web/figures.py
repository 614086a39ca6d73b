"""Pictures of comparisons for papers and messages, drawn by matplotlib (the extra `figures`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from html import unescape
from textwrap import wrap
from typing import Any
from warnings import catch_warnings, simplefilter

from ...errors import SpecError
from ..colours import ColourGroup
from ..text import plain
from .html import Figure

WIDTH, ROW, SINGLE = 10.5, 2.9, 5.2  # inches: the width, the height of one of several rows, of a single panel
DPI = 150
LINE = 150  # characters in a line of text
STYLE: dict[Any, Any] = {"text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "hpdash", "font.size": 10}
DASHES = {"dash": "--", "dot": ":"}


def picture(
    title: str, conclusions: Sequence[str], groups: Sequence[ColourGroup], rows: Sequence[Sequence[Figure]], kind: str
) -> bytes:
    """Return a picture with a title, the conclusions, one legend and rows of panels; `kind` is "png" or "svg".

    Raises SpecError if matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context  # noqa: PLC0415
    except ImportError:
        raise SpecError([f'.{kind} needs matplotlib: pip install "hpdash[figures]"']) from None
    file = io.BytesIO()
    with rc_context(STYLE), catch_warnings():
        simplefilter("ignore")  # about characters that the font lacks; they are drawn as boxes
        canvas = _canvas(title, conclusions, groups, rows)
        canvas.savefig(file, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return file.getvalue()


def _canvas(
    title: str, conclusions: Sequence[str], groups: Sequence[ColourGroup], rows: Sequence[Sequence[Figure]]
) -> Any:
    from matplotlib.figure import Figure as Canvas  # noqa: PLC0415
    from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: PLC0415
    from matplotlib.lines import Line2D  # noqa: PLC0415

    lines = [Line2D([], [], color=group.colour, linewidth=3, label=plain(group.label).plain) for group in groups]
    columns = max(1, min(4, 110 // (max(len(group.label) for group in groups) + 8)))
    wrapped = [line for sentence in conclusions for line in wrap(plain(sentence).plain, LINE)]
    names = 0.48 + 0.17 * len(wrapped)  # inches from the top to the legend
    head = names + 0.2 + 0.24 * -(-len(lines) // columns)
    height = (SINGLE if len(rows) == len(rows[0]) == 1 else ROW * len(rows)) + head
    engine = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - head / height))
    canvas = Canvas((WIDTH, height), dpi=DPI, layout=engine, facecolor="white")
    canvas.text(0.012, 1 - 0.14 / height, plain(title).plain, fontsize=14, weight="bold", va="top")
    canvas.text(0.012, 1 - 0.45 / height, "\n".join(wrapped), fontsize=9, va="top", color="#444444")
    place = (0.0, 1 - names / height)
    legend = canvas.legend(handles=lines, loc="upper left", bbox_to_anchor=place, ncols=columns, frameon=False)
    legend.set_in_layout(False)
    grid = canvas.add_gridspec(len(rows), 1)
    for at, row in enumerate(rows):
        cells = grid[at].subgridspec(1, len(row))
        for across, panel in enumerate(row):
            _panel(canvas.add_subplot(cells[across]), panel)
    return canvas


def _panel(axes: Any, panel: Figure) -> None:
    for trace in panel["data"]:
        _trace(axes, trace)
    layout = panel["layout"]
    for axis, name in (("x", "xaxis"), ("y", "yaxis")):
        asked = layout[name]
        getattr(axes, f"set_{axis}label")(unescape(asked["title"]["text"]))
        if asked.get("type") == "log":
            getattr(axes, f"set_{axis}scale")("log")
        elif asked["title"]["text"] == "step":
            getattr(axes, f"{axis}axis").get_major_locator().set_params(integer=True)
        if asked.get("range"):
            ends = [10**end if asked.get("type") == "log" else end for end in asked["range"]]
            getattr(axes, f"set_{axis}lim")(*ends)
        elif asked.get("rangemode") == "tozero":
            getattr(axes, f"set_{axis}lim")(0, None)
    if "title" in layout:
        axes.set_title(unescape(layout["title"]["text"]), fontsize=10, loc="left")
    axes.grid(color="#E3E6EA", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _trace(axes: Any, trace: dict[str, Any]) -> None:
    x, y = trace["x"], [float("nan") if value is None else value for value in trace["y"]]
    if trace["meta"]["role"] == "band":
        alpha = float(trace["fillcolor"].rpartition(",")[2].rstrip(")"))
        red, green, blue = (int(part) / 255 for part in trace["fillcolor"][5:].split(",")[:3])
        axes.fill(x, y, color=(red, green, blue), alpha=alpha, linewidth=0)
        return
    line = trace["line"]
    marker = "o" if "markers" in trace["mode"] else ""
    style = DASHES.get(line["dash"], "-")
    axes.plot(x, y, style, marker=marker, ms=3, color=line["color"], lw=0.8 * line["width"], alpha=trace["opacity"])
