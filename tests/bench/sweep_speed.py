"""How fast the engine is, compared with `model.fit` in the same run: `python tests/bench/sweep_speed.py`.

Prints ratios and the absolute times of this machine. The speed of a shared machine changes by the minute, so short
measurements run before and after long ones, or in turns. Needs the real MNIST (`hpdash data get mnist`).

Parts by letter:
a  eight trials of sweeps/mnist_batchnorm.toml as whole processes, against a plain loop of `model.fit`, its arguments
   left at their defaults, with `keras.callbacks.TensorBoard(histogram_freq=1)`
b  an epoch in the steady state, against `fit`
c  GFLOPS against this machine's best matrix product on one core
d  binning a 3072 x 4000 kernel, against tf.summary.histogram: time and memory
e  two workers against one
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SWEEP = ROOT / "sweeps" / "mnist_batchnorm.toml"
EPOCHS = 20
ROUNDS = 3  # in which the measurements take turns
ONE_CORE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
ONE_CORE |= {"OPENBLAS_NUM_THREADS": "1"}


def main() -> None:
    """Run the requested parts and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="?", default="abcde", help="which parts to run (default: all)")
    parser.add_argument("--fit-epochs", type=int, default=3, help="epochs each fit trial is timed on (default 3)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.fit_epochs < 2:  # the first epoch includes compiling
        parser.error("--fit-epochs must be at least 2")
    if options.child:
        print(json.dumps(CHILDREN[options.child](options)))
        return
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    for part in options.parts:
        for line in PARTS[part](options):
            print(line, flush=True)


def child(name: str, options: argparse.Namespace, environment: dict[str, str] | None = None) -> Any:
    """Run one measurement in a separate process and return its result."""
    command = [sys.executable, __file__, "--child", name, "--fit-epochs", str(options.fit_epochs)]
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(
        command,
        env=os.environ | quiet | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def sweep_seconds(workers: int) -> tuple[float, list[float]]:
    """Run the sweep into a new logs root; return the seconds of the whole process and of each epoch."""
    with tempfile.TemporaryDirectory() as logs:
        command = [sys.executable, "-m", "hpdash", "sweep", str(SWEEP), "--logdir", logs, "--workers", str(workers)]
        begin = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return time.perf_counter() - begin, sorted(epoch_seconds(Path(logs)))


def epoch_seconds(logs: Path) -> Iterator[float]:
    """Yield the seconds of every epoch but the first of each run, read from its event files."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    for run in logs.glob("*/[0-9]*"):
        events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
        for event in events.Tensors("time/epoch")[1:]:
            yield float(tensor_util.make_ndarray(event.tensor_proto))


def part_a(options: argparse.Namespace) -> Iterator[str]:
    """Compare the sweep on two workers with the plain loop, as whole processes."""
    before, epochs = sweep_seconds(2)
    begin = time.perf_counter()
    trials = child("fit", options)
    outside = time.perf_counter() - begin - sum(sum(trial) for trial in trials)
    extended = outside + sum(trial[0] + statistics.fmean(trial[1:]) * (EPOCHS - 1) for trial in trials)
    later = [seconds for trial in trials for seconds in trial[1:]]
    after, more = sweep_seconds(2)
    ours = (before + after) / 2
    yield "(a) eight trials, 20 epochs, histograms every epoch, whole processes"
    yield f"    hpdash sweep, 2 workers          {ours:8.1f} s (before the loop {before:.1f}, after it {after:.1f})"
    yield f"    loop of model.fit + TensorBoard  {extended:8.1f} s ({options.fit_epochs} epochs each, extended)"
    yield f"    ratio                            {extended / ours:8.1f}"
    steady = statistics.median(epochs + more)
    yield "(b) one epoch in the steady state, both with histograms (hpdash: one of two one-thread workers)"
    yield f"    hpdash {steady:.3f} s, fit {statistics.median(later):.3f} s on both cores"
    ratio = statistics.median(later) / steady
    yield f"    ratio an epoch {ratio:.1f}, ratio of the machine {2 * ratio:.1f}"


def part_b(options: argparse.Namespace) -> Iterator[str]:
    """Measure nothing: part a prints these numbers from its own run."""
    if "a" not in options.parts:
        yield "(b) is printed by part a"


def fit_loop(options: argparse.Namespace) -> list[list[float]]:
    """Train the eight models with `model.fit`; return each trial's epoch times, the first including all startup."""
    import keras
    import numpy as np

    with np.load(mnist()) as data:
        x, y = data["x_train"].astype("float32") / 255, data["y_train"].astype("int32")
    times = []
    for activation in ("sigmoid", "relu"):
        for kernel in ("glorot_normal", "random_normal"):
            for norm in (False, True):
                times.append(_fit(keras, x, y, (activation, kernel, norm), options.fit_epochs))
    return times


def _fit(keras: Any, x: Any, y: Any, setting: tuple[str, str, bool], epochs: int) -> list[float]:
    activation, kernel, norm = setting

    class Clock(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        """Notes when each epoch ends, including the work of the TensorBoard callback."""

        marks: list[float] = []  # noqa: RUF012

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Note the time."""
            self.marks.append(time.perf_counter())

    begin = time.perf_counter()
    model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten()])
    for number in (1, 2, 3):
        model.add(keras.layers.Dense(50, kernel_initializer=kernel, bias_initializer="zeros", name=f"hidden_{number}"))
        if norm:
            model.add(keras.layers.BatchNormalization(name=f"batchnorm_{number}"))
        model.add(keras.layers.Activation(activation))
    model.add(keras.layers.Dense(10, activation="softmax", name="output"))
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    clock = Clock()
    clock.marks = []
    with tempfile.TemporaryDirectory() as logs:
        board = keras.callbacks.TensorBoard(logs, histogram_freq=1)
        model.fit(x, y, batch_size=32, epochs=epochs, validation_split=0.2, callbacks=[board, clock])
    return [late - early for early, late in zip([begin, *clock.marks], clock.marks, strict=False)]


def part_c(options: argparse.Namespace) -> Iterator[str]:
    """Measure floating point operations per second on one core."""
    found = child("flops", options, ONE_CORE)
    best = max(found["product"].values())
    yield "(c) GFLOPS on one core"
    yield "    best matrix product " + ", ".join(f"{name} {rate:.0f}" for name, rate in found["product"].items())
    for name, rate in found["engine"].items():
        yield f"    engine at {name:28s} {rate:6.1f}   {rate / best:5.0%} of the best product"


def flops(_: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Measure the engine's rate for nets of two sizes, and this core's best float32 matrix product."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    before = _products()
    small = _engine_rate([784, 50, 50, 50, 10], batch=32, steps=1500, epochs=6)
    large = _engine_rate([3072, 2000, 4000, 10], batch=64, steps=60, epochs=4)
    after = _products()
    return {
        "product": {name: max(before[name], after[name]) for name in before},
        "engine": {"784-50-50-50-10, batch 32": small, "3072-2000-4000-10, batch 64": large},
    }


def _products() -> dict[str, float]:
    import numpy as np
    import tensorflow as tf

    compiled = tf.function(tf.matmul, jit_compile=True)
    rates = {"NumPy": 0.0, "TensorFlow": 0.0, "XLA": 0.0}
    for size in (512, 1024, 2048):
        a = np.random.default_rng(0).random((size, size), np.float32)
        t = tf.constant(a)
        for name, product, operand in (("NumPy", np.matmul, a), ("TensorFlow", tf.matmul, t), ("XLA", compiled, t)):
            rates[name] = max(rates[name], 2 * size**3 / best_of(partial(product, operand, operand)) / 1e9)
    return rates


def best_of(work: Any, times: int = 8) -> float:
    """Return the shortest of several runs in seconds, after one run that does not count."""
    work()
    seconds = []
    for _ in range(times):
        begin = time.perf_counter()
        result = work()
        getattr(result, "numpy", lambda: None)()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def _engine_rate(widths: list[int], batch: int, steps: int, epochs: int) -> float:
    """Train epochs on random pixels, which need the same arithmetic, and return the GFLOPS of the fastest epoch."""
    import numpy as np

    from hpdash.engine import models
    from hpdash.engine.engine import Engine
    from hpdash.engine.feed import EngineData, Subset, tensor
    from hpdash.search import trials
    from hpdash.spec import parse_sweep

    random = np.random.default_rng(0)
    x = random.integers(0, 256, (batch * steps + 512, widths[0]), np.uint8)
    y = random.integers(0, widths[-1], len(x)).astype(np.int32)
    content = {"data": {"name": "synthetic"}, "model": {"hidden": widths[1:-1]}, "hparams": {"activation": ["relu"]}}
    (spec,) = trials(parse_sweep(content, name="rate", folder=ROOT))
    model = models.build(spec.settings, ROOT, (widths[0],), widths[-1], seed=0)
    parts = Subset(tensor(x), tensor(y), 0, batch * steps), Subset(tensor(x), tensor(y), batch * steps, len(x))
    engine = Engine(model, EngineData(*parts, np.float32([0]), np.float32([255])), batch)
    products = [inputs * units for inputs, units in pairwise(widths)]
    operations = 2 * (3 * sum(products) - products[0])  # backward costs 2x forward, 1x in the first layer
    epoch = iter(range(epochs + 1))
    seconds = best_of(lambda: engine.train_epoch(0, next(epoch), lambda _: None), epochs)
    return operations * batch * steps / seconds / 1e9


def part_d(options: argparse.Namespace) -> Iterator[str]:
    """Measure the binning of one large kernel."""
    ours, theirs = child("bin_ours", options, ONE_CORE), child("bin_theirs", options, ONE_CORE)
    yield "(d) a histogram of a 3072 x 4000 kernel: binned, encoded and written"
    for name, found in (("hpdash", ours), ("tf.summary.histogram", theirs)):
        yield f"    {name:21s} {found['seconds']:.3f} s, {found['memory']:.0f} MB more memory"
    memory = theirs["memory"] / max(ours["memory"], 1)
    yield f"    ratio of time {theirs['seconds'] / ours['seconds']:.0f}, of memory {memory:.0f} or more"


def _binning(write: Any) -> dict[str, float]:
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for step in range(4):
        begin = time.perf_counter()
        write(step)
        seconds.append(time.perf_counter() - begin)
    return {
        "seconds": min(seconds),
        "memory": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * unit / 1e6,
    }


def _kernel() -> Any:
    import tensorflow as tf

    return tf.Variable(tf.random.stateless_normal((3072, 4000), (0, 0)))


def bin_ours(_: argparse.Namespace) -> dict[str, float]:
    """Write histograms as a trial does, including the copy out of the variable."""
    from hpdash.engine.feed import view
    from hpdash.histograms.histogram import Histogram
    from hpdash.logs.writer import RunWriter

    kernel = _kernel()
    with tempfile.TemporaryDirectory() as logs, RunWriter(Path(logs)) as writer:

        def write(step: int) -> None:
            writer.histogram("hidden_1/kernel", Histogram.of(view(kernel)), step)
            writer.flush()

        return _binning(write)


def bin_theirs(_: argparse.Namespace) -> dict[str, float]:
    """Write histograms as Keras' callback does."""
    import tensorflow as tf

    kernel = _kernel()
    with tempfile.TemporaryDirectory() as logs:
        writer = tf.summary.create_file_writer(logs)

        def write(step: int) -> None:
            with writer.as_default(step):
                tf.summary.histogram("hidden_1/kernel", kernel)
            writer.flush()

        return _binning(write)


def part_e(_: argparse.Namespace) -> Iterator[str]:
    """Compare two workers with one: whole processes, and trial-epochs per second."""
    rounds = [(sweep_seconds(1), sweep_seconds(2)) for _ in range(ROUNDS)]
    ones, twos = ([whole for whole, _ in side] for side in zip(*rounds, strict=True))
    one, two = statistics.median(ones), statistics.median(twos)
    rates = [2 * statistics.median(slow) / statistics.median(fast) for (_, slow), (_, fast) in rounds]
    yield f"(e) two workers against one, {ROUNDS} rounds in turns, medians"
    yield f"    whole process {one:.1f} s and {two:.1f} s: ratio {one / two:.2f}"
    yield f"        a round {', '.join(f'{one:.1f} / {two:.1f}' for one, two in zip(ones, twos, strict=True))}"
    yield f"    trial-epochs a second in the steady state: ratio {statistics.median(rates):.2f}"


def mnist() -> Path:
    """Return the path of the real MNIST."""
    from hpdash.data import status

    found = status("mnist")
    if not found.here or found.where is None:
        sys.exit("mnist is not here: hpdash data get mnist")
    return found.where


PARTS = {"a": part_a, "b": part_b, "c": part_c, "d": part_d, "e": part_e}
CHILDREN = {"fit": fit_loop, "flops": flops, "bin_ours": bin_ours, "bin_theirs": bin_theirs}

if __name__ == "__main__":
    main()
