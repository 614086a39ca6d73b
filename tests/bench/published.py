"""The published results of five notebooks, and what their sweeps measure here: `python tests/bench/published.py`.

Runs sweeps/ on the real data (`hpdash data get mnist fashion_mnist cifar10`), each setting with three seeds, and prints
a Markdown table. Each row has the published value, the measured one (mean ± sample standard deviation of the seeds'
last epochs), and a verdict. A published value comes from one run. A row agrees if it is within 1.5 points or two
standard deviations of the mean. With --logdir, an interrupted benchmark continues where it stopped. Parts by letter:
A  MNIST initialisers on raw pixels            B  Fashion-MNIST batch normalisation
C  MNIST with and without an initialiser       E  MNIST through TensorBoard, and its optimisers
D  optimisers of a small net on CIFAR-10, and the ensemble of the best on the test set
W  CIFAR-10 at its published width (some hours on two cores; runs only if requested)
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hpdash import Runs, evaluate, read_runs
from hpdash.analysis.rows import Stat

SWEEPS = Path(__file__).resolve().parents[2] / "sweeps"
ACCURACY, LOSS = "validation/epoch_accuracy", "validation/epoch_loss"
POINTS, DEVIATIONS = 0.015, 2


@dataclass(frozen=True, slots=True)
class Row:
    """A published value with its runs (`where`), its scalar (`tag`) and its epoch (None: the last).

    `because` says why our value differs. `at_least` means that only a lower bound was published. `again` means that the
    value comes from another run of the same setting.
    """

    where: str
    published: float | None
    tag: str = ACCURACY
    epoch: int | None = None
    because: str = ""
    at_least: bool = False
    again: bool = False

    @property
    def name(self) -> str:
        """A readable name of the runs and the scalar."""
        what = {ACCURACY: "", LOSS: ", loss"}.get(self.tag, f", {self.tag}")
        setting = self.where.replace(" and ", ", ").replace("'", "")
        return f"{setting}{what}{f', epoch {self.epoch}' if self.epoch else ''}{', again' * self.again}"

    def measure(self, runs: Runs) -> Stat:
        """Return the mean over the seeds; raise KeyError or ValueError if the sweep lacks the row's runs or values."""
        values = []
        for run in runs.where(self.where):
            series = run.scalars[self.tag]
            steps = series.steps.tolist()
            values.append(float(series.values[steps.index(self.epoch) if self.epoch else -1]))
        measured = Stat.of(values)
        if measured is None:
            raise ValueError(f"no run of {self.where}")
        return measured

    def verdict(self, measured: Stat) -> str:
        """Return whether the measured mean agrees with the published value, and if not, why."""
        if self.published is None:
            return "ours"
        over = measured.mean - self.published
        agrees = over > 0 if self.at_least else abs(over) <= max(POINTS, DEVIATIONS * (measured.std or 0.0))
        return "agrees" if agrees else f"differs: {self.because or 'unexplained'}"


@dataclass(frozen=True, slots=True)
class Subset:
    """A sweep file, the overrides it runs with, and its rows."""

    file: str
    rows: Sequence[Row]
    overrides: Sequence[str] = ()
    ensemble: int = 0


def both(where: str, loss: float, accuracy: float | None, because: str = "", again: bool = False) -> Iterator[Row]:
    """Return the rows of a published loss and of a published accuracy."""
    yield Row(where, loss, LOSS, because=because, again=again)
    if accuracy is not None:
        yield Row(where, accuracy, because=because, again=again)


def kernels(name: str, published: float, because: str = "") -> Row:
    """Return a row for a kernel initialiser in part A."""
    return Row(f"kernel_initializer={name} and bias_initializer=zeros", published, because=because)


def biases(name: str, published: float) -> Row:
    """Return a row for a bias initialiser in part A."""
    return Row(f"kernel_initializer=glorot_uniform and bias_initializer={name}", published)


def net(activation: str, initializer: str, batchnorm: str = "none") -> str:
    """Return the condition that selects a net in part E."""
    return f"activation={activation} and kernel_initializer={initializer} and batchnorm={batchnorm}"


JITTER = "at this rate the loss moves by up to .03 from one epoch to the next; the accuracy agrees"
PLATEAU = "the units of a layer stay alike, whence one feature; Keras' own fit gives .368 ± .015 here (four seeds)"
LUCK_UNIFORM = "on raw pixels the seed decides; ten seeds gave .761 to .933 (.883 ± .057)"
LUCK_NORMAL = "on raw pixels the seed decides; ten seeds gave .868 to .929 (.902 ± .022)"
WIDE = "hidden=2000-4000"
PLAIN = "batchnorm=none and dropout=0"
LEVELS = ("raw", "tape", "subclassed", "sequential", "functional")
PARTS = {
    "A": [
        Subset(
            "mnist_initializers",
            [
                kernels("glorot_uniform", 0.9446),
                kernels("glorot_normal", 0.9271),
                kernels("ones", 0.3872),
                kernels("random_uniform", 0.9483),
                kernels("random_normal", 0.9517),
                kernels("he_uniform", 0.8030, LUCK_UNIFORM),
                kernels("he_normal", 0.8842, LUCK_NORMAL),
                biases("glorot_normal", 0.9159),
                biases("ones", 0.9292),
                biases("random_uniform", 0.9416),
                biases("random_normal", 0.9432),
                biases("he_uniform", 0.9336),
                biases("he_normal", 0.9247),
                Row("kernel_initializer=random_normal and bias_initializer=random_normal", 0.9521),
            ],
        )
    ],
    "B": [
        Subset(
            "fashion_batchnorm",
            [
                Row("activation=leaky_relu and batchnorm=none", 0.7160, epoch=1),
                Row("activation=leaky_relu and batchnorm=none", 0.8284, epoch=8),
                Row("activation=relu and batchnorm=after", 0.8032, epoch=1),
                Row("activation=relu and batchnorm=after", 0.8650, epoch=8),
                Row("activation=relu and batchnorm=before", None, epoch=1),
                Row("activation=relu and batchnorm=before", None, epoch=8),
            ],
        )
    ],
    "C": [
        Subset(
            "mnist_zeros_to_he",
            [
                Row("hidden=64-32 and kernel_initializer=he_normal", 0.9632),
                Row("hidden=64-32 and kernel_initializer=glorot_uniform", 0.9616),
                Row("hidden=64-32 and kernel_initializer=zeros", None),
                Row("hidden=64-32 and kernel_initializer=random_normal", None),
                Row("hidden=64-32 and kernel_initializer='random_normal(stddev=1)'", None),
                Row("hidden=300-100 and l1=0 and l2=0", None),
                Row("hidden=300-100 and l1=0 and l2=0.0001", None),
                Row("hidden=300-100 and l1=0.00001 and l2=0.0001", None),
            ],
        )
    ],
    "E": [
        Subset(
            "mnist_tensorboard",
            [
                Row(net("sigmoid", "glorot_uniform"), 0.9645),
                *both(net("sigmoid", "glorot_normal"), 0.1128, 0.9644),
                *both(net("sigmoid", "glorot_normal"), 0.1189, 0.9657, again=True),
                *both(net("sigmoid", "random_normal"), 0.1544, 0.9575),
                *both(net("sigmoid", "random_normal"), 0.1706, 0.9531, JITTER, again=True),
                Row(net("sigmoid", "'random_normal(stddev=1)'"), None),
                *both(net("sigmoid", "zeros"), 1.4242, 0.4513, PLATEAU),
                *both(net("sigmoid", "he_normal"), 0.1086, 0.9689),
                *both(net("relu", "glorot_normal"), 0.1502, 0.9699, JITTER),
                Row(net("relu", "zeros"), 0.10),
                *both(net("sigmoid", "glorot_normal", "before"), 0.0960, 0.9724),
                *both(net("sigmoid", "random_normal", "before"), 0.0877, 0.9749),
                *both(net("relu", "glorot_normal", "before"), 0.0818, None),
            ],
        ),
        Subset(
            "mnist_optimizers",
            [
                Row("optimizer=sgd and momentum=0", 0.9228),
                Row("optimizer=rmsprop", 0.9683),
                Row("nesterov=true", 0.9684),
                Row("optimizer=sgd and momentum=0.9 and nesterov=false", None),
                Row("optimizer=adam", None),
            ],
        ),
    ],
    "D": [
        Subset(
            "cifar_small",
            [
                Row(f"optimizer={optimizer} and batchnorm={batchnorm}", None)
                for optimizer in ("sgd and momentum=0", "sgd and momentum=0.9", "rmsprop", "adam")
                for batchnorm in ("none", "after")
            ],
            [
                "trial=[{}, {batchnorm='after'}, {momentum=0.9}, {momentum=0.9, batchnorm='after'},"
                " {optimizer='rmsprop'}, {optimizer='rmsprop', batchnorm='after'},"
                " {optimizer='adam'}, {optimizer='adam', batchnorm='after'}]",
            ],
            ensemble=5,
        )
    ],
    "W": [
        Subset(
            "cifar_levels",
            [Row(f"level={level}", 0.40, at_least=True) for level in LEVELS],
        ),
        Subset(
            "cifar_initializers",
            [
                Row("kernel_initializer=zeros", 0.096, "epoch_accuracy"),
                Row("kernel_initializer=zeros", 2.3026, "epoch_loss"),
            ],
            ["trial=[{activation='relu', hidden=[4000], kernel_initializer='zeros'}]", "train.epochs=2"],
        ),
        Subset(
            "cifar_regularizers",
            [
                Row("hidden=4000", 0.541),
                Row(f"{WIDE} and {PLAIN}", 0.548),
                Row(f"{WIDE} and batchnorm=after", 0.535),
                Row(f"{WIDE} and dropout=0.2", 0.561),
            ],
            [
                "trial=[{hidden=[4000]}, {hidden=[2000, 4000]}, {hidden=[2000, 4000], batchnorm='after'},"
                " {hidden=[2000, 4000], dropout=0.2}]",
            ],
        ),
    ],
}


def main() -> None:
    """Run the requested parts and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="?", default="ABCED", help="which parts (default ABCED: all but W)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each setting (default 3)")
    parser.add_argument("--logdir", type=Path, help="where the sweeps stay; a temporary folder by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for letter in options.parts:
            print(f"| {letter} | published | measured | verdict |\n| --- | --- | --- | --- |")
            for part in PARTS[letter]:
                for line in table(part, options.seeds, options.logdir or Path(scratch)):
                    print(line, flush=True)
            print()


def table(part: Subset, seeds: int, logs: Path) -> Iterator[str]:
    """Run the trials that a part's sweep lacks, and yield its rows."""
    settings = [f"sweep.repeats={seeds}", *part.overrides]
    overrides = [word for setting in settings for word in ("--set", setting)]
    command = ["sweep", str(SWEEPS / f"{part.file}.toml"), "--logdir", str(logs), *overrides]
    subprocess.run([sys.executable, "-m", "hpdash", *command], check=True, stdout=subprocess.DEVNULL)
    runs = read_runs(logs / part.file)
    for row in part.rows:
        measured = row.measure(runs)
        published = "" if row.published is None else f"{'above ' * row.at_least}{row.published:.4f}"
        yield f"| {row.name} | {published} | {shown(measured)} | {row.verdict(measured)} |"
    if part.ensemble:
        yield from ensemble(logs / part.file, part.ensemble)


def ensemble(sweep: Path, top: int) -> Iterator[str]:
    """Evaluate the trials that are best on validation on the test set.

    Yield a row for the best one and a row for their ensemble.
    """
    evaluation = evaluate(sweep, top=top).evaluation
    alone, together = evaluation.scores[0].test["accuracy"], (evaluation.ensemble or {})["accuracy"]
    yield f"| test set, the best of these on validation | | {alone:.4f} | ours |"
    yield f"| test set, mean probability of the best {top} | | {together:.4f} | {together - alone:+.4f} on it |"


def shown(measured: Stat) -> str:
    """Format a mean with its standard deviation."""
    return f"{measured.mean:.4f}" + (f" ± {measured.std:.4f}" if measured.std is not None else "")


if __name__ == "__main__":
    main()
