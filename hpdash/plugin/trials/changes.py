"""What changed between two answers of the route `trials`, so that a page that follows a sweep loads only that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_BY_TRIAL = ("trials", "hparams", "tests")  # the parts of the answer that have a value for each trial

Answer = Mapping[str, Any]


def changes(before: Answer, after: Answer) -> dict[str, Any] | None:
    """Return what a page that has the answer `before` needs to make the answer `after` of it.

    `changed` has the indices of the trials that are new or different; the parts with a value for each trial then have
    only the values of these. `ids` has the ids of all trials, or None if they and their order are the same. The other
    parts are whole. None if the two answers have different hyperparameters or test metrics.
    """
    if any([each["name"] for each in before[part]] != [each["name"] for each in after[part]] for part in _BY_TRIAL[1:]):
        return None
    ids, known = after["trials"]["id"], before["trials"]["id"]
    rows = dict(zip(known, _rows(before), strict=True))
    changed = [at for at, (name, row) in enumerate(zip(ids, _rows(after), strict=True)) if rows.get(name) != row]
    return {
        **{part: value for part, value in after.items() if part not in _BY_TRIAL},
        "since": before["version"],
        "ids": None if ids == known else ids,
        "changed": changed,
        "trials": {name: _chosen(name, column, changed) for name, column in after["trials"].items()},
        **{part: [{**each, "values": [each["values"][at] for at in changed]} for each in after[part]]
           for part in _BY_TRIAL[1:]},
    }  # fmt: skip


def _chosen(name: str, column: Any, changed: Sequence[int]) -> Any:
    if name != "curve":
        return [column[at] for at in changed]
    return {**column, "at": [column["at"][at] for at in changed], "values": [column["values"][at] for at in changed]}


def _rows(answer: Answer) -> list[tuple[Any, ...]]:
    """Return everything that an answer says about each trial."""
    trials = answer["trials"]
    columns = [column for name, column in trials.items() if name != "curve"]
    curve = trials["curve"]
    steps = [curve["steps"][at] for at in curve["at"]]
    further = [each["values"] for part in _BY_TRIAL[1:] for each in answer[part]]
    return list(zip(*columns, steps, curve["values"], *further, strict=True))
