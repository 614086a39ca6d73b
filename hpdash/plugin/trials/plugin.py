"""The TensorBoard plugin of the Trials tab: its name and its routes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from ...goal import Goal
from ...logs import layout
from ...runs import Run
from .. import assets
from ..answer_cache import AnswerCache
from ..arguments import Arguments, RefusedError, shorten
from ..routes import AssetRoute, guarded, respond
from ..source import Source
from ..sweeps import ALL_SWEEPS
from .changes import changes
from .charts import curves_impl, effects_impl
from .history import search_impl, timeline_impl
from .logdir import Snapshot, WatchedLogdir
from .provided import ProvidedRuns
from .table import chosen_runs, ranking_impl, sweeps_impl, trials_impl
from .trial import trial_impl
from .weights import weights_impl

Answer = Callable[[Snapshot, Arguments], dict[str, Any]]


class TrialsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard has no types
    """The Trials tab.

    If TensorBoard was started with one folder on this machine, the tab reads that folder itself; otherwise it shows
    what TensorBoard's data provider has.
    """

    plugin_name = layout.TRIALS_PLUGIN

    def __init__(self, context: base_plugin.TBContext) -> None:
        flags = context.flags
        path = "" if getattr(flags, "logdir_spec", "") else context.logdir or getattr(flags, "logdir", "")
        self._logdir = WatchedLogdir(path) if path and "://" not in path else None
        self._provider, self._provided, self._bodies = context.data_provider, ProvidedRuns(), AnswerCache()

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes of http_api.md; any other path is that of an asset, or is answered with 404."""
        return {
            "/version": self._serve_version,
            "/sweeps": self._serve_sweeps,
            "/trials": self._serve_trials,
            "/ranking": self._serve_ranking,
            "/trial": self._serve_trial,
            "/curves": self._serve_curves,
            "/effects": self._serve_effects,
            "/search": self._serve_search,
            "/timeline": self._serve_timeline,
            "/weights": self._serve_weights,
            "/*": AssetRoute(self.plugin_name),
        }

    def is_active(self) -> bool:
        """Return whether TensorBoard shows the tab among the active ones: always, also before the first trial.

        TensorBoard asks when its page is opened, which is a second before the tab's page sends its first request. So
        the logs are read from now on.
        """
        if self._logdir is not None:
            self._logdir.prepare()
        return True

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return the name of the tab and the JavaScript module that draws it."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{assets.version()}/trials/index.js", tab_name="Trials")

    @guarded
    def _serve_version(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, lambda snapshot, _: {"version": snapshot.version}, ())

    @guarded
    def _serve_sweeps(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, lambda snapshot, _: sweeps_impl(snapshot), ())

    @guarded
    def _serve_trials(self, request: wrappers.Request) -> wrappers.Response:
        arguments = Arguments.of(dict(request.args.lists()), ("sweep", "objective", "goal", "since"))
        body = self._trials(self._snapshot(request), arguments)
        return respond(request, body, "application/json", content_encoding="gzip")

    @guarded
    def _serve_ranking(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _ranking, ("sweep", "objective", "goal", "where"))

    @guarded
    def _serve_trial(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _trial, ("id", "objective", "goal"))

    @guarded
    def _serve_curves(self, request: wrappers.Request) -> wrappers.Response:
        known = ("sweep", "objective", "goal", "where", "metric", "trial", "over")
        return self._respond_json(request, _curves, known, repeatable="trial")

    @guarded
    def _serve_effects(self, request: wrappers.Request) -> wrappers.Response:
        known = ("sweep", "objective", "goal", "where", "stage", "importance", "pair")
        return self._respond_json(request, _effects, known, repeatable="pair")

    @guarded
    def _serve_search(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _search, ("sweep", "objective", "goal", "where"))

    @guarded
    def _serve_timeline(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _timeline, ("sweep", "objective", "goal", "where"))

    @guarded
    def _serve_weights(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _weights, ("id",))

    def _respond_json(
        self, request: wrappers.Request, answer: Answer, known: Sequence[str], repeatable: str = ""
    ) -> wrappers.Response:
        """Respond with JSON; `known` are the arguments of the route, `repeatable` may be given several times."""
        arguments = Arguments.of(dict(request.args.lists()), known, repeatable)
        snapshot = self._snapshot(request)
        key = (request.path, request.query_string, snapshot.version)
        body = self._bodies.get(key, lambda: json.dumps(answer(snapshot, arguments), allow_nan=False))
        return respond(request, body, "application/json", content_encoding="gzip")

    def _trials(self, snapshot: Snapshot, arguments: Arguments) -> bytes:
        """Return all trials of a sweep; if the request names a version that was answered before, what changed since."""
        chosen = (arguments.text("sweep", ""), *_objective(arguments))

        def whole() -> str:
            return json.dumps(trials_impl(snapshot, *chosen), allow_nan=False)

        def changed(before: str) -> str:
            after = json.loads(self._bodies.known(key) or whole())
            return json.dumps(changes(json.loads(before), after) or after)

        key, since = ("trials", chosen, snapshot.version), arguments.text("since", "")
        body = self._bodies.get(key, whole)
        before = self._bodies.known(("trials", chosen, since))
        return self._bodies.get((*key, since), lambda: changed(before)) if before else body

    def _snapshot(self, request: wrappers.Request) -> Snapshot:
        if self._logdir is not None:
            return self._logdir.current()
        context = plugin_util.context(request.environ)
        return self._provided.current(Source(self._provider, context, plugin_util.experiment_id(request.environ)))


def _objective(arguments: Arguments) -> tuple[str | None, str | None]:
    goal = arguments.text("goal", "") or None
    if goal not in (None, *Goal):
        raise RefusedError(f'goal: expected "min" or "max", found {shorten(goal)}.')
    return arguments.text("objective", "") or None, goal


def _ranking(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    sweep, where = arguments.text("sweep", ""), arguments.text("where", "")
    return ranking_impl(snapshot, sweep, *_objective(arguments), where)


def _selected(snapshot: Snapshot, arguments: Arguments) -> Sequence[Run]:
    where = arguments.text("where", "") or None
    return chosen_runs(snapshot, arguments.text("sweep", ""), *_objective(arguments), where)


def _curves(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    metric, wanted = arguments.text("metric", "") or None, arguments.values.get("trial", ())
    over = arguments.text("over", "steps")
    if over not in ("steps", "time"):
        raise RefusedError(f'over: expected "steps" or "time", found {shorten(over)}.')
    return {"version": snapshot.version, **curves_impl(_selected(snapshot, arguments), metric, wanted, over == "time")}


def _effects(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    stage = arguments.text("stage", "finished")
    if stage not in ("finished", "rung"):
        raise RefusedError(f'stage: expected "finished" or "rung", found {shorten(stage)}.')
    importance = arguments.text("importance", "quick")
    if importance not in ("quick", "whole"):
        raise RefusedError(f'importance: expected "quick" or "whole", found {shorten(importance)}.')
    runs, pair = _selected(snapshot, arguments), arguments.values.get("pair", ())
    return {"version": snapshot.version, **effects_impl(runs, stage == "rung", importance == "whole", pair)}


def _search(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    sweep, where = arguments.text("sweep", ""), arguments.text("where", "") or None
    # The objective is always the sweep's own. For all sweeps together, no search is shown, because a search belongs to
    # one sweep. In that case the filter is not applied: it could leave the runs of only one sweep.
    runs = chosen_runs(snapshot, sweep, None, None, None if sweep == ALL_SWEEPS else where)
    return {"version": snapshot.version, **search_impl(runs)}


def _timeline(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    return {"version": snapshot.version, **timeline_impl(_selected(snapshot, arguments))}


def _weights(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    [name] = arguments.all("id")
    return weights_impl(snapshot, name)


def _trial(snapshot: Snapshot, arguments: Arguments) -> dict[str, Any]:
    [name] = arguments.all("id")
    return trial_impl(snapshot, name, *_objective(arguments))
