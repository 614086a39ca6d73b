"""How fast the engine is for many kinds of nets, against `model.fit`, in one run: `python tests/bench/zoo.py`.

One row per net, in seconds per epoch of batches of 64: `model.fit` on the whole machine, `model.fit` on one core,
hpdash on one core, and hpdash on two cores, which train two trials at the same time (their seconds divided by two).
`fit` gets float32 arrays that are already scaled. hpdash gets the stored integers and scales them inside the compiled
graph, as it does in a trial. An epoch is training alone, without validation.

Each side is a separate process that keeps TensorFlow loaded for all nets. The parent asks the processes in turns, so
that all times of a net are from the same minute of the machine. A net's first epoch, which includes building, tracing
and compiling, is reported separately; then the best of 2 further epochs counts.

Needs the real MNIST and CIFAR-10 (`hpdash data get mnist`, `hpdash data get cifar10`).
No time makes the benchmark fail: the last lines say which rows break which promise.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH, HELD_OUT = 64, 64
ROUNDS = 2  # epochs after the first
CONVOLUTIONS_GAIN = 1.7
SIDES = ("fit machine", "fit one core", "hpdash", "hpdash second")
ONE_CORE = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
ASK = Callable[[float, dict[str, Any]], bool]  # reports an epoch's seconds and more, returns whether another follows
Row = dict[str, Any]


def main() -> None:
    """Measure the requested nets, and print a table and its summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="a net to measure (repeatable; default: all)")
    parser.add_argument("--json", action="store_true", help="print one JSON line a net instead of the table")
    parser.add_argument("--child", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        serve(options.child)
        return
    sides = [Side(name) for name in SIDES]
    nets = sides[0].start()
    unknown = set(options.only or ()) - set(nets)
    if unknown:
        parser.error(f"--only must be one of {', '.join(nets)}, not {', '.join(sorted(unknown))}")
    if not options.json:
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.2f} before the start")
    rows = []
    for net in options.only or nets:
        rows.append(measured(net, nets[net], sides))
        print(json.dumps(rows[-1]) if options.json else f"  {net}: {summary(rows[-1])}", flush=True)
    for side in sides:
        side.close()
    if not options.json:
        print("\n".join(["", *table(rows), "", *promises(rows)]))


class Side:
    """A child process that trains one net after another; its answers are lines of JSON."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> Row:
        """Start the process; return the names of its nets, and whether each net has convolutions."""
        command = [sys.executable, __file__, "--child", self.name]
        self._process = subprocess.Popen(
            command,
            env=os.environ | environment(self.name),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self.answer()

    def tell(self, command: str) -> None:
        """Send a net's name, "epoch" for another epoch of it, or "end"."""
        if self._process is None:
            self.start()
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            print(command, file=self._process.stdin, flush=True)
        except BrokenPipeError:
            self._process.wait()

    def answer(self) -> Row:
        """Wait for the answer; return {"error": …} if the net failed or the process died."""
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if line:
            found: Row = json.loads(line)
            return found
        code, self._process = self._process.wait(), None
        return {"error": f"the process ended with status {code}"}

    def ask(self, command: str) -> Row:
        """Send a command and wait for its answer."""
        self.tell(command)
        return self.answer()

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.communicate()


def environment(side: str) -> dict[str, str]:
    """Return the environment variables of a side's process that are added to those of the benchmark."""
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    if side.startswith("hpdash"):
        from hpdash.backends.worker import WorkerSetup

        return quiet | WorkerSetup(Path.cwd()).environment
    return quiet | (ONE_CORE if side == "fit one core" else {})


def measured(net: str, convolutions: bool, sides: list[Side]) -> Row:
    """Return a net's row: seconds of every side, first epochs, the engine's way with its reason, and the ratios."""
    row: Row = {"net": net, "convolutions": convolutions}
    firsts = {side.name: side.ask(net) for side in sides}
    errors = [f"{name}: {first['error']}" for name, first in firsts.items() if "error" in first]
    if errors:
        row["error"] = "; ".join(errors)
    else:
        ours, second = sides[2:]
        times: dict[str, list[float]] = {name: [] for name in ("fit machine", "fit one core", "hpdash", "two workers")}
        for _ in range(ROUNDS):
            for side in sides[:3]:
                times[side.name].append(side.ask("epoch")["seconds"])
            for side in (ours, second):
                side.tell("epoch")
            times["two workers"].append(sum(side.answer()["seconds"] for side in (ours, second)) / 2 / 2)
        row |= {name: min(seconds) for name, seconds in times.items()}
        row |= {"first fit": firsts["fit machine"]["seconds"], "first hpdash": firsts["hpdash"]["seconds"]}
        row |= {"xla": firsts["hpdash"]["xla"], "reason": firsts["hpdash"]["reason"]}
        row |= {"machine ratio": row["fit machine"] / row["hpdash"], "core ratio": row["fit one core"] / row["hpdash"]}
    for name, first in firsts.items():
        if "error" not in first:
            next(side for side in sides if side.name == name).tell("end")
    return row


def summary(row: Row) -> str:
    """Return a row as one short line."""
    if "error" in row:
        return f"failed: {row['error']}"
    parts = (f"{name} {row[name]:.3f} s" for name in ("fit machine", "fit one core", "hpdash", "two workers"))
    return f"{', '.join(parts)}, {'XLA' if row['xla'] else row['reason']}"


def table(rows: list[Row]) -> Iterator[str]:
    """Yield the lines of the table in Markdown."""
    names = ("fit machine", "fit one core", "hpdash", "two workers")
    titles = ["net", "fit, machine", "fit, 1 core", "hpdash, 1 core", "hpdash, 2 workers", "first fit", "first hpdash"]
    titles += ["fit machine / hpdash", "fit 1 core / hpdash", "way"]
    yield f"| {' | '.join(titles)} |"
    yield f"|---|{'---:|' * 8}---|"
    for row in rows:
        if "error" in row:
            yield f"| {row['net']} |{' |' * 8} failed: {row['error']} |"
            continue
        cells = [row["net"], *(f"{row[name]:.3f}" for name in names)]
        cells += [f"{row[name]:.1f}" for name in ("first fit", "first hpdash")]
        cells += [f"{row[name]:.2f}" for name in ("machine ratio", "core ratio")]
        yield f"| {' | '.join(cells)} | {'XLA' if row['xla'] else row['reason']} |"


def promises(rows: list[Row]) -> Iterator[str]:
    """Yield one line per promise: that it holds in every row, or the rows that break it."""
    done = [row for row in rows if "error" not in row]
    convolutional = [row for row in done if row["convolutions"]]
    yield _promise("hpdash on one core takes no longer than fit on the machine", done, "machine ratio", 1.0)
    promise = f"with convolutions, hpdash is at least {CONVOLUTIONS_GAIN} times as fast as fit on one core"
    yield _promise(promise, convolutional, "core ratio", CONVOLUTIONS_GAIN)
    failed = [row["net"] for row in rows if "error" in row]
    if failed:
        yield f"not measured: {', '.join(failed)}"


def _promise(promise: str, rows: list[Row], ratio: str, least: float) -> str:
    broken = [f"{row['net']} ({row[ratio]:.2f})" for row in rows if row[ratio] < least]
    return f"{promise}: " + (f"broken by {', '.join(broken)}" if broken else f"holds in all {len(rows)} rows")


def serve(side: str) -> None:
    """Train the nets whose names arrive on the standard input, and answer every epoch with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # other output must not look like an answer
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if cores and side != "fit machine":
        os.sched_setaffinity(0, {cores[-1] if side == "hpdash second" else cores[0]})
    from zoo_nets import NETS

    def answer(found: Row) -> None:
        print(json.dumps(found), file=answers, flush=True)

    def ask(seconds: float, more: Row) -> bool:
        answer({"seconds": seconds, **more})
        return sys.stdin.readline().strip() == "epoch"

    answer({name: net.convolutions for name, net in NETS.items()})
    for name in iter(sys.stdin.readline, ""):
        try:
            (hpdash_epochs if side.startswith("hpdash") else fit_epochs)(name.strip(), ask)
        except Exception as error:  # the other nets must still be measured
            answer({"error": f"{type(error).__name__}: {error}".splitlines()[0][:200]})


def fit_epochs(name: str, ask: ASK) -> None:
    """Train a net with one call of `model.fit`, as long as `ask` requests another epoch."""
    import keras
    import numpy as np
    from zoo_data import load
    from zoo_nets import NETS, compiled

    from hpdash.nested import map_leaves

    net = NETS[name]
    examples = load(net.data, net.target, net.examples)
    x = map_leaves(lambda each: each.astype(np.float32) / np.float32(examples.divisor), examples.x)
    begin = time.perf_counter()
    model = compiled(net)

    class Clock(keras.callbacks.Callback):  # type: ignore[misc,name-defined]
        """Reports each epoch and waits; the first epoch's time starts before the model is built."""

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            """Note the time."""
            self.begin = time.perf_counter() if epoch else begin

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """Report the epoch, and stop unless another one is requested."""
            self.model.stop_training = not ask(time.perf_counter() - self.begin, {})

    more: Row = {"batch_size": BATCH, "epochs": 1000, "verbose": 0, "callbacks": [Clock()]}
    model.fit(x, examples.y, sample_weight=examples.weight, **more)


def hpdash_epochs(name: str, ask: ASK) -> None:
    """Train a net with the engine, as long as `ask` requests another epoch."""
    from zoo_data import load
    from zoo_nets import NETS, compiled, engine_data

    from hpdash.engine.engine import Engine

    net = NETS[name]
    examples = engine_data(load(net.data, net.target, net.examples + HELD_OUT), net.examples)
    begin = time.perf_counter()
    engine = Engine(compiled(net), examples, BATCH)
    epoch, goes_on = 0, True
    while goes_on:
        engine.train_epoch(0, epoch, lambda _: None)
        way = engine.compilation
        goes_on = ask(time.perf_counter() - begin, {"xla": way.xla, "reason": way.reason})
        epoch, begin = epoch + 1, time.perf_counter()


if __name__ == "__main__":
    main()
