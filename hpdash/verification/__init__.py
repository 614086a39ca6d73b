"""Find what is damaged in a logdir, what it affects and what to do, without writing, locking or waiting."""

from __future__ import annotations

from .findings import Finding, Severity, VerifyResult
from .walk import find_damage

__all__ = ["Finding", "Severity", "VerifyResult", "find_damage"]
