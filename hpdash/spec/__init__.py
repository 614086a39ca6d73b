"""TOML -> Sweep: reads a sweep file, collects every fault with its key, resolves every default."""

from .loading import load_sweep, parse_sweep
from .space import Hyperparameter
from .sweep import Sweep
from .tables import FILE_KEYS, FileKey

__all__ = ["FILE_KEYS", "FileKey", "Hyperparameter", "Sweep", "load_sweep", "parse_sweep"]
