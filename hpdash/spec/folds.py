"""The keys `folds` and `fold` of [data]: the folds of a cross-validation are the replicates of each setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .faults import Faults, found
from .text import Document

_KEYS = ("folds", "fold")
_UNUSED = ("validation", "validation_from")  # each fold validates on its own part


def repeats_of(document: Document, head: Mapping[str, Any], data: Mapping[str, Any], faults: Faults) -> int:
    """Return how many replicates each setting has: one a fold, else `repeats`; report keys that contradict each other.

    Args:
        document: the sweep file.
        head: the values of [sweep].
        data: what the file sets in [data].
        faults: the faults of the file, to which new ones are added.
    """
    for name in _KEYS:
        for table in ({"hparams": document["hparams"]}, *({"trial": trial} for trial in document["trial"])):
            for where, keys in table.items():
                if name in keys:
                    faults.add((where, name), "a key of [data]", f"a key of [{where}]", "Move it to [data].")
    folds, fold, repeats = data.get("folds"), data.get("fold"), int(head["repeats"])
    if folds is None:
        if fold is not None:
            faults.add(("data", "fold"), "a number of folds beside it", "none", "Set folds, too.")
        return repeats
    for name in _UNUSED:
        if name in data or name in document["hparams"]:
            where = "data" if name in data else "hparams"
            faults.add((where, name), "no such key beside folds", "one", "Leave it out: each fold validates.")
    if fold is not None:
        if fold >= folds:
            faults.add(("data", "fold"), f"a fold from 0 to {folds - 1}", found(fold))
        return repeats
    if "repeats" in document["sweep"] and repeats != folds:
        hint = "Leave it out: the folds are the replicates."
        faults.add(("sweep", "repeats"), f"no other number than data.folds, {folds}", found(repeats), hint)
    return int(folds)
