"""A trial's settings and model as Markdown for TensorBoard's Text tab, with all names and values escaped."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from ..records import TABLES, TrialSpec, shown, visible
from .outline import Layer, total

_SYNTAX = re.compile(r"[\\`*_{}\[\]()#+\-.!|]")  # what a backslash escapes in Python-Markdown, and `|` of tables


def settings(spec: TrialSpec, versions: Mapping[str, str | None]) -> str:
    """Return a table of a trial's settings, the swept keys first and bold, then the others, the seed and versions."""
    values = dict(_settings(spec))
    swept = [key for key in values if key.partition(".")[2] in spec.swept]
    rows = [(f"**{_literal(key)}**", _literal(values[key])) for key in swept]
    rest = {key: value for key, value in values.items() if key not in swept} | {"seed": spec.seed, **versions}
    rows += [(_literal(key), _literal(value)) for key, value in rest.items() if value is not None]
    return _table(("setting", "value"), "--- | ---", rows)


def _settings(spec: TrialSpec) -> Iterator[tuple[str, object]]:
    for table in TABLES:
        yield from ((f"{table}.{name}", shown(value)) for name, value in spec.settings[table].items())


def model(layers: Sequence[Layer]) -> str:
    """Return a table of a model's layers with the parameters of each, and their totals in bold."""
    rows = [(*map(_literal, (each.name, each.kind, each.shape)), *_counts(each)) for each in layers]
    rows.append(("**all**", "", "", *(f"**{count}**" for count in _counts(total(layers)))))
    return _table(
        ("layer", "kind", "output shape", "trainable", "not trainable"), "--- | --- | --- | ---: | ---:", rows
    )


def _counts(layer: Layer) -> tuple[str, str]:
    return f"{layer.trainable:,}", f"{layer.fixed:,}"


def _literal(value: object) -> str:
    return _SYNTAX.sub(r"\\\g<0>", escape(visible(str(value)), quote=False))


def _table(header: Iterable[str], alignment: str, rows: Iterable[Iterable[str]]) -> str:
    lines = (" | ".join(cells) for cells in (header, [alignment], *rows))
    return "\n".join(f"| {line} |" for line in lines)
