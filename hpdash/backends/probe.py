"""Work in child processes of the driver: fetch and load data, call users' functions, build models, count GPUs.

Each piece of work runs in a short-lived child process, so that the driver never imports TensorFlow or a user's module.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .. import data
from ..data import Dataset, MappedDataset
from ..data.class_weights import class_weights
from ..data.fetch import fetch as fetch_data
from ..data.pipelines import Tell
from ..errors import BackendError, HpdashError
from ..facts import Inputs
from ..nested import Nested, leaves, map_leaves
from ..records import TrialSpec
from ..system.child_process import set_process_name
from ..system.limits import has_gpu
from ..system.signals import Signals
from ..system.user_functions import load_function, register
from . import children
from .builders import BuilderRequest, Built, examine
from .callbacks import check_callbacks
from .estimate import Size, Work

POLL_SECONDS = 0.2
_CHILD = "the child process that loads data and your code"
MOST_MODELS = 16  # most models that an estimate builds; each takes about 0.3 seconds

FetchProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True, slots=True)
class ProbeRequest:
    """What to examine.

    Attributes:
        data: the distinct [data] tables of the trials.
        functions: the references of the user's builders, training loops and callbacks.
        folder: where the user's modules and files are looked for.
        spool: the folder into which the arrays of data functions are written; None if there are no such functions.
        usages: builders to examine; the example trial of each has one of the tables in `data`.
        class_weights: each [data] table with each value of `train.class_weight` that its trials have; these values are
            checked with the data.
        callbacks: an example trial for each callback function.
        inline: the functions that were given in Python, pickled, by their references.
    """

    data: Sequence[Mapping[str, Any]]
    functions: Sequence[str]
    folder: Path
    spool: Path | None = None
    usages: Sequence[BuilderRequest] = ()
    class_weights: Sequence[tuple[Mapping[str, Any], Any]] = ()
    callbacks: Sequence[TrialSpec] = ()
    inline: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What was found out about the [data] tables and the user's functions.

    Attributes:
        classes: for each table, the number of classes, None for a regression; with several outputs, one for each.
        sizes: for each table, the amount of data to train and to validate on.
        inputs: for each table, what its inputs are.
        synthetic: whether any data are synthetic.
        remarks: sentences for the user on the labels of the user's own data.
        arrays: the digest of what each data function returned, by the function's reference.
        mapped: what each data function returned, in files, by the function's reference.
        built: what each builder in `usages` takes and builds, by the builder's reference.
    """

    classes: tuple[Nested, ...]
    sizes: tuple[Size, ...]
    inputs: tuple[Inputs, ...]
    synthetic: bool
    remarks: tuple[str, ...] = ()
    arrays: Mapping[str, str] = field(default_factory=dict)
    mapped: Mapping[str, MappedDataset] = field(default_factory=dict)
    built: Mapping[str, Built] = field(default_factory=dict)


def fetch(names: Sequence[str], progress: FetchProgress, signals: Signals) -> None:
    """Fetch data sets that are not on this machine, in a child process.

    `progress` gets a data set's name, the bytes that have arrived, and all its bytes (None if unknown). Raises
    DataError if a data set cannot be fetched, Stopped at a signal.
    """
    in_child(_fetch, tuple(names), signals, lambda message: progress(*message))


def gather_facts(request: ProbeRequest, signals: Signals, tell: Tell = lambda _: None) -> ProbeResult:
    """Load every function and the data of every [data] table, each data function once, and examine the builders.

    `tell` gets messages for the user while pipelines are read. Raises the HpdashError that a worker would raise,
    Stopped at a signal.
    """
    keras = bool(request.functions or request.usages or request.callbacks)
    facts: ProbeResult = in_child(_gather_facts, request, signals, tell, request.inline, keras)
    return facts


def measure(specs: Sequence[TrialSpec], folder: Path, signals: Signals) -> list[Work] | str:
    """Return the `Work` of each trial's model, or the reason why it is unknown, in words.

    A model is built for each distinct graph key of the trials. If there are more than `MOST_MODELS` keys, models are
    built for at most so many of them; the trials with other keys get the mean `Work` of the models built. `folder`
    contains the user's modules and files.
    """
    found: list[Work] | str = in_child(_measure, (tuple(specs), folder), signals, keras=True)
    return found


def load(settings: Mapping[str, Any], folder: Path, signals: Signals) -> Dataset:
    """Load the data set of a [data] table; raises HpdashError if loading fails, Stopped at a signal."""
    dataset: Dataset = in_child(_load, (settings, folder), signals)
    return dataset


def count_gpus(signals: Signals) -> int:
    """Return how many GPUs TensorFlow can use; a child process imports it only if the machine has any GPU."""
    gpus: int = in_child(_count_gpus, None, signals) if has_gpu() else 0
    return gpus


def _fetch(names: tuple[str, ...], send: Callable[[Any], None]) -> None:
    for name in names:
        fetch_data(name, lambda done, total, name=name: send((name, done, total)))  # type: ignore[misc]


def _gather_facts(request: ProbeRequest, send: Callable[[Any], None]) -> ProbeResult:
    for reference in request.functions:
        load_function(reference, request.folder)
    check_callbacks(request.callbacks, request.folder)
    classes, sizes, inputs, built = [], [], [], {}
    synthetic, remarks, returned = False, dict[str, None](), dict[str, MappedDataset]()
    for settings in request.data:
        loaded = _dataset(settings, request, returned, send)
        dataset, split, _ = data.prepare(loaded, settings)
        for value in [value for table, value in request.class_weights if table == settings]:
            class_weights(dataset, split, value)
        classes.append(dataset.classes)
        values = sum(math.prod(x.shape[1:]) for _, x in leaves(dataset.x_train))
        outputs = sum(number or 1 for _, number in leaves(dataset.classes))
        sizes.append(Size(len(split.train), len(split.validation), values, outputs))
        inputs.append(loaded.inputs)
        synthetic |= dataset.synthetic
        if settings["name"] not in data.SOURCES:
            remarks |= dict.fromkeys(data.remarks(dataset, split))
        for usage in request.usages:
            if usage.spec.settings["data"] == settings:
                built[usage.reference] = examine(usage, request.folder, dataset)
    arrays = {name: each.open().sha256 for name, each in returned.items()}
    return ProbeResult(tuple(classes), tuple(sizes), tuple(inputs), synthetic, tuple(remarks), arrays, returned, built)


def _dataset(
    settings: Mapping[str, Any], request: ProbeRequest, returned: dict[str, MappedDataset], tell: Tell
) -> Dataset:
    """Load the data set of a [data] table; call a data function only once, and keep what it returned in files."""
    name = settings["name"]
    if ":" not in name:
        return data.load(settings, request.folder)
    if name not in returned:
        assert request.spool is not None
        folder = request.spool / str(len(returned))
        folder.mkdir()
        returned[name] = data.to_files(data.load(settings, request.folder, folder, tell), folder / "arrays")
    return returned[name].open()


def _measure(asked: tuple[Sequence[TrialSpec], Path], _: Callable[[Any], None]) -> list[Work] | str:
    specs, folder = asked
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the models are examined without a GPU, which the workers may be using
    graphs = {spec.graph_key: spec for spec in specs}
    datasets: dict[str, Dataset] = {}
    works: dict[str, Work] = {}
    for key in list(graphs)[:: -(-len(graphs) // MOST_MODELS)]:
        settings = graphs[key].settings
        name = json.dumps(data.content(settings["data"]))
        datasets[name] = datasets.get(name) or data.load(settings["data"], folder)
        try:
            works[key] = _work(graphs[key], folder, datasets[name])
        except Exception as error:  # a user's builder may raise anything
            return f"a model cannot be built: {type(error).__name__}: {error}".splitlines()[0]
        if math.isnan(works[key].operations):
            return "the time of recurrent layers cannot be estimated before they run"
    mean = Work(*(sum(numbers) / len(works) for numbers in zip(*map(astuple, works.values()), strict=True)))
    return [works.get(spec.graph_key, mean) for spec in specs]


def _work(spec: TrialSpec, folder: Path, dataset: Dataset) -> Work:
    """Return the work of a trial's model; `operations` is NaN if its graph has a loop."""
    from ..engine import forward, models, xla  # noqa: PLC0415  imports TensorFlow, only in the child

    shape, train = dataset.input_shape, spec.settings["train"]
    model = models.build(
        spec.settings, folder, shape, dataset.classes, seed=0, takes=spec.takes, one_hot=dataset.one_hot
    )
    graph = forward.trace(model, map_leaves(lambda x: x[:1], dataset.x_train)).graph
    is_compiled = xla.predict(train.get("xla") or "auto", graph, train["batch_size"], training=True).xla
    operations = math.nan if forward.has_loop(graph) else forward.floating_operations(graph)
    return Work(operations, 0.0 if is_compiled else forward.values(graph))


def _load(asked: tuple[Mapping[str, Any], Path], _: Callable[[Any], None]) -> Dataset:
    return data.load(*asked)


def _count_gpus(_: None, __: Callable[[Any], None]) -> int:
    import tensorflow as tf  # noqa: PLC0415  only in the child

    return len(tf.config.list_physical_devices("GPU"))


def in_child(
    work: Callable[..., Any],
    argument: Any,
    signals: Signals,
    on_message: Callable[[Any], None] = lambda _: None,
    functions: Mapping[str, bytes] = MappingProxyType({}),
    keras: bool = False,
) -> Any:
    """Run `work(argument, send)` in a child process; return its value, or raise its HpdashError.

    `on_message` gets what `work` passes to `send`. `functions` are the functions that were given in Python, pickled, by
    their references. `keras` says whether the work needs TensorFlow. Raises BackendError if the process dies, Stopped
    at a signal.
    """
    start = children.fork if keras and children.can_fork() else children.spawn
    environment = children.tensorflow_environment() if keras else children.keras_environment()
    ours, process = start(environment, _child, work, argument, dict(functions))
    try:
        while True:
            while not ours.poll(POLL_SECONDS):
                signals.check()
            kind, value = ours.recv()
            if kind == "message":
                on_message(value)
            elif kind == "error":
                raise value
            else:
                return value
    except (EOFError, ConnectionResetError):
        process.join()
        killed = ". It was killed, perhaps because the memory ran out" if process.exitcode == -9 else ""
        raise BackendError(f"{_CHILD} ended early, with exit code {process.exitcode}{killed}") from None
    finally:
        process.kill()
        process.join()


def _child(pipe: Connection, work: Callable[..., Any], argument: Any, functions: Mapping[str, bytes]) -> None:
    set_process_name("hpdash-examine")
    register(functions)
    with open(os.devnull, "w") as quiet:  # noqa: PTH123  os.devnull is a device
        os.dup2(quiet.fileno(), 1)
        os.dup2(quiet.fileno(), 2)
    try:
        pipe.send(("value", work(argument, lambda message: pipe.send(("message", message)))))
    except HpdashError as error:
        pipe.send(("error", error))
    except (Exception, SystemExit) as error:
        pipe.send(("error", BackendError(f"{_CHILD} failed: {type(error).__name__}: {error}")))
