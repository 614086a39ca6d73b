"""What `--extend` may add to a sweep: more trials or more values.

The settings that were tried keep their index, and their trials keep their number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..search import Schedule
from ..spec import Sweep
from ..spec.domains import Choice, Domain, from_json, identity
from .changes import Change


def before(settings: Mapping[str, Any], tried: Sequence[Mapping[str, Any]], sweep: Sweep) -> Sweep:
    """Return a sweep as its folder recorded it, before the extension that is asked for now.

    `settings` is the recorded normalised sweep file. `tried` are the settings from before an earlier extension.
    """
    domains = {each["name"]: from_json(each["domain"]) for each in settings["hparams"]}
    hparams = tuple(replace(hparam, domain=domains.get(hparam.name, hparam.domain)) for hparam in sweep.hparams)
    listed = tuple(settings["trial"])
    return replace(sweep, trials=settings["trials"], hparams=hparams, listed=listed, tried=tuple(tried))


def extended(old: Sweep, sweep: Sweep) -> Sweep:
    """Return a sweep that continues an old one: the settings of the old sweep come first, in their old order.

    An adaptive search is returned unchanged, because the journal has its settings.
    """
    schedule = Schedule(old)
    if schedule.is_adaptive:
        return sweep
    return replace(sweep, tried=tuple(spec.swept for spec in schedule.specs[:: old.repeats]))


def refused(found: Sequence[Change], settings: Mapping[str, Any], old: Sweep, sweep: Sweep) -> list[Change]:
    """Return the changes that `--extend` does not allow: all but more trials, more values and more [[trial]] tables.

    `found` are all changes from `old`, whose normalised sweep file is `settings`, to `sweep`.
    """
    domains = {each["name"]: from_json(each["domain"]) for each in settings["hparams"]}
    shared = (hparam for hparam in sweep.hparams if hparam.name in domains)
    added = {f"hparams.{hparam.name}" for hparam in shared if _holds(hparam.domain, domains[hparam.name])}
    if sweep.trials is None or (old.trials is not None and sweep.trials > old.trials):
        added.add("sweep.trials")
    if {identity(point) for point in old.listed} <= {identity(point) for point in sweep.listed}:
        added |= {change.key for change in found if change.key.startswith("trial[")}
    return [change for change in found if change.key not in added]


def _holds(domain: Domain, other: Domain) -> bool:
    """Return whether a domain contains all values of another."""
    if isinstance(domain, Choice) or isinstance(other, Choice):
        both = isinstance(domain, Choice) and isinstance(other, Choice)
        return both and {identity(v) for v in other.values} <= {identity(v) for v in domain.values}  # type: ignore[union-attr]
    if type(domain) is not type(other) or (domain.scale, domain.step) != (other.scale, other.step):
        return False
    if domain.step is not None:
        try:
            domain.index(other.min)  # type: ignore[arg-type]
        except ValueError:
            return False
    return domain.min <= other.min and domain.max >= other.max
