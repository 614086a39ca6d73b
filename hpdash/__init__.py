"""hpdash: hyperparameter sweeps of Keras models, many times faster than `model.fit`, understood in TensorBoard."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .drive import Outcome, Watcher
    from .errors import HpdashError
    from .runner import Options, run_sweep
    from .session import Trial
    from .spec import Sweep, load_sweep, parse_sweep

__all__ = [
    "HpdashError",
    "Options",
    "Outcome",
    "Sweep",
    "Trial",
    "Watcher",
    "load_sweep",
    "parse_sweep",
    "run_sweep",
]

_HOMES = {
    "HpdashError": "errors",
    "Options": "runner",
    "Outcome": "drive",
    "Sweep": "spec",
    "Trial": "session",
    "Watcher": "drive",
    "load_sweep": "spec",
    "parse_sweep": "spec",
    "run_sweep": "runner",
}

try:
    __version__ = version("hpdash")
except PackageNotFoundError:  # a checkout that is not installed
    __version__ = "0+unknown"


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that importing the package costs nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
