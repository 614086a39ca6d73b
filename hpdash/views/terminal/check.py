"""Texts and tables about what can run: a checked sweep, its trials, and the named data sets."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from ...facts import Inputs
from ...programs.command import other_python, which
from ...records import TrialSpec, shown
from ...spec import Sweep
from ...spec.domains import Choice
from ..text import duration, noun_of_replicates, plain, setting, table

if TYPE_CHECKING:
    from ...data import Status

LISTED = 100  # maximum number of trials that a dry run shows on a terminal; a pipe gets all of them


def summary(sweep: Sweep, settings: int) -> Text:
    """Return a few lines about a valid sweep file; `settings` is the number of its settings."""
    each = noun_of_replicates(sweep.given["data"])
    repeats = f" x {sweep.repeats} {each} = {settings * sweep.repeats:,} trials" if sweep.repeats > 1 else " trials"
    lines = [f"{sweep.name}: valid; {sweep.strategy} of {settings:,}{repeats}"]
    lines.append(f"  ranked by {sweep.objective}, {sweep.goal}: {sweep.ranking.reason}")
    if sweep.command is not None:
        program, *arguments = sweep.command
        lines.append(f"  program: {shlex.join([which(program) or program, *arguments])}")
    for name, inputs in sweep.known.inputs.items():
        lines.append(f"  {name}: {' | '.join(inputs.scaled(scale) for scale in _scales(sweep, inputs))}")
    for hyperparameter in sweep.hparams:
        when = " and ".join(f"{key} = {_joined(values)}" for key, values in hyperparameter.when.items())
        lines.append(f"  {hyperparameter.name}: {_domain(hyperparameter.domain)}{f' when {when}' if when else ''}")
    lines += [f"  {sentence}" for sentence in [*sweep.remarks, *other_python(sweep)]]
    lines += [f"  require {requirement.text}" for requirement in sweep.requirements]
    if sweep.pruning:
        unit = "epoch" if sweep.command is None else "step"
        ends = f"from {sweep.pruning.min_epochs} {unit}{'s' * (sweep.pruning.min_epochs > 1)} on"
        lines.append(f"  prune by {sweep.pruning.strategy} of {sweep.pruning.watch}, {ends}")
    return Text("\n").join(plain(line) for line in lines)


def _scales(sweep: Sweep, inputs: Inputs) -> list[str]:
    """Return how the inputs of a data set are scaled: as the sweep file says, else as the data set does by default."""
    is_given = "scale" in sweep.given["data"] or any(each.name == "scale" for each in sweep.hparams)
    return sweep.values["scale"] if is_given else [inputs.scale]


def _joined(values: Sequence[Any]) -> str:
    return " | ".join(str(shown(value)) for value in values)


def _domain(domain: Any) -> str:
    if isinstance(domain, Choice):
        return _joined(domain.values)
    step = f" in steps of {domain.step:g}" if domain.step else ""
    return f"{domain.min:g} to {domain.max:g}{step}{' (log)' if domain.scale == 'log' else ''}"


def data_sets(console: Console, found: Sequence[Status]) -> Table:
    """Return a table of data sets: their descriptions, numbers of examples, and whether they are on this machine."""
    rows = [_data_row(each) for each in found]
    header = ["name", "", "where", "what", "licence", "train", "test", "shape"]
    return table(console, header, rows, left=5)


def _data_row(each: Status) -> list[object]:
    here, where = "here" if each.here else "not here", each.where or "needs no file"
    counts = [f"{each.train:,}", f"{each.test:,}", " x ".join(map(str, each.shape))]
    return [each.name, here, where, each.description, each.licence, *counts]


def trial_list(
    console: Console, specs: Sequence[TrialSpec], total: int, estimate: float | str, is_pruned: bool = False
) -> Iterator[RenderableType]:
    """Yield a table of the trials that a sweep would run, then their number and the estimated duration.

    `specs` are the trials that are known before the sweep starts, of `total` in all. `estimate` is the duration in
    seconds, or the reason why there is no estimate.
    """
    from .leaderboard import differing  # noqa: PLC0415  `hpdash check` needs no leaderboard

    names = differing(specs)
    listed = specs[:LISTED] if console.is_terminal else specs
    rows = [(f"{spec.number:04d}", *(setting(spec.swept.get(name)) for name in names), spec.seed) for spec in listed]
    yield table(console, ["trial", *names, "seed"], rows, left=1 + len(names))
    if len(listed) < len(specs):
        yield plain(f"… and {len(specs) - len(listed):,} more")
    if len(specs) < total:
        yield plain(f"… and up to {total - len(specs):,} more, which depend on the results of these")
    if isinstance(estimate, str):
        yield plain(f"{total:,} trials; no estimate: {estimate}")
    else:
        condition = " if none is pruned" if is_pruned else ""
        basis = "estimated from the speed of a matrix product on this machine"
        yield plain(f"{total:,} trials, about {duration(estimate)}{condition} ({basis})")
