"""Keras callbacks of the user's own: `[train] callbacks` names a function that returns them for a trial."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ..errors import TrialError
from ..records import USER_CALLBACK_PREFIX
from ..system.user_functions import load_function

_BATCH_HOOKS = tuple(
    f"on_{kind}batch_{when}" for kind in ("", "train_", "test_", "predict_") for when in ("begin", "end")
)

Array = np.ndarray[Any, np.dtype[Any]]


class UserCallbacks:
    """The callbacks of one trial. `stateless` has the names of those without `get_state` and `set_state`."""

    def __init__(self, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        self._callbacks = list(callbacks)
        self.stateless = [type(each).__name__ for each in callbacks if not _has_state(each)]

    def state(self) -> dict[str, Array]:
        """Return the state of the callbacks for a checkpoint, by name. Raises TrialError if it has Python objects."""
        found = {}
        for index, each in enumerate(self._callbacks):
            for name, value in each.get_state().items():
                array = np.asarray(value)
                if array.dtype.hasobject:
                    raise TrialError(f"{type(each).__name__}.get_state: {name} must be a number, a text or an array")
                found[f"{USER_CALLBACK_PREFIX}{index}/{name}"] = array
        return found

    def callbacks(self, kept: Mapping[str, Array]) -> list[keras.callbacks.Callback]:
        """Return the callbacks to train with; `kept` are the arrays of the checkpoint that the trial resumes from."""
        state: dict[int, dict[str, Any]] = {}
        for key, value in kept.items():
            if key.startswith(USER_CALLBACK_PREFIX):
                index, name = key.removeprefix(USER_CALLBACK_PREFIX).split("/", 1)
                state.setdefault(int(index), {})[name] = value if value.ndim else value.item()
        return [*self._callbacks, _Restore(self._callbacks, state)] if kept else self._callbacks


class _Restore(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Restore the state of the callbacks before this one, after they have reset it when training begins."""

    def __init__(self, callbacks: Sequence[Any], state: Mapping[int, Mapping[str, Any]]) -> None:
        super().__init__()
        self._callbacks, self._state = callbacks, state

    def on_train_begin(self, logs: Any = None) -> None:
        for index, state in self._state.items():
            self._callbacks[index].set_state(dict(state))


def user_callbacks(reference: str, settings: Mapping[str, Mapping[str, Any]], folder: Path) -> UserCallbacks:
    """Return the callbacks that a user's function, "package.module:function", makes for a trial.

    The function is called with the values of the keys that it has as parameters, or of all keys if it has `**`. Raises
    TrialError if a parameter without a default is not a key, or if the function does not return callbacks. Also raises
    TrialError if a callback has hooks for batches, because these would never be called.
    """
    function = load_function(reference, folder)
    values = {name: value for table in ("data", "train", "model") for name, value in settings[table].items()}
    parameters = inspect.signature(function).parameters
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    missing = [name for name, each in parameters.items() if _is_needed(each) and name not in values]
    if missing:
        raise TrialError(f"{reference}: its parameter {missing[0]} is no key of [data], [model], [train] or [hparams]")
    made = function(**{name: value for name, value in values.items() if takes_any or name in parameters})
    callbacks = [made] if isinstance(made, keras.callbacks.Callback) else made
    if not isinstance(callbacks, list | tuple) or not all(isinstance(c, keras.callbacks.Callback) for c in callbacks):
        raise TrialError(f"{reference}: expected a list of keras.callbacks.Callback, found {type(made).__name__}")
    for each in callbacks:
        if hooks := [hook for hook in _BATCH_HOOKS if _overrides(each, hook)]:
            raise TrialError(
                f"{reference}: {type(each).__name__} has {', '.join(hooks)}, but batches run in a compiled loop, which "
                "calls no hooks. Use the hooks for epochs, or your own training loop."
            )
    return UserCallbacks(callbacks)


def _is_needed(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_KEYWORD,
        parameter.VAR_POSITIONAL,
    )


def _overrides(callback: keras.callbacks.Callback, hook: str) -> bool:
    is_own = getattr(type(callback), hook, None) is not getattr(keras.callbacks.Callback, hook)
    return is_own or hook in vars(callback)  # a LambdaCallback has its hooks as attributes


def _has_state(callback: Any) -> bool:
    return callable(getattr(callback, "get_state", None)) and callable(getattr(callback, "set_state", None))
