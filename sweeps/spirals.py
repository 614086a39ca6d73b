"""A program that knows nothing of hpdash: it fits an MLP to three noisy spirals, and logs for TensorBoard.

    python spirals.py --learning-rate=0.1 --width=32 --activation=relu --logdir=runs/a

It needs NumPy and TensorBoard. spirals.toml sweeps its flags.
"""

import argparse
import sys
import types
from pathlib import Path

import numpy as np

sys.modules["tensorboard.compat.notf"] = types.ModuleType(
    "notf"
)  # TensorBoard then imports no TensorFlow: it is faster
from tensorboard.summary import Writer  # noqa: E402

CLASSES = 3


def spirals(count, generator):
    """Return points float64 [count, 2] on three spirals with noise, and their classes int64 [count]."""
    classes = generator.integers(CLASSES, size=count)
    radius = generator.uniform(0.1, 1.0, count)
    angle = 2 * np.pi * (classes / CLASSES + radius) + generator.normal(0, 0.5, count)
    return np.column_stack((radius * np.cos(angle), radius * np.sin(angle))), classes


def activate(name, x):
    """Return the activations of a hidden layer, and their derivatives."""
    if name == "relu":
        return np.maximum(x, 0), (x > 0).astype(float)
    y = np.tanh(x)
    return y, 1 - y**2


def forward(parameters, activation, x):
    """Return the class probabilities, the hidden activations and their derivatives."""
    hidden, slope = activate(activation, x @ parameters["w1"] + parameters["b1"])
    logits = hidden @ parameters["w2"] + parameters["b2"]
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True), hidden, slope


def loss_and_accuracy(parameters, activation, x, y):
    """Return the mean cross-entropy and the accuracy on some data."""
    odds, _, _ = forward(parameters, activation, x)
    return -np.log(odds[np.arange(len(y)), y] + 1e-12).mean(), (odds.argmax(axis=1) == y).mean()


def train_epoch(parameters, velocity, flags, x, y, generator):
    """Train for one epoch by stochastic gradient descent with momentum."""
    for batch in np.array_split(generator.permutation(len(x)), len(x) // 32):
        odds, hidden, slope = forward(parameters, flags.activation, x[batch])
        error = (odds - np.eye(CLASSES)[y[batch]]) / len(batch)
        back = (error @ parameters["w2"].T) * slope
        gradients = {"w1": x[batch].T @ back, "b1": back.sum(0), "w2": hidden.T @ error, "b2": error.sum(0)}
        for name, gradient in gradients.items():
            velocity[name] = flags.momentum * velocity[name] - flags.learning_rate * gradient
            parameters[name] += velocity[name]


def main():
    """Train as the flags say; go on from the checkpoint if there is one."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--learning-rate", type=float, default=0.1)
    parser.add_argument("--momentum", type=float, default=0.9)
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--activation", choices=("relu", "tanh"), default="relu")
    parser.add_argument("--epochs", type=int, default=81)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--logdir", required=True)
    parser.add_argument("--checkpoint", type=Path, help="a folder for the checkpoint")
    flags = parser.parse_args()

    x, y = spirals(15_000, np.random.default_rng(0))  # the data are the same for every seed
    train, held_out = (x[:12_000], y[:12_000]), (x[12_000:], y[12_000:])
    generator = np.random.default_rng(flags.seed)
    parameters = {
        "w1": generator.normal(0, 1, (2, flags.width)),
        "b1": np.zeros(flags.width),
        "w2": generator.normal(0, 1 / np.sqrt(flags.width), (flags.width, CLASSES)),
        "b2": np.zeros(CLASSES),
    }
    velocity, first = {name: np.zeros_like(value) for name, value in parameters.items()}, 1
    saved = flags.checkpoint / "last.npz" if flags.checkpoint else None
    if saved and saved.exists():
        with np.load(saved) as kept:
            parameters = {name: kept[name] for name in parameters}
            velocity = {name: kept[f"velocity/{name}"] for name in velocity}
            first = int(kept["epoch"]) + 1

    writer = Writer(flags.logdir)
    for epoch in range(first, flags.epochs + 1):
        train_epoch(parameters, velocity, flags, *train, np.random.default_rng((flags.seed, epoch)))
        for part, data in (("train", train), ("validation", held_out)):
            loss, accuracy = loss_and_accuracy(parameters, flags.activation, *data)
            writer.add_scalar(f"loss/{part}", loss, epoch)
            writer.add_scalar(f"accuracy/{part}", accuracy, epoch)
        writer.flush()
        if saved:
            state = {f"velocity/{name}": value for name, value in velocity.items()}
            np.savez(saved.with_suffix(".part.npz"), epoch=epoch, **parameters, **state)
            saved.with_suffix(".part.npz").replace(saved)
    _, accuracy = loss_and_accuracy(parameters, flags.activation, *held_out)
    print(f"accuracy {accuracy:.4f} on held-out points")  # noqa: T201
    writer.close()


if __name__ == "__main__":
    main()
