"""The HParams sessions that runs logged: whose hyperparameters a run has, and which of them were swept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .. import logdir
from ..reader.sessions import Session, parse_session
from ..reader.values import MalformedError
from .source import HPARAMS, Source

_ROOT = "."  # TensorBoard's name for the run of the logdir itself


@dataclass(frozen=True, slots=True)
class Sessions:
    """The sessions by run, and the swept hyperparameters in the order of the experiment records."""

    by_run: Mapping[str, Session]
    by_parent: Mapping[str, Sequence[Session]]
    swept: tuple[str, ...]
    contents: tuple[bytes, ...]

    def of(self, run: str) -> Session | None:
        """Return the session of a run or of the nearest run above it.

        Where there is none, that of the only run right below it that has one, as PyTorch's `add_hparams` leaves it.
        """
        for name in _upwards(run):
            if name in self.by_run:
                return self.by_run[name]
        below = self.by_parent.get(run, ())
        return below[0] if len(below) == 1 else None


def read_sessions(source: Source) -> Sessions:
    """Read what every run's HParams records say; a damaged record says nothing."""
    by_run: dict[str, Session] = {}
    swept: dict[str, None] = {}
    contents = []
    for run, tags in sorted(source.listing(HPARAMS).items()):
        for _, series in sorted(tags.items()):
            try:
                session = parse_session(series.plugin_content)
            except MalformedError:
                continue
            contents.append(series.plugin_content)
            by_run[run] = by_run.get(run, Session()).joined(session)
            if session.has_experiment:
                swept |= dict.fromkeys(_declared(series.plugin_content, run))
    known = {run: session for run, session in by_run.items() if session.hparams is not None}
    by_parent: dict[str, list[Session]] = {}
    for run, session in known.items():
        by_parent.setdefault(run.rpartition("/")[0], []).append(session)
    return Sessions(known, by_parent, tuple(swept), tuple(contents))


def _upwards(run: str) -> Iterator[str]:
    while run:
        yield run
        run = run.rpartition("/")[0]
    yield _ROOT


def _declared(content: bytes, run: str) -> list[str]:
    """Return the names an experiment record calls swept; all of them in a record that hpdash did not write."""
    from tensorboard.plugins.hparams import plugin_data_pb2  # noqa: PLC0415  as reader.sessions does

    infos = plugin_data_pb2.HParamsPluginData.FromString(content).experiment.hparam_infos
    marked = [info.name for info in infos if info.differs]
    if marked or run.rpartition("/")[2].startswith(logdir.EXPERIMENT):
        return marked
    return [info.name for info in infos]
