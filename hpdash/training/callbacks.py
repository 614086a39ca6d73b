"""The callbacks of a trial, hpdash's own and the user's, and how they resume from a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import TrialError
from ..records import CALLBACK_PREFIX, USER_CALLBACK_PREFIX
from .attempt import Attempt

if TYPE_CHECKING:
    from ..engine.callbacks import BetweenEpochs
    from ..engine.engine import Engine
    from ..engine.user_callbacks import UserCallbacks

NONE = "none"  # a value of the key `callbacks`
_PREFIXES = (CALLBACK_PREFIX, USER_CALLBACK_PREFIX)


def resume(trial: Attempt, engine: Engine, folder: Path) -> list[Any]:
    """Make a trial resumable, restore its checkpoint if it has one, and return the callbacks to train with.

    A trial with a callback that has no state is not resumable, because it would end differently. Raises TrialError if
    the checkpoint does not match the model.
    """
    parts = [each for each in (_between_epochs(trial, engine), _user_callbacks(trial, folder)) if each]
    if any(part.stateless for part in parts):
        return [each for part in parts for each in part.callbacks({})]

    def state() -> dict[str, Any]:
        found = dict(engine.state())
        for part in parts:
            found |= part.state()
        return found

    kept = trial.checkpoint(state)
    own = {name: value for name, value in (kept or {}).items() if not name.startswith(_PREFIXES)}
    if kept is not None and not engine.restore(own):
        raise TrialError("the checkpoint does not match the model. --retry-failed trains the trial from the start")
    return [each for part in parts for each in part.callbacks(kept or {})]


def _user_callbacks(trial: Attempt, folder: Path) -> UserCallbacks | None:
    """Return the user's callbacks; notify the user if a trial with them cannot be resumed."""
    reference = trial.settings["train"].get("callbacks")
    if reference in (None, NONE):
        return None
    from ..engine.user_callbacks import user_callbacks  # noqa: PLC0415  imports TensorFlow

    own = user_callbacks(reference, trial.settings, folder)
    if own.stateless:
        names = ", ".join(own.stateless)
        trial.host.notice(f"{names} of {reference}: without get_state and set_state, an interrupted trial starts over")
    return own


def _between_epochs(trial: Attempt, engine: Engine) -> BetweenEpochs | None:
    """Return the callbacks that run between a trial's epochs, None without [train] schedule and patience."""
    train, spec = trial.settings["train"], trial.spec
    if not (train["schedule"] or train["patience"]):
        return None
    from ..engine.callbacks import BetweenEpochs  # noqa: PLC0415  imports TensorFlow

    return BetweenEpochs(train, spec.objective, spec.goal, float(engine.model.optimizer.learning_rate))
