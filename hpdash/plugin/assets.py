"""The files of the pages, in a table that is made from the package, so that a request can name no other file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import PurePath
from types import MappingProxyType

CONTENT_TYPES: Mapping[str, str] = MappingProxyType({".js": "text/javascript", ".css": "text/css"})


def assets() -> Mapping[str, Traversable]:
    """Return the JavaScript modules and the style sheets in the folders of static/ by name: `common/dom.js`."""
    folders = [folder for folder in (files(__package__) / "static").iterdir() if folder.is_dir()]
    return {
        f"{folder.name}/{file.name}": file
        for folder in folders
        for file in folder.iterdir()
        if PurePath(file.name).suffix in CONTENT_TYPES
    }


def content_type(name: str) -> str:
    """Return the media type of a file in `assets`."""
    return CONTENT_TYPES[PurePath(name).suffix]
