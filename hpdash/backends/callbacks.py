"""Check, in a child process before the first trial, what users' callback functions return."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..errors import HpdashError, SpecError, TrialError
from ..records import TrialSpec, own_loop
from ..training.callbacks import NONE


def with_callbacks(specs: Sequence[TrialSpec]) -> list[TrialSpec]:
    """Return one trial for each callback function that trials name."""
    found = {spec.settings["train"].get("callbacks"): spec for spec in specs if not own_loop(spec.settings["train"])}
    return [spec for reference, spec in found.items() if reference not in (None, NONE)]


def check_callbacks(specs: Sequence[TrialSpec], folder: Path) -> None:
    """Call the callback functions of trials; raise SpecError if one returns something that no trial can use.

    An error in the function itself is not raised: its trial will report it, and it may work for other trials.
    """
    if not specs:
        return
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the workers may be using the GPUs
    from ..engine.user_callbacks import user_callbacks  # noqa: PLC0415  imports TensorFlow, only in the child

    for spec in specs:
        try:
            user_callbacks(spec.settings["train"]["callbacks"], spec.settings, folder)
        except TrialError as error:
            raise SpecError([f"callbacks: {error}"]) from error
        except HpdashError:
            raise
        except Exception:  # a user's function may raise anything
            continue
