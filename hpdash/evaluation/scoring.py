"""Score trials on the test set: rebuild their models, load the kept weights, and check these on validation first.

This runs in a child process, so that the parent does not import TensorFlow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import data
from ..data import Split
from ..data.dataset import Examples, data_error
from ..errors import HpdashError, TrialError
from ..logs import kept_weights
from ..logs.layout import VALIDATION_PREFIX
from ..logs.npz import Array
from ..nested import Nested, map_leaves
from ..records import TrialSpec
from ..training.attempt import Loaded
from ..training.engine_data import to_engine_data

if TYPE_CHECKING:
    from ..engine.engine import Engine

_AT_ONCE = 1000  # examples in one call of a model
_CLOSE = {"rel_tol": 0.01, "abs_tol": 0.005}  # another machine rounds differently
_CHANGED = (
    "The code that builds the model, or the data, changed after training. Undo the change, or run the sweep again with "
    "--new."
)


@dataclass(frozen=True, slots=True)
class TrialToScore:
    """A trial to be scored: its settings, the file of its kept weights, their digest, and its objective with them."""

    name: str
    spec: TrialSpec
    weights: Path
    sha256: str
    value: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Metrics on the test set: `single` for each trial, `ensemble` for the mean of the trials' outputs.

    `ensemble` is None for a single trial. `examples` is the number of test examples.
    """

    examples: int
    single: tuple[Mapping[str, float], ...]
    ensemble: Mapping[str, float] | None


def score(job: tuple[Sequence[TrialToScore], Path], _: Callable[[Any], None]) -> Scores:
    """Score trials on the test set, after all of them have passed the check on validation.

    `job` has the trials, and the folder that contains the user's modules. Raises DataError if there is no test set,
    TrialError if a model raises an error or is not the trained one, and LogdirError if kept weights are damaged.
    """
    try:
        return _scores(*job)
    except HpdashError:
        raise
    except Exception as error:  # a user's model may raise anything
        raise TrialError(f"evaluation failed: {type(error).__name__}: {error}") from error


def _scores(trials: Sequence[TrialToScore], folder: Path) -> Scores:
    tables = {_key(trial): trial.spec.settings["data"] for trial in trials}
    loaded = {key: _load(settings, folder) for key, settings in tables.items()}
    kept = [kept_weights.read_recorded(trial.name, trial.weights, trial.sha256) for trial in trials]
    own = [loaded[_key(trial)] for trial in trials]
    return _score_on_test([(_load_engine(*each, folder), each[1]) for each in zip(trials, own, kept, strict=True)])


def _key(trial: TrialToScore) -> str:
    """Return the same text for trials with equal data, so that each data set is loaded once."""
    return json.dumps(trial.spec.settings["data"], sort_keys=True)


def _load(settings: Mapping[str, Any], folder: Path) -> Loaded:
    dataset = data.load(settings, folder)
    if dataset.test is None:
        raise data_error(dataset.name, "a test set, x_test and y_test", "none")
    return data.prepare(dataset, settings)


def _load_engine(trial: TrialToScore, loaded: Loaded, kept: Mapping[str, Array], folder: Path) -> Engine:
    """Return an engine with the trial's kept weights; raise TrialError if these do not reproduce its objective."""
    from ..engine import models  # noqa: PLC0415  only the child imports TensorFlow
    from ..engine.engine import Engine  # noqa: PLC0415
    from ..engine.weights import load_weights  # noqa: PLC0415

    settings, dataset = trial.spec.settings, loaded[0]
    shape, spec = dataset.input_shape, trial.spec
    model = models.build(settings, folder, shape, dataset.classes, spec.seed, spec.takes, dataset.one_hot)
    engine = Engine(
        model, to_engine_data(loaded), settings["train"]["batch_size"], xla=settings["train"].get("xla") or "auto"
    )
    if not load_weights(model, kept):
        raise TrialError(f"{trial.name}: its kept weights do not fit the model. {_CHANGED}")
    metric = trial.spec.objective.removeprefix(VALIDATION_PREFIX)
    if metric != trial.spec.objective:
        found = engine.validate().get(metric, math.nan)
        if not math.isclose(found, trial.value, **_CLOSE):
            expected = f"{trial.spec.objective} {trial.value:.4f} with its kept weights"
            raise TrialError(f"{trial.name}: expected {expected}, found {found:.4f}. {_CHANGED}")
    return engine


def _score_on_test(ready: Sequence[tuple[Engine, Loaded]]) -> Scores:
    from ..engine.engine import Engine  # noqa: PLC0415

    single, outputs = [], []
    for engine, (dataset, split, scaling) in ready:
        assert dataset.test is not None
        held_out = Split(split.train, range(len(dataset.test)), "test")
        batch_size = len(split.train)  # any size will do: only training uses it
        tested = Engine(engine.model, to_engine_data((dataset, held_out, scaling)), batch_size)
        single.append(tested.validate())
        if len(ready) > 1:
            outputs.append(_outputs(tested))
    dataset = ready[0][1][0]
    assert dataset.test is not None
    ensemble = _score_mean(ready[0][0].model, dataset.test, outputs) if outputs else None
    return Scores(len(dataset.test), tuple(single), ensemble)


def _outputs(engine: Engine) -> Nested:
    """Return a model's outputs for every test example, float64 [n, ...], with logits turned into probabilities.

    Of a model with several outputs, logits stay logits, because each output may have a loss of its own.
    """
    part, batches = engine.data.validation, []
    for start in range(part.start, part.stop, _AT_ONCE):
        x, *_ = engine.data.batch(part, np.arange(start, min(start + _AT_ONCE, part.stop)))
        found = engine.model(x, training=False)
        batches.append(map_leaves(lambda output: np.asarray(output, np.float64), found))
    outputs = map_leaves(lambda *each: np.concatenate(each), batches[0], *batches[1:])
    return _probabilities(outputs) if _gives_logits(engine.model) else outputs


def _score_mean(model: Any, test: Examples, outputs: Sequence[Nested]) -> dict[str, float]:
    """Return the metrics of the mean of several models' outputs; raise TrialError if their shapes differ.

    The loss has no regularisation penalties, because an ensemble has no weights of its own.
    """
    if len({str(map_leaves(np.shape, each)) for each in outputs}) > 1:
        raise TrialError("cannot make an ensemble of models whose outputs differ in shape. Use --top 1.")
    mean = map_leaves(lambda *each: np.mean(each, axis=0), outputs[0], *outputs[1:])
    mean = map_leaves(lambda each: each.astype(np.float32), _logits(mean) if _gives_logits(model) else mean)
    model.reset_metrics()
    loss = float(model.compute_loss(None, test.y, mean, test.weight)) - sum(map(float, model.losses))
    metrics = model.compute_metrics(None, test.y, mean, test.weight)
    return {"loss": loss} | {name: float(value) for name, value in metrics.items() if name != "loss"}


def _gives_logits(model: Any) -> bool:
    return bool(getattr(model.loss, "from_logits", False))


def _probabilities(logits: Array) -> Array:
    """Return the softmax of logits over the last axis, or the sigmoid if that axis has one unit."""
    if logits.shape[-1] == 1:
        return np.asarray(1 / (1 + np.exp(-logits)))
    shifted = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(-1, keepdims=True))


def _logits(probabilities: Array) -> Array:
    """Return logits that give these probabilities."""
    tiny = float(np.finfo(np.float32).tiny)
    log = np.log(np.maximum(probabilities, tiny))
    return np.asarray(log - np.log(np.maximum(1 - probabilities, tiny)) if log.shape[-1] == 1 else log)
