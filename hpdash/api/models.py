"""Get the Keras model of a run, with its kept weights: `hpdash.load_model` and `hpdash save`."""

from __future__ import annotations

import random
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .. import data
from ..data.inline import sendable
from ..errors import LogdirError, Problem, SpecError
from ..logs import kept_weights, layout
from ..nested import map_leaves
from ..records import TrialSpec, own_loop, program_of
from ..runs import Run
from ..spec.inline import remembered
from ..sweep_folder import sweep_json
from ..sweep_folder.recipe import spec_of
from ..system.user_functions import registered
from ..views.terminal.show import find
from . import Source, read_runs


def load_model(run: str, source: Source = "logs", *, bare: bool = False) -> Any:
    """Return the Keras model of a run with its kept weights, compiled as it was; imports TensorFlow.

    The built-in MLP is made of Keras' own layers. The model takes inputs as they are in the data set: unless `bare`, it
    scales them itself. Building it seeds the random generators of Keras and TensorFlow; those of Python and NumPy are
    left as they were.

    Args:
        run: the run's name, the name of its folder, its id (`quickstart/0003`) or its number.
        source: a logs root, or what `read_runs` returned.
        bare: whether to leave the scaling of the inputs out.

    Raises SpecError if there is no such run, or if its model cannot be built again: it was trained by a custom loop,
    or another program wrote it. Raises LogdirError if its weights were not kept, are damaged or do not fit.
    """
    runs = read_runs(source) if isinstance(source, Path | str) else source
    chosen = find(runs.found.runs, run)
    spec, folder = _spec(chosen)
    recorded = chosen.result.kept_sha256 if chosen.result else None
    kept = kept_weights.read_recorded(chosen.id, chosen.folder / layout.WEIGHTS, recorded)
    from ..engine import models, saving  # noqa: PLC0415  imports TensorFlow

    with sendable(remembered(chosen.sweep_folder)) as given, registered(given.functions), _same_randomness():
        dataset, _, scaling = data.prepare(data.load(spec.settings["data"], folder), spec.settings["data"])
        shape, classes = dataset.input_shape, dataset.classes
        model = models.build(spec.settings, folder, shape, classes, spec.seed, spec.takes, dataset.one_hot, plain=True)
    if not saving.set_weights(model, kept):
        why = "The code that builds the model, or the data, changed after training"
        raise LogdirError(
            f"{chosen.id}: its kept weights do not fit the model. {why}: undo the change, or train it again with --new."
        )
    if bare:
        return model
    return saving.with_scaling(model, map_leaves(lambda x: x[:1], dataset.x_train), scaling.offset, scaling.divisor)


@contextmanager
def _same_randomness() -> Iterator[None]:
    """Restore the random state of Python and NumPy at the end, because the caller's own code may depend on it."""
    before = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])


def save_model(run: str, output: Path | str, source: Source = "logs", *, bare: bool = False) -> Path:
    """Save the Keras model of a run as a `.keras` file, which loads without hpdash; return its path.

    `load_model` describes the arguments. Raises SpecError if the name of the file does not end in `.keras`.
    """
    path = Path(output)
    if path.suffix != ".keras" or not path.absolute().parent.is_dir():
        raise SpecError([Problem("output (-o)", "a file that ends in .keras, in a folder that exists", str(path))])
    load_model(run, source, bare=bare).save(path)
    return path


def _spec(run: Run) -> tuple[TrialSpec, Path]:
    """Return the trial of a run, and the folder of its sweep file; raise SpecError if it cannot be built again."""
    about = sweep_json.record_of(run)
    spec = spec_of(run, about) if about else None
    if about is None or spec is None or about.folder is None:
        hint = "hpdash can build the models of its own sweeps only."
        raise SpecError([Problem("RUN", "a trial of a sweep", run.id, hint)])
    if command := program_of(spec.settings["train"]):
        hint = "Load its model with the program itself: hpdash has neither its model nor its weights."
        raise SpecError([Problem("RUN", "a trial of a Keras model", f"a program, {shlex.join(command)}", hint)])
    if loop := own_loop(spec.settings["train"]):
        hint = "Only the loop can build its model: weights.npz in the run folder has what it kept."
        raise SpecError([Problem("RUN", "a trial of a Keras model", f"the training loop {loop}", hint)])
    return spec, Path(about.folder)
