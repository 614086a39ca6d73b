"""hpdash: hyperparameter sweeps of Keras models, many times faster than `model.fit`, shown in TensorBoard."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import Runs, compare, effects, export, read_runs, report, show, verify
    from .api.board import board
    from .api.models import load_model
    from .api.sweeping import run_sweep
    from .backends.cluster import Cluster
    from .driver.plan import Outcome, Watcher
    from .driver.runner import Options
    from .errors import HpdashError
    from .evaluation import evaluate
    from .runs import Run
    from .spec import Sweep, load_sweep, parse_sweep
    from .training.trial import Trial

__all__ = [
    "Cluster",
    "HpdashError",
    "Options",
    "Outcome",
    "Run",
    "Runs",
    "Sweep",
    "Trial",
    "Watcher",
    "board",
    "compare",
    "effects",
    "evaluate",
    "export",
    "load_model",
    "load_sweep",
    "parse_sweep",
    "read_runs",
    "report",
    "run_sweep",
    "show",
    "verify",
]

_HOMES = {
    "Cluster": "backends.cluster",
    "HpdashError": "errors",
    "Options": "driver.runner",
    "Outcome": "driver.plan",
    "Run": "runs",
    "Runs": "api",
    "Sweep": "spec",
    "Trial": "training.trial",
    "Watcher": "driver.plan",
    "board": "api.board",
    "compare": "api",
    "effects": "api",
    "evaluate": "evaluation",
    "export": "api",
    "load_model": "api.models",
    "load_sweep": "spec",
    "parse_sweep": "spec",
    "read_runs": "api",
    "report": "api",
    "run_sweep": "api.sweeping",
    "show": "api",
    "verify": "api",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  takes a tenth of a command's time

    try:
        return version("hpdash")
    except PackageNotFoundError:  # a checkout that is not installed
        return "0+unknown"
