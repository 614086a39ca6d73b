"""How much a sweep has to train: its data sets, their sizes, batches that are larger, and the time of it all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import estimate
from .backends import probe
from .known import WHOLE
from .spec import Sweep
from .trial import TrialSpec, own_loop


def data_tables(specs: Sequence[TrialSpec]) -> list[Mapping[str, Any]]:
    """Return the distinct [data] tables of trials, in the order of their first appearance."""
    tables: list[Mapping[str, Any]] = []
    for spec in specs:
        if spec.settings["data"] not in tables:
            tables.append(spec.settings["data"])
    return tables


def sizes_of(tables: Sequence[Mapping[str, Any]], facts: probe.Facts) -> dict[str, estimate.Size]:
    """Return how much there is to do, by the data set and how it is cut."""
    return {cut_of(table): size for table, size in zip(tables, facts.sizes, strict=True)}


def large_batches(sweep: Sweep, specs: Sequence[TrialSpec], sizes: Mapping[str, estimate.Size]) -> list[str]:
    """Say which batch sizes of the file are more than there are training examples, so that a batch has all of them."""
    found: dict[str, None] = {}
    for spec in specs:
        is_given = "batch_size" in sweep.given["train"] or "batch_size" in spec.swept
        batch, size = spec.settings["train"]["batch_size"], sizes.get(cut_of(spec.settings["data"]))
        if is_given and size and batch > size.train and own_loop(spec.settings["train"]) is None:
            found[f"batch_size {batch:,} is more than the {size.train:,} training examples: one batch has all"] = None
    return list(found)


def cut_of(table: Mapping[str, Any]) -> str:
    """Name what a [data] table loads and how it cuts it; the scale changes neither."""
    return json.dumps({key: value for key, value in table.items() if key not in ("scale", WHOLE)}, sort_keys=True)
