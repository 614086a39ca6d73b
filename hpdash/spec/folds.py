"""The keys `folds` and `fold` of [data]: the folds of a cross-validation are the replicates of each setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .faults import Faults, Key, found
from .text import Document

_KEYS = ("folds", "fold")
_UNUSED = ("validation", "validation_from")  # each fold validates on its own part


def repeats_of(document: Document, head: Mapping[str, Any], data: Mapping[str, Any], faults: Faults) -> int:
    """Return how many replicates each setting has, and report keys that contradict each other.

    There is one replicate for each fold if `folds` is set and `fold` is not, otherwise there are `repeats`.

    Args:
        document: the sweep file.
        head: the values of [sweep].
        data: what the file sets in [data].
        faults: the faults of the file, to which new ones are added.
    """
    places: list[tuple[Key, Mapping[str, Any]]] = [(("hparams",), document["hparams"])]
    places += [(("trial", index), trial) for index, trial in enumerate(document["trial"])]
    for place, keys in places:
        for name in _KEYS:
            if name in keys:
                faults.add((*place, name), "no such key", "one", f"{name} cannot be swept: set it in [data].")
    folds, fold, repeats = data.get("folds"), data.get("fold"), int(head["repeats"])
    if folds is None:
        if fold is not None:
            faults.add(("data", "fold"), "a key folds, too", "none", "For example: folds = 5.")
        return repeats
    for place, keys in [(("data",), data), *places]:
        for name in _UNUSED:
            if name in keys:
                hint = "Leave it out: with folds, each fold is the validation set once."
                faults.add((*place, name), "no such key", "one", hint)
    if fold is not None:
        if fold >= folds:
            faults.add(("data", "fold"), f"a fold from 0 to {folds - 1}", found(fold))
        return repeats
    if "repeats" in document["sweep"] and repeats != folds:
        hint = "Leave it out: the folds are the replicates."
        faults.add(("sweep", "repeats"), f"the number of folds, {folds}", found(repeats), hint)
    return int(folds)
