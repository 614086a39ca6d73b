"""Logs for tests of the Weights tab, and TensorBoard's data providers that read them without a running TensorBoard."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import numpy as np
from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
from tensorboard.compat.proto import summary_pb2, tensor_pb2
from tensorboard.context import RequestContext
from tensorboard.data import grpc_provider, server_ingester
from tensorboard.plugins.histogram.metadata import create_summary_metadata
from tensorboard.plugins.hparams import api_pb2
from tensorboard.util import tensor_util

from hpdash.histograms.histogram import Histogram
from hpdash.logs import layout
from hpdash.logs.writer import EventFile, RunWriter, write_hparams_record
from hpdash.plugin.catalogue import read_catalogue
from hpdash.plugin.source import Source

KERNEL, GAMMA = "hidden_1/kernel", "batchnorm_1/gamma"
TRIALS = {"0000-batchnorm=none": 4, "0001-batchnorm=before": 4, "0002-batchnorm=none": 3, "0010-batchnorm=before": 4}
HOSTILE = ["<img src=x onerror=alert(1)>", "\u202egpj.exe", "[b]\x1b[31m", "-rf", "Case", "case", "😀", "a b&tag=c#d"]
LONG = 151  # steps: more than the default data server keeps
GOOD = np.array([[-1.0, 0.0, 3.0], [0.0, 1.0, 1.0]])
DAMAGED = {
    "good": (GOOD, ""),
    "nan-edges": (np.array([[np.nan, 0.0, 3.0], [0.0, 1.0, 1.0]]), "expected finite edges"),
    "infinite-edges": (np.array([[-np.inf, 0.0, 3.0], [0.0, 1.0, 1.0]]), "expected finite edges"),
    "gaps": (np.array([[-1.0, 0.0, 3.0], [0.5, 1.0, 1.0]]), "expected adjacent buckets"),
    "backwards": (np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 1.0]]), "expected edges that increase"),
    "negative-counts": (np.array([[-1.0, 0.0, -3.0], [0.0, 1.0, 1.0]]), "expected finite counts of at least 0"),
    "nan-counts": (np.array([[-1.0, 0.0, np.nan], [0.0, 1.0, 1.0]]), "expected finite counts of at least 0"),
    "two-columns": (np.ones((4, 2)), "expected numbers [buckets, 3]"),
    "words": (np.array([["a", "b", "c"]]), "expected numbers [buckets, 3]"),
    "a-number": (np.float64(1), "expected numbers [buckets, 3]"),
    "no-width": (np.array([[0.5, 0.5, 9.0], [0.5, 0.5, 0.0]]), ""),
    "no-bucket": (np.zeros((0, 3)), ""),
    "no-value": (np.array([[-1.0, 1.0, 0.0]]), ""),
    "float32": (GOOD.astype(np.float32), ""),
    "other-buckets": (np.array([[-1.0, -0.5, 2.0], [-0.5, 0.5, 2.0], [0.5, 1.0, 2.0]]), ""),
    "a-minimum-inside": (np.array([[-0.5, -1.0, 0.0], [-1.0, 1.0, 2.0]]), ""),  # as PyTorch's come out
    "far": (np.array([[-1e308, 1e308, 5.0]]), ""),
}
RUNS = len(TRIALS) + len(HOSTILE) + 5  # with histograms


def weights(run: int, step: int) -> Histogram:
    """Return the weights of a trial at a step; trials differ in their numbers of buckets."""
    values = np.random.default_rng(run).normal(0, 1 + run / 4, 500) * (1 + step / 5)
    return Histogram.of(values, 30 if run % 2 else 64)


def write_logs(root: Path) -> None:
    """Write a sweep, hostile names, every kind of damage, and a series longer than TensorBoard keeps."""
    write_sweep(root / "mnist")
    for name in HOSTILE:
        write_tables(root / "odd" / name, name, [GOOD])
    write_tables(root / "odd" / "long-tag", "x" * 10_000, [GOOD])
    write_tables(root / "damaged" / "each", "damaged", [table for table, _ in DAMAGED.values()])
    liar = tensor_util.make_tensor_proto(GOOD)
    liar.tensor_shape.dim[0].size = 400
    write_tables(root / "damaged" / "liar", "damaged", [liar])
    write_tables(root / "damaged" / "whole", "damaged", [GOOD] * 2)
    write_tables(root / "long", "long", [GOOD] * LONG)


def write_sweep(root: Path) -> None:
    """Write four trials as hpdash does: one has a step less, and two have an additional layer."""
    for number, (name, steps) in enumerate(TRIALS.items()):
        batchnorm = name.partition("=")[2]
        with RunWriter(root / name) as run:
            run.start({"batchnorm": batchnorm, "rate": 0.5 * number, "flag": True, "epochs": 3}, f"mnist/{number:04d}")
            for step in range(steps):
                run.histogram(KERNEL, weights(number, step), step)
                if batchnorm == "before":
                    run.histogram(GAMMA, Histogram.of(np.ones(9) + step * np.linspace(0, 1, 9)), step)
            for step in range(2):  # the later the trial, the better
                run.scalar(layout.epoch_tag("accuracy"), 1.0, step)
                run.scalar(layout.epoch_tag("accuracy"), number / 10 + step / 100, step, validation=True)
            if number == 1:
                run.scalar(layout.nonfinite_tag(KERNEL), 0.25, 2)
            run.end(success=number != 3)
    infos = [api_pb2.HParamInfo(name="batchnorm", differs=True), api_pb2.HParamInfo(name="epochs")]
    write_hparams_record(root / f"{layout.HPARAMS_PREFIX}0", api_pb2.Experiment(hparam_infos=infos))


def write_tables(folder: Path, tag: str, tables: Sequence[Any]) -> None:
    """Write tensors as the histograms of a tag, one per step."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(EventFile(folder)) as file:
        for step, table in enumerate(tables):
            tensor = table if isinstance(table, tensor_pb2.TensorProto) else tensor_util.make_tensor_proto(table)
            metadata = create_summary_metadata("", "")
            file.add(summary_pb2.Summary.Value(tag=tag, metadata=metadata, tensor=tensor), step)


@contextmanager
def opened(root: Path, load_fast: str) -> Iterator[Source]:
    """Read logs with TensorBoard's default data server or, if `load_fast` is "false", with its Python loader."""
    if load_fast == "false":
        multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"histograms": 500})
        multiplexer.AddRunsFromDirectory(str(root)).Reload()
        yield Source(data_provider.MultiplexerDataProvider(multiplexer, str(root)), RequestContext(), "")
        return
    with _data_server(root) as address, grpc.insecure_channel(address) as channel:
        provider = grpc_provider.GrpcDataProvider(address, grpc_provider.make_stub(channel))
        source = Source(provider, RequestContext(), "")
        _wait_for(source, {path.parent for path in root.rglob(f"{layout.EVENT_FILE}*")})
        yield source


@contextmanager
def _data_server(root: Path) -> Iterator[str]:
    with TemporaryDirectory() as folder:
        port = Path(folder) / "port"
        flags = [f"--logdir={root}", "--reload=once", "--port=0", f"--port-file={port}", "--die-after-stdin"]
        command = [server_ingester.get_server_binary().path, *flags]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            while not (port.exists() and port.read_text().endswith("\n")):
                assert process.poll() is None, "the data server has ended"
                time.sleep(0.02)
            yield f"localhost:{port.read_text().strip()}"
            process.kill()


def _wait_for(source: Source, folders: set[Path]) -> None:
    """Wait until every run is loaded and no new data arrives."""
    version = ""
    while True:
        runs = source.provider.list_runs(source.context, experiment_id="")
        before, version = version, read_catalogue(source).version
        if len(runs) >= len(folders) and version == before:
            return
        time.sleep(0.3)
