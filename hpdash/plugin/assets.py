"""The files of the pages, in a table that is made from the package, so that a request can name no other file."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
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


@cache
def version() -> str:
    """Return a text that changes when any file changes; as it is in the files' addresses, a browser may keep them."""
    digest = hashlib.sha256()
    for name, file in sorted(assets().items()):
        digest.update(name.encode() + file.read_bytes())
    return digest.hexdigest()[:12]


def content_type(name: str) -> str:
    """Return the media type of a file in `assets`."""
    return CONTENT_TYPES[PurePath(name).suffix]
