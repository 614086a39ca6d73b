"""The caveats that must be shown with results, such as "synthetic data"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from ..records import TrialSpec


def caveats(
    specs: Sequence[TrialSpec], synthetic: bool, accepted: Mapping[str, int] = MappingProxyType({})
) -> list[str]:
    """Return the caveats that must be shown with the results of these trials; see `result_caveats`."""
    on_test = any(spec.settings["data"].get("validation") == "test" for spec in specs)
    return result_caveats(synthetic, on_test, accepted=accepted)


def result_caveats(
    synthetic: bool, on_test: bool, evaluations: int = 0, accepted: Mapping[str, int] = MappingProxyType({})
) -> list[str]:
    """Return the caveats that apply to results, such as "synthetic data" or "validated on the test set".

    `evaluations` is the number of selections that have been evaluated on the test set. More than one is a caveat,
    because the first result may have influenced the second selection. `accepted` has the files and data functions whose
    changes were accepted during the sweep, each with the number of changes.
    """
    again = [f"{evaluations} evaluations on the test set"] if evaluations > 1 else []
    return ["synthetic data"] * synthetic + ["validated on the test set"] * on_test + again + version_caveats(accepted)


def version_caveats(accepted: Mapping[str, int]) -> list[str]:
    """Return a caveat for each of the user's files and data functions whose changes were accepted during the sweep.

    The trials of such a sweep were trained with different versions of that file or function. `accepted` has the number
    of changes of each.
    """
    return [f"trained with {count + 1} versions of {name}" for name, count in sorted(accepted.items())]
