"""How much a sweep has to train: its data sets, their sizes, and batch sizes that exceed the training set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..backends import estimate, probe
from ..facts import WHOLE
from ..records import TrialSpec, program_of, trains_keras
from ..spec import Sweep


def data_tables(specs: Sequence[TrialSpec]) -> list[Mapping[str, Any]]:
    """Return the distinct [data] tables of trials, in the order of their first appearance; programs have none."""
    tables: list[Mapping[str, Any]] = []
    for spec in specs:
        if program_of(spec.settings["train"]) is None and spec.settings["data"] not in tables:
            tables.append(spec.settings["data"])
    return tables


def class_weights_of(specs: Sequence[TrialSpec]) -> list[tuple[Mapping[str, Any], Any]]:
    """Return the distinct pairs of a [data] table and class weights that trials have."""
    pairs: list[tuple[Mapping[str, Any], Any]] = []
    for spec in specs:
        pair = spec.settings["data"], spec.settings["train"].get("class_weight")
        if pair[1] is not None and pair not in pairs:
            pairs.append(pair)
    return pairs


def sizes_by_split(tables: Sequence[Mapping[str, Any]], facts: probe.ProbeResult) -> dict[str, estimate.Size]:
    """Return the size of the data of each table, keyed by `split_key`; `facts` must be those of the same tables."""
    return {split_key(table): size for table, size in zip(tables, facts.sizes, strict=True)}


def large_batches(sweep: Sweep, specs: Sequence[TrialSpec], sizes: Mapping[str, estimate.Size]) -> list[str]:
    """Return a message for each batch size above the number of training examples: one batch then holds all of them.

    Only batch sizes that the sweep file sets count. Only trials of Keras models that hpdash trains count.
    """
    found: dict[str, None] = {}
    for spec in filter(lambda spec: trains_keras(spec.settings["train"]), specs):
        is_given = "batch_size" in sweep.given["train"] or "batch_size" in spec.swept
        batch, size = spec.settings["train"]["batch_size"], sizes.get(split_key(spec.settings["data"]))
        if is_given and size and batch > size.train:
            text = f"batch_size {batch:,} exceeds the {size.train:,} training examples: each epoch is a single batch"
            found[text] = None
    return list(found)


def split_key(table: Mapping[str, Any]) -> str:
    """Return a text that is equal for [data] tables with equal data and an equal split, whatever their scale."""
    return json.dumps({key: value for key, value in table.items() if key not in ("scale", WHOLE)}, sort_keys=True)
