"""The effects of hyperparameters as text: tables with bars on one axis for the terminal, sentences, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ...analysis.effects import Effects, Interaction, Level, Marginal
from ...analysis.rows import Stat
from ...records import Scalar
from ..text import number, plain, setting, table
from . import progress

ABSENT = "—"  # the value if a hyperparameter does not apply, or if nothing was measured
NARROWEST, WIDEST = 12, 44  # minimum and maximum width of the bars, in characters
Axis = tuple[float, float]


def label(level: Level) -> str:
    """Return a level as text: its value, the range of a bin, or a dash if it is absent."""
    return bounds_label(level.low, level.high)


def bounds_label(low: Scalar | None, high: Scalar | None) -> str:
    """Return the values from `low` to `high` as text; they may be equal, or None if absent."""
    if low is None:
        return ABSENT
    return setting(low) if low == high else f"{_short(low)} … {_short(high)}"


def _short(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def spread(stat: Stat | None) -> str:
    """Format `mean ± std`; only the mean for one trial, a dash for none.

    If the absolute value of the mean is at least 0.001 and below 1000, both have four decimals. Otherwise `number`
    formats each.
    """
    if stat is None or stat.std is None:
        return ABSENT if stat is None else number(stat.mean)
    usual = 0.001 <= abs(stat.mean) < 1000  # in this range, `number` gives the mean four decimals
    return f"{number(stat.mean)} ± {f'{stat.std:.4f}' if usual else number(stat.std)}"


def counted(level: Level) -> str:
    """Format the number of finished trials, as `28/30` if some did not finish."""
    n = level.best.n if level.best else 0
    return str(n) if n == level.trials else f"{n}/{level.trials}"


def percent(share: float) -> str:
    """Format a share (0 to 1) as `88.2 %`."""
    return f"{100 * share:.1f} %"


def title(found: Effects) -> str:
    """Return one line that says what was compared, or how to choose a metric if there is none to compare by."""
    sweep = found.sweep or "runs"
    if found.objective is None:
        return f"{sweep}: no metric to compare by; choose one with --objective and --goal"
    return f"{sweep}: best {found.objective.name}, {found.finished} of {found.trials} trials finished"


def importance_sentence(found: Effects, counted_as: str = "finished trials") -> str:
    """Return a sentence that says what the importance is based on, or why there is none."""
    if found.importance.refused:
        return f"No importance: {found.importance.refused}."
    return (
        f"Importance by a random forest on {found.finished} {counted_as}; it explains "
        f"{percent(found.importance.r2 or 0)} of the variance of trials it has not seen (out-of-bag R²)."
    )


def interaction_sentence(interaction: Interaction) -> str:
    """Return a sentence that says how much two hyperparameters interact."""
    pair = f"{interaction.rows.name} and {interaction.columns.name}"
    if interaction.share is None:
        return (
            f"Whether {pair} interact is unknown: too few pairs of their values have finished trials, or all these "
            "pairs have the same mean."
        )
    share = f"{percent(interaction.share)} of the variance between pairs of values of {pair} is interaction"
    return f"{share}; the sum of their separate effects explains the rest."


def render(console: Console, found: Effects) -> Iterator[RenderableType]:
    """Yield the parts of the view: tables with bars, and sentences.

    They show the results at each level of every hyperparameter, on one axis; the importance of each hyperparameter; how
    the two most important ones interact; and the progress of the search, if there was one.
    """
    yield plain(title(found))
    yield _marginals(console, found)
    if found.importance.shares:
        yield _importance(console, found)
    yield plain(importance_sentence(found))
    if found.interaction:
        yield from _cells(console, found.interaction, found)
        yield plain(interaction_sentence(found.interaction))
    if found.progress:
        yield from progress.render(console, found.progress)


def _marginals(console: Console, found: Effects) -> RenderableType:
    levels = [level for marginal in found.marginals for level in marginal.levels]
    names = [
        marginal.name if not place else "" for marginal in found.marginals for place in range(len(marginal.levels))
    ]
    foremost = [_best([level.best for level in marginal.levels], found) for marginal in found.marginals]
    rows: list[list[object]] = [
        [name, label(level), Text(spread(level.best), style=_style(level.best, *foremost)), counted(level)]
        for name, level in zip(names, levels, strict=True)
    ]
    axis = span(found.marginals)
    header = ["hyperparameter", "value", "mean ± std", "n"]
    width = _room(console, [header, *rows]) if axis else 0
    if axis and width:
        rows = [[*row, _whisker(level.best, axis, width, console)] for row, level in zip(rows, levels, strict=True)]
        header.append(_ends(axis, width))
    return _barred(table(console, header, rows, left=2), width)


def _importance(console: Console, found: Effects) -> RenderableType:
    shares = found.importance.shares
    rows: list[list[object]] = [[each.name, f"{percent(each.share)} ± {percent(each.std)}"] for each in shares]
    header = ["importance", "share ± SE"]  # SE: the standard error, which is `Share.std`
    width = _room(console, [header, *rows])
    block = "#" if console.options.ascii_only else "█"
    if width:
        rows = [[*row, block * round(each.share * width)] for row, each in zip(rows, shares, strict=True)]
        header.append("")
    return _barred(table(console, header, rows), width)


def _room(console: Console, rows: Sequence[Sequence[object]]) -> int:
    """Return the width that these rows leave for a column of bars, 0 if it is too narrow to be useful."""
    taken = sum(3 + max(cell_len(str(row[place])) for row in rows) for place in range(len(rows[0])))
    free = console.width - taken - 4
    return min(free, WIDEST) if free >= NARROWEST else 0


def _barred(made: Table, width: int) -> Table:
    if width:
        made.columns[-1].justify, made.columns[-1].no_wrap = "left", True
    return made


def span(marginals: Sequence[Marginal]) -> Axis | None:
    """Return the (low, high) of an axis that holds every level's mean ± std, None if no trial finished."""
    stats = [level.best for marginal in marginals for level in marginal.levels if level.best]
    if not stats:
        return None
    return min(stat.mean - (stat.std or 0) for stat in stats), max(stat.mean + (stat.std or 0) for stat in stats)


def _best(stats: Sequence[Stat | None], found: Effects) -> Stat | None:
    sign = found.objective.goal.sign if found.objective else 1
    return min((stat for stat in stats if stat), key=lambda stat: sign * stat.mean, default=None)


def _style(stat: Stat | None, *foremost: Stat | None) -> str:
    return "bold green" if stat is not None and any(stat is each for each in foremost) else ""


def _ends(axis: Axis, width: int) -> str:
    low, high = number(axis[0]), number(axis[1])
    return low + high.rjust(width - len(low))


def _whisker(stat: Stat | None, axis: Axis, width: int, console: Console) -> str:
    """Draw a mean as a dot and its standard deviation as a line through it."""
    if stat is None:
        return ""
    dot, line = ("o", "-") if console.options.ascii_only else ("●", "─")
    reach = (axis[1] - axis[0]) or 1.0
    first, at, last = (
        round((stat.mean + sign * (stat.std or 0) - axis[0]) / reach * (width - 1)) for sign in (-1, 0, 1)
    )
    return " " * first + line * (at - first) + dot + line * (last - at)


def _cells(console: Console, interaction: Interaction, found: Effects) -> Iterator[RenderableType]:
    """Draw the pairs of levels; the hyperparameter with fewer levels goes across, so that the table is narrow."""
    down, across, cells = interaction.rows, interaction.columns, interaction.cells
    if len(down.levels) < len(across.levels):
        down, across, cells = across, down, tuple(zip(*cells, strict=True))
    foremost = _best([cell for row in cells for cell in row], found)
    rows = [
        (label(level), *(_cell(cell, foremost) for cell in row)) for level, row in zip(down.levels, cells, strict=True)
    ]
    yield Text("")
    yield plain(f"{down.name} (down) and {across.name} (across), mean (n):")
    yield table(console, ["", *(label(level) for level in across.levels)], rows)


def _cell(stat: Stat | None, foremost: Stat | None) -> Text:
    if stat is None:
        return Text(ABSENT)
    return Text(f"{number(stat.mean)} ({stat.n})", style=_style(stat, foremost))


def to_json(found: Effects) -> dict[str, Any]:
    """Return the effects as JSON values; a level is a `value` (null: absent) or a range `from`, `to`.

    The `std` of a share of importance is its standard error. Any other `std` is a standard deviation over trials.
    """
    objective = found.objective
    return {
        "sweep": found.sweep,
        "objective": {"name": objective.name, "goal": objective.goal} if objective else None,
        "finished": found.finished,
        "trials": found.trials,
        "hyperparameters": [
            {
                "name": marginal.name,
                "explained": marginal.explained,
                "levels": [
                    _bounds(level) | _numbers(level.best) | {"trials": level.trials} for level in marginal.levels
                ],
            }
            for marginal in found.marginals
        ],
        "importance": {
            "r2": found.importance.r2,
            "refused": found.importance.refused,
            "shares": [{"name": each.name, "share": each.share, "std": each.std} for each in found.importance.shares],
        },
        "interaction": interaction_json(found.interaction) if found.interaction else None,
        **({"search": progress.to_json(found.progress)} if found.progress else {}),
    }


def interaction_json(interaction: Interaction) -> dict[str, Any]:
    """Return the means at each pair of levels as JSON values."""
    return {
        "rows": {"name": interaction.rows.name, "levels": [_bounds(level) for level in interaction.rows.levels]},
        "columns": {
            "name": interaction.columns.name,
            "levels": [_bounds(level) for level in interaction.columns.levels],
        },
        "cells": [[_numbers(cell) for cell in row] for row in interaction.cells],
        "share": interaction.share,
    }


def _bounds(level: Level) -> dict[str, Any]:
    return {"value": level.low} if level.low == level.high else {"from": level.low, "to": level.high}


def _numbers(stat: Stat | None) -> dict[str, Any]:
    return {"mean": stat.mean, "std": stat.std, "n": stat.n} if stat else {"mean": None, "std": None, "n": 0}
