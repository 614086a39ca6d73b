"""What was run and how the report was made, so that both can be repeated."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ...analysis.effects import varied
from ...records import shown
from ...runs import Logdir, Run
from ...sweep_folder.sweep_json import SweepRecord, record_of
from ..markup import escaped
from ..text import noun_of_replicates, setting
from .tags import block, collapsible, listed


def what_ran(runs: Sequence[Run]) -> str:
    """Show a sweep's data, seeds and versions, the settings that all its trials share, and the sweep file as given."""
    known = record_of(runs[0]) if runs else None
    pairs = [*(_recorded_pairs(known) if known else ()), ("seeds", _seeds(runs))]
    html = listed((name, value) for name, value in pairs if value)
    shared = [(name, setting(value)) for name, value in sorted(_shared(runs).items())]
    if shared:
        html += collapsible(f"{len(shared)} setting{'s' * (len(shared) > 1)} that all trials share", listed(shared))
    if known:
        html += collapsible("the sweep file", block(known.source), unfolded=True)
    return html


def _recorded_pairs(known: SweepRecord) -> Iterator[tuple[str, str]]:
    settings = known.settings
    yield "data", _spelled(settings.get("data", {}))
    each = noun_of_replicates(settings.get("data", {}))
    seeds = f", {settings['repeats']} {each} per setting" if settings.get("repeats", 1) > 1 else ""
    yield "search", f"{settings.get('strategy', '')}, {known.trials} trials{seeds}"
    yield "epochs", str(settings.get("train", {}).get("epochs", ""))
    yield "versions", ", ".join(f"{name} {found}" for name, found in known.versions.items() if found)


def _spelled(settings: Mapping[str, Any]) -> str:
    name = settings.get("name", "")
    rest = [f"{key} {shown(value)}" for key, value in settings.items() if value is not None and key != "name"]
    return ", ".join([str(name), *rest])


def _seeds(runs: Sequence[Run]) -> str:
    seeds = sorted({run.seed for run in runs if run.seed is not None})
    if len(seeds) > 2 and seeds[-1] - seeds[0] == len(seeds) - 1:
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds[:12])) + (f" and {len(seeds) - 12} more" if len(seeds) > 12 else "")


def _shared(runs: Sequence[Run]) -> Mapping[str, Any]:
    first = runs[0].hparams if runs else {}
    apart = set(varied(runs))
    return {n: v for n, v in first.items() if n not in apart and all(run.hparams.get(n) == v for run in runs)}


def how_made(found: Logdir, command: str, made: datetime) -> str:
    """Say what wrote this report, when, and from what."""
    versions = f"hpdash {_version()}, Python {platform.python_version()}"
    written = f"{made:%Y-%m-%d %H:%M %Z}"
    pairs = [("command", command), ("logs", str(found.path)), ("versions", versions), ("written", written)]
    return listed((name, value) for name, value in pairs if value.strip())


def _version() -> str:
    try:
        return version("hpdash")
    except PackageNotFoundError:
        return "(not installed)"


def warned(found: Logdir) -> str:
    """List what was damaged or left out."""
    return f"<ul>{''.join(f'<li>{escaped(warning)}</li>' for warning in found.warnings)}</ul>"
