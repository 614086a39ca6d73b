"""What `hpdash check` knows of a sweep's data without loading them or importing a function."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..facts import Inputs
from ..spec import Sweep
from ..spec.keys import DATA_SETS, MLP
from ..spec.objective import default_ranking

INPUTS: Mapping[str, Inputs] = {  # a test compares them with the data
    "mnist": Inputs("unit", "pictures of 28 x 28", "", 255.0),
    "fashion_mnist": Inputs("unit", "pictures of 28 x 28", "", 255.0),
    "cifar10": Inputs("unit", "pictures of 32 x 32 x 3", "channel", 255.0),
    "digits": Inputs("unit", "pictures of 8 x 8", "", 16.0),
}


def with_known_inputs(sweep: Sweep) -> Sweep:
    """Return a sweep with the inputs of its data sets and the objective that fits them, as far as they are known."""
    if sweep.command is not None:
        return sweep
    names = sweep.data_names
    files = {name: _kinds(name, sweep) for name in names if name.endswith(".npz")}
    inputs = {name: INPUTS[name] for name in names if name in INPUTS} | {
        n: kind[1] for n, kind in files.items() if kind
    }
    has_classes = [kind[0] for kind in files.values() if kind] + [True for name in names if name in DATA_SETS]
    if sweep.ranking.is_open and len(has_classes) == len(names) and set(sweep.values["builder"]) == {MLP}:
        sweep = sweep.ranked(default_ranking([2 if each else None for each in has_classes]))
    return replace(sweep, known=replace(sweep.known, inputs=inputs))


def _kinds(name: str, sweep: Sweep) -> tuple[bool, Inputs] | None:
    """Return whether the labels of a `.npz` file are classes, and its inputs; None if the file does not say."""
    from ..data.npz import kinds  # noqa: PLC0415  takes time to import, and few sweeps have files

    return kinds(name, sweep.folder)
