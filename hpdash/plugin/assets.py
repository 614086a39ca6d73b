"""The files of the page, in a table that is made from the package, so that a request can name no other file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from types import MappingProxyType

CONTENT_TYPES: Mapping[str, str] = MappingProxyType({".js": "text/javascript", ".css": "text/css"})


def assets() -> Mapping[str, Traversable]:
    """Return the JavaScript modules and the style sheets of static/ by name."""
    static = files(__package__) / "static"
    return {file.name: file for file in static.iterdir() if PurePath(file.name).suffix in CONTENT_TYPES}


def content_type(name: str) -> str:
    """Return the media type of a file in `assets`."""
    return CONTENT_TYPES[PurePath(name).suffix]
