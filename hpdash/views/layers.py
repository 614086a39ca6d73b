"""A model's layers as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from ..outline import Layer, total
from .text import plain


def layer_table(layers: Sequence[Layer]) -> Table:
    """Draw a row a layer with its parameters, and one with those of all; none is shown as nothing."""
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
