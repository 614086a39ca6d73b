"""The versions that a sweep runs with, read from the installed packages without importing them."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

PACKAGES = ("hpdash", "tensorflow", "keras", "tensorboard", "numpy")


@cache
def versions() -> Mapping[str, str | None]:
    """Return the versions of Python and of the packages that results depend on, by name; None if not installed."""
    return MappingProxyType({"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}})


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
