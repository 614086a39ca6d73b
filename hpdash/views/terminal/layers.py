"""A table of a model's layers for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ...logs.outline import Layer, total
from ..text import plain


def layer_table(layers: Sequence[Layer]) -> Table:
    """Return a table with a row for each layer and its parameters, and a row of totals; a count of 0 is left empty."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in ("layer", "kind", "output shape"):
        table.add_column(name, overflow="fold")
    for name in ("trainable", "not trainable"):
        table.add_column(name, justify="right", no_wrap=True)
    for layer in (*layers, total(layers)):
        names = map(plain, (layer.name, layer.kind, layer.shape))
        table.add_row(*names, _count(layer.trainable), _count(layer.fixed))
    table.rows[-1].style = "bold"
    return table


def _count(parameters: int) -> str:
    return f"{parameters:,}" if parameters else ""
