"""Read the HParams sessions from TensorBoard, and which hyperparameters were swept."""

from __future__ import annotations

from dataclasses import dataclass

from ..logs import layout
from ..reader.attribution import Sessions
from ..reader.sessions import HParamsSession, parse_session
from ..reader.values import MalformedError
from .source import HPARAMS, Source


@dataclass(frozen=True, slots=True)
class HParamsRecords:
    """The HParams sessions of all runs.

    `swept` has the swept hyperparameters, in the order of TensorBoard's experiment records, which declare the
    hyperparameters of all sessions. `contents` has the bytes of each valid record.
    """

    sessions: Sessions
    swept: tuple[str, ...]
    contents: tuple[bytes, ...]


def read_records(source: Source) -> HParamsRecords:
    """Read the HParams records of every run; damaged records are skipped."""
    by_run: dict[str, HParamsSession] = {}
    swept: dict[str, None] = {}
    contents = []
    for run, tags in sorted(source.listing(HPARAMS).items()):
        for _, series in sorted(tags.items()):
            try:
                session = parse_session(series.plugin_content)
            except MalformedError:
                continue
            contents.append(series.plugin_content)
            by_run[run] = by_run.get(run, HParamsSession()).joined(session)
            if session.has_experiment:
                swept |= dict.fromkeys(_declared(series.plugin_content, run))
    return HParamsRecords(Sessions.of(by_run), tuple(swept), tuple(contents))


def _declared(content: bytes, run: str) -> list[str]:
    """Return the names that an experiment record marks as swept.

    If it marks none and hpdash did not write it, return all its names.
    """
    from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: PLC0415  slow to import

    infos = plugin_data_pb2.HParamsPluginData.FromString(content).experiment.hparam_infos
    marked = [info.name for info in infos if info.differs]
    if marked or run.rpartition("/")[2].startswith(layout.HPARAMS_PREFIX):
        return marked
    return [info.name for info in infos]
