"""Start the child processes of a driver: workers, and those that examine data and models.

A child that needs TensorFlow is forked from a process that has imported it, which saves seconds for each child. It is
spawned instead, as a new Python process, where a fork may fail: with a GPU, with several threads for each worker, or
on another system than Linux.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from ..system.child_process import prepare_child
from ..system.fork_server import ForkedProcess, fork_server
from ..system.limits import has_gpu
from ..system.signals import blocked_signals

Child = BaseProcess | ForkedProcess
_IMPORTED = ("hpdash.training.trainer", "hpdash.engine.engine", "hpdash.engine.models")


def can_fork() -> bool:
    """Return whether processes that use TensorFlow may be forked on this machine."""
    return sys.platform == "linux" and not has_gpu()


def keras_environment() -> dict[str, str]:
    """Return the environment variables to set before Keras is imported."""
    return {
        "KERAS_BACKEND": "tensorflow",  # the user's shell may name another backend
        "TF_CPP_MIN_LOG_LEVEL": os.environ.get("TF_CPP_MIN_LOG_LEVEL", "2"),
        # oneDNN runs convolutions up to 5 times faster; TensorFlow leaves it off on processors without AVX-512
        "TF_ENABLE_ONEDNN_OPTS": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1"),
    }


def tensorflow_environment(threads: int = 1) -> dict[str, str]:
    """Return the environment variables to set before NumPy and TensorFlow are imported, for `threads` threads each."""
    return {
        **keras_environment(),
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        **dict.fromkeys(("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)),
        "TF_NUM_INTEROP_THREADS": "1",
    }


def fork(environment: Mapping[str, str], work: Callable[..., None], *arguments: Any) -> tuple[Connection, Child]:
    """Fork a process that has imported TensorFlow and that calls `work(pipe, *arguments)`.

    Return the other end of the pipe, and the process. The process gets the caller's environment variables and those in
    `environment`.
    """
    with _variables(environment):
        return fork_server(_IMPORTED).start(work, *arguments)


def spawn(environment: Mapping[str, str], work: Callable[..., None], *arguments: Any) -> tuple[Connection, Child]:
    """Start a new Python process that calls `work(pipe, *arguments)`.

    Return the other end of the pipe, and the process. The process gets the caller's environment variables and those in
    `environment`.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_spawned, args=(theirs, work, *arguments), daemon=True)
    with blocked_signals(), theirs, _variables(environment), _hidden_script():
        process.start()
    return ours, process


@contextmanager
def _hidden_script() -> Iterator[None]:
    """Hide the user's script inside a `with` block, so that the process that is started there does not import it.

    The script may call `run_sweep` without `if __name__ == "__main__":`, and would then start the sweep once more. Its
    functions reach workers in pickled form, as those of a notebook do.
    """
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextmanager
def _variables(environment: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables inside a `with` block, for the process that is started there.

    That process cannot set them itself: it may import NumPy, which reads some of them, before it runs any of our code.
    """
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _spawned(pipe: Connection, work: Callable[..., None], *arguments: Any) -> None:
    prepare_child("hpdash-child")
    work(pipe, *arguments)
