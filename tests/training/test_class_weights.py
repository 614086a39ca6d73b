"""Tests of `[train] class_weight` against Keras and scikit-learn."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight
from sweep_files import made_sweep

from hpdash import Options, run_sweep
from hpdash.data.arrays import from_arrays
from hpdash.data.class_weights import class_weights
from hpdash.data.dataset import Dataset, split
from hpdash.data.scaling import scaling
from hpdash.engine.engine import Engine
from hpdash.engine.feed import epoch_order
from hpdash.errors import DataError, SpecError
from hpdash.records import TrialState
from hpdash.training.engine_data import to_engine_data, weighted

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(100, 5)).astype(np.float32)
Y = RANDOM.choice(3, 100, p=[0.7, 0.2, 0.1])
SETTINGS = {"validation": 20, "scale": "none"}
WORDS = np.array(["ant", "bee", "cow"])


def dataset(**arrays: Any) -> Dataset:
    """Return a data set of three classes of different sizes."""
    return from_arrays("own", {"x": X, "y": Y, **arrays})


def model() -> Any:
    """Return a small classifier."""
    keras.utils.set_random_seed(0)
    made = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(3, "softmax")])
    made.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return made


@pytest.mark.parametrize("value", ["balanced", {"0": 0.5, "2": 4.0}], ids=["balanced", "table"])
def test_an_epoch_learns_what_keras_learns_with_class_weights(value: str | Mapping[str, float]) -> None:
    """The engine ends with the weights of `train_on_batch` with the same class weights, within rounding."""
    own = dataset()
    loaded = own, (parts := split(own, SETTINGS)), scaling(own, parts, SETTINGS)
    data = weighted(to_engine_data(loaded), loaded, {"class_weight": value})
    assert data.validation.weight is None  # as in Keras, only training is weighted
    engine, reference = Engine(model(), data, 16), model()
    engine.train_epoch(3, 0, lambda _: None)
    known = class_weights(own, parts, value)
    assert known is not None
    by_class = {number: float(known[number == Y][0]) for number in range(3)}
    order = epoch_order(data.train, 3, 0)
    for start in range(0, 80, 16):
        index = order[start : start + 16]
        reference.train_on_batch(X[index], Y[index], class_weight=by_class)
    for one, other in zip(engine.model.get_weights(), reference.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_balanced_is_scikit_learns() -> None:
    """ "balanced" gives the weights of scikit-learn for the training part, also with one-hot labels."""
    own = dataset()
    parts = split(own, SETTINGS)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=Y[:80])
    for each in (own, dataset(y=np.eye(3)[Y])):
        found = class_weights(each, parts, "balanced")
        assert found is not None
        np.testing.assert_allclose(found, expected[Y], rtol=1e-6)


def test_a_table_may_name_texts() -> None:
    """If the labels are texts, a table has their names; other classes have the weight 1."""
    own = dataset(y=WORDS[Y])
    found = class_weights(own, split(own, SETTINGS), {"bee": 3.0})
    assert found is not None
    assert set(zip(Y.tolist(), found.tolist(), strict=True)) == {(0, 1.0), (1, 3.0), (2, 1.0)}


REFUSED = {
    "an unknown class": ({}, {"3": 2.0}, "'3'"),
    "a regression": ({"y": X[:, 0]}, "balanced", "a regression"),
    "sample weights": ({"sample_weight": np.ones(100)}, "balanced", "as in Keras"),
    "several outputs": ({"y": {"a": Y, "b": Y}}, "balanced", "several outputs"),
}


@pytest.mark.parametrize(("arrays", "value", "said"), REFUSED.values(), ids=REFUSED.keys())
def test_what_has_no_class_weights_is_refused(arrays: dict[str, Any], value: Any, said: str) -> None:
    """Data without classes, with sample weights or with several outputs have no class weights."""
    own = dataset(**arrays)
    with pytest.raises(DataError, match=r"train\.class_weight") as caught:
        class_weights(own, split(own, SETTINGS), value)
    assert said in str(caught.value)


@pytest.mark.usefixtures("one_process")
def test_it_can_be_swept(tmp_path: Path) -> None:
    """A sweep over class weights trains each of them; an unknown class is refused before anything starts."""
    tables = {"data": {"name": "digits", "train": 100}, "train": {"epochs": 1}}
    path = made_sweep(tmp_path, **tables, hparams={"class_weight": ["none", "balanced", {"3": 9.0}]})
    outcome = run_sweep(path, tmp_path / "logs", Options(workers=1))
    assert {result.state for result in outcome.results.values()} == {TrialState.FINISHED}
    assert len({result.weights_sha256 for result in outcome.results.values()}) == 3
    assert [spec.hparams["class_weight"] for spec in outcome.specs] == ["none", "balanced", "(3=9)"]
    bad = made_sweep(tmp_path / "bad", **{**tables, "train": {"class_weight": {"11": 2.0}}}, hparams={"dropout": [0.1]})
    with pytest.raises((SpecError, DataError), match=r"train\.class_weight"):
        run_sweep(bad, tmp_path / "bad" / "logs", Options(workers=1))
    assert not (tmp_path / "bad" / "logs" / "own").exists()
