"""Tests that a compiled graph is shared only by trials that train with it as with a graph of their own.

Trials that differ in the learning rate, the number of epochs or a schedule have the same graph key. A user's builder
gets these values, and may make constants of them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from driven import digests, run
from sweep_files import made_sweep

from hpdash.journal.journal import read_journal
from hpdash.logs import layout

BUILDERS = """
import keras
import tensorflow as tf
from keras import layers, optimizers

def net(input_shape, classes, optimizer, penalty=0.0, kind=keras.Model):
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(8, "relu", kernel_regularizer=keras.regularizers.L2(penalty))(layers.Flatten()(inputs))
    model = kind(inputs, layers.Dense(classes, "softmax")(hidden))
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def plain(input_shape, classes, learning_rate):
    return net(input_shape, classes, optimizers.Adam(learning_rate))

def schedule(input_shape, classes, learning_rate):
    return net(input_shape, classes, optimizers.Adam(optimizers.schedules.CosineDecay(learning_rate, 100)))

def steps(input_shape, classes, learning_rate, epochs):
    return net(input_shape, classes, optimizers.SGD(optimizers.schedules.CosineDecay(learning_rate, 10 * epochs)))

def decay(input_shape, classes, learning_rate):
    return net(input_shape, classes, optimizers.AdamW(learning_rate, weight_decay=learning_rate))

def penalty(input_shape, classes, learning_rate):
    return net(input_shape, classes, optimizers.SGD(learning_rate), penalty=learning_rate)

def function(input_shape, classes, learning_rate):
    def rate():
        return learning_rate
    return net(input_shape, classes, optimizers.SGD(rate))

class Halved(optimizers.SGD):
    def __init__(self, rate):
        super().__init__(0.5)
        self.half = rate / 2

    def update_step(self, gradient, variable, learning_rate):
        self.assign_sub(variable, self.half * gradient)

def subclass(input_shape, classes, learning_rate):
    return net(input_shape, classes, Halved(learning_rate))

class Stepping(keras.Model):
    def train_step(self, data):
        x, y = data[:2]
        with tf.GradientTape() as tape:
            loss = self.compute_loss(y=y, y_pred=self(x, training=True))
        weights = self.trainable_variables
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(self.rate * gradient)
        return {"loss": loss}

def step(input_shape, classes, learning_rate):
    model = net(input_shape, classes, optimizers.SGD(learning_rate), kind=Stepping)
    model.rate = learning_rate
    return model
"""
RATES = [0.1, 0.01]


def sweep(folder: Path, builder: str, rates: list[float], epochs: int = 1) -> Path:
    """Write the sweep of learning rates; return its file."""
    (folder / "builders.py").write_text(BUILDERS)
    return made_sweep(
        folder,
        name=f"{builder}-{len(rates)}",
        data={"name": "synthetic", "train": 60, "validation": 20},
        model={"builder": f"builders:{builder}"},
        train={"epochs": epochs},
        hparams={"learning_rate": rates},
    )


@pytest.mark.usefixtures("one_process")
@pytest.mark.parametrize("builder", ["plain", "schedule", "steps", "decay", "penalty", "function", "subclass", "step"])
def test_each_trial_trains_with_its_own_learning_rate(tmp_path: Path, builder: str) -> None:
    """The second trial of a process has the weights that it has alone; only the plain builder shares a graph."""
    outcome, told = run(sweep(tmp_path, builder, RATES))
    alone, _ = run(sweep(tmp_path, builder, RATES[1:]))
    found = digests(outcome.folder)
    assert found[1] == digests(alone.folder)[0]
    assert found[0] != found[1]
    result = read_journal(outcome.folder / layout.JOURNAL).latest[1].result
    assert result is not None and result.reused_graph is (builder == "plain")
    notices = [event.text for event in told if event is not None and hasattr(event, "text")]
    assert any("learning_rate" in text and "graph" in text for text in notices) is (builder != "plain")
