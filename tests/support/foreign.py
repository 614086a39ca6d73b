"""Logs of other tools: `python tests/support/foreign.py FOLDER` writes them. Loading TensorFlow takes seconds.

keras/       keras.callbacks.TensorBoard(histogram_freq=1), three epochs: train/ and validation/
hparams/     hp.hparams_config in the root; a run with both hp.KerasCallback and keras.callbacks.TensorBoard; a run of
             tf.summary with hp.hparams, which starts its session but never ends it
summary/     tf.summary.scalar, .histogram and .text; one histogram has equal values only, one has no values
tuner/       KerasTuner's layout: a folder for each trial, and in it one for each execution, with both callbacks' logs
torch/       tensorboardX: scalars, histograms with far outliers, add_hparams in a separate folder
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np

VALUES = np.linspace(-2, 3, 501)  # the values of every tf.summary and tensorboardX histogram, before the step is added


def write_keras(root: Path, *more: object) -> None:
    """Train a model with a named layer for three epochs with Keras' own callback."""
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, name="hidden"), keras.layers.Dense(1)])
    model.compile("sgd", "mse", metrics=["mae"])
    x, y = np.arange(24.0).reshape(8, 3) / 24, np.arange(8.0) / 8
    callbacks = [keras.callbacks.TensorBoard(str(root), histogram_freq=1), *more]
    model.fit(x, y, epochs=3, validation_data=(x, y), verbose=0, callbacks=callbacks)


def write_hparams(root: Path) -> None:
    """Write an experiment record, a session with Keras' callbacks, and a session that never ends."""
    import tensorflow as tf
    from tensorboard.plugins.hparams import api as hp

    with tf.summary.create_file_writer(str(root)).as_default():
        hp.hparams_config([hp.HParam("units", hp.Discrete([4, 8]))], [hp.Metric("epoch_loss", "validation")])
    write_keras(
        root / "fit", hp.KerasCallback(str(root / "fit"), {"units": 4, "rate": 0.5, "norm": True, "act": "relu"})
    )
    with tf.summary.create_file_writer(str(root / "loop")).as_default():
        hp.hparams({"units": 8, "act": "elu"}, trial_id="a group")
        tf.summary.scalar("accuracy", 0.75, 1)


def write_tuner(root: Path) -> None:
    """Write two trials with two equal executions each, as `Tuner.search` does if it gets a TensorBoard callback."""
    from tensorboard.plugins.hparams import api as hp

    for trial, units in enumerate((4, 8)):
        folder = root / str(trial) / "execution0"
        write_keras(folder, hp.KerasCallback(str(folder), {"units": units, "act": "relu"}))
        shutil.copytree(folder, folder.with_name("execution1"))


def write_summary(root: Path) -> None:
    """Write scalars, histograms and texts, one of each per step."""
    import tensorflow as tf

    with tf.summary.create_file_writer(str(root)).as_default():
        for step in range(5):
            tf.summary.scalar("loss", 1 / (step + 1), step)
            tf.summary.histogram("weights", VALUES + step, step)
            tf.summary.histogram("alike", np.ones(7), step)
            tf.summary.histogram("none", np.ones(0), step)
            tf.summary.text("words", "not a number", step)


def write_torch(root: Path) -> None:
    """Write the logs of PyTorch's SummaryWriter, using tensorboardX."""
    from tensorboardX import SummaryWriter

    with SummaryWriter(str(root)) as writer:
        for step in range(5):
            writer.add_scalar("loss", 1 / (step + 1), step)
            writer.add_histogram("weights", VALUES + step, step)
            writer.add_histogram("far", np.append(VALUES, 1e300), step, bins="tensorflow")
        writer.add_hparams({"lr": 0.1, "batch": 32, "bn": True}, {"metric": 0.5}, name="hp")


def main(root: Path) -> None:
    """Write the logs of all tools."""
    for name, write in (
        ("keras", write_keras),
        ("hparams", write_hparams),
        ("tuner", write_tuner),
        ("summary", write_summary),
        ("torch", write_torch),
    ):
        write(root / name)


if __name__ == "__main__":
    os.environ |= {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    main(Path(sys.argv[1]))
