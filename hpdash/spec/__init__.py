"""TOML -> Sweep: reads a sweep file, collects every fault with its key, resolves every default."""

from .loading import load_sweep, parse_sweep
from .space import Hyperparameter
from .sweep import Sweep
from .tables import SETTINGS, Setting

__all__ = ["SETTINGS", "Hyperparameter", "Setting", "Sweep", "load_sweep", "parse_sweep"]
