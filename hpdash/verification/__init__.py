"""What is damaged in a logdir, what is affected by it and what to do: nothing is written, held or waited for."""

from __future__ import annotations

from .findings import Finding, Severity, VerifyResult
from .walk import find_damage

__all__ = ["Finding", "Severity", "VerifyResult", "find_damage"]
