"""Read a sweep file as a `Sweep`: check every key, collect every fault, and fill in every default."""

from .file_keys import FILE_KEYS, FileKey
from .loading import load_sweep, parse_sweep
from .space import Hyperparameter
from .sweep import Sweep

__all__ = ["FILE_KEYS", "FileKey", "Hyperparameter", "Sweep", "load_sweep", "parse_sweep"]
