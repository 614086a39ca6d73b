"""The HParams session that a run logs: its hyperparameters, its group, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..records import Scalar, TrialState
from .values import MalformedError


@dataclass(frozen=True, slots=True)
class HParamsSession:
    """What a run's HParams records say about its session; a field is None if no record has it.

    `started` is in unix seconds. `has_experiment` says that one of the records is an experiment record, which has the
    domains of all sessions.
    """

    hparams: Mapping[str, Scalar] | None = None
    group: str | None = None
    started: float | None = None
    status: TrialState | None = None
    has_experiment: bool = False

    def joined(self, later: HParamsSession) -> HParamsSession:
        """Return the session with a later record added. The first start and the first end count, as in TensorBoard."""
        first = later if self.hparams is None else self
        status = self.status or later.status
        return HParamsSession(
            first.hparams, first.group, first.started, status, self.has_experiment or later.has_experiment
        )


def parse_session(content: bytes) -> HParamsSession:
    """Return what one HParams record says; raises MalformedError if it is invalid."""
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2  # noqa: PLC0415  slow to import

    try:
        data = plugin_data_pb2.HParamsPluginData.FromString(content)
    except Exception as error:  # protobuf's DecodeError, whose module depends on the version
        raise MalformedError(f"damaged HParams record ({error})") from error
    match data.WhichOneof("data"):
        case "session_start_info":
            start = data.session_start_info
            hparams = {name: _scalar(value) for name, value in sorted(start.hparams.items())}
            known = {name: value for name, value in hparams.items() if value is not None}
            return HParamsSession(known, start.group_name or None, start.start_time_secs or None)
        case "session_end_info":
            ends = {api_pb2.STATUS_SUCCESS: TrialState.FINISHED, api_pb2.STATUS_FAILURE: TrialState.FAILED}
            return HParamsSession(status=ends.get(data.session_end_info.status))
        case "experiment":
            return HParamsSession(has_experiment=True)
    return HParamsSession()


def _scalar(value: Any) -> Scalar | None:
    """Return a hyperparameter's value; whole numbers become integers, because records have one type of number."""
    match value.WhichOneof("kind"):
        case "number_value":
            number = float(value.number_value)
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        case "bool_value":
            return bool(value.bool_value)
        case "string_value":
            return str(value.string_value)
    return None
