"""The TensorBoard plugin: its name and its routes. A route checks the arguments, computes the answer and responds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorboard import plugin_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from ..logs import layout
from ..records import Scalar
from . import assets
from .answer_cache import AnswerCache
from .arguments import Arguments, RefusedError, shorten
from .catalogue import Catalogue, read_catalogue
from .distributions import distributions_impl
from .routes import AssetRoute, guarded, respond
from .source import HISTOGRAMS, Source
from .spread import spread_impl

Answer = Callable[[Source, Catalogue, Arguments], dict[str, Any]]

_MOST_BINS = 500


class WeightsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard has no types
    """The Weights tab, for any data provider of TensorBoard."""

    plugin_name = layout.PLUGIN

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._provider = context.data_provider
        self._hints: Mapping[str, int] = context.sampling_hints or {}
        self._bodies, self._assets = AnswerCache(), AssetRoute(self.plugin_name)

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes of http_api.md; any other path is that of an asset, or is answered with 404."""
        return {
            "/overview": self._serve_overview,
            "/distributions": self._serve_distributions,
            "/spread": self._serve_spread,
            "/*": self._assets,
        }

    def is_active(self) -> bool:
        """Return False, because TensorBoard itself shows the tab if there are data of `data_plugin_names`."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Return the name of the plugin whose data the tab reads."""
        return (HISTOGRAMS,)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return the name of the tab and the JavaScript module that draws it."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{assets.version()}/weights/index.js", tab_name="Weights")

    @guarded
    def _serve_overview(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _overview, ("sweep",))

    @guarded
    def _serve_distributions(self, request: wrappers.Request) -> wrappers.Response:
        return self._respond_json(request, _distributions, ("sweep", "tag", "bins", "clip", "contains"))

    @guarded
    def _serve_spread(self, request: wrappers.Request) -> wrappers.Response:
        known = ("sweep", "tag", "by", "keep", "runs", "reference")
        return self._respond_json(request, _spread, known, repeatable="tag")

    def _respond_json(
        self, request: wrappers.Request, answer: Answer, known: Sequence[str], repeatable: str = ""
    ) -> wrappers.Response:
        """Respond with JSON; `known` are the arguments of the route, `repeatable` may be given several times."""
        arguments = Arguments.of(dict(request.args.lists()), known, repeatable)
        context = plugin_util.context(request.environ)
        source = Source(self._provider, context, plugin_util.experiment_id(request.environ), self._hints)
        sweep = arguments.text("sweep", "") if "sweep" in arguments.values else None
        catalogue = read_catalogue(source, sweep)
        key = (request.path, request.query_string, source.experiment, catalogue.version)
        body = self._bodies.get(key, lambda: json.dumps(answer(source, catalogue, arguments), allow_nan=False))
        return respond(request, body, "application/json", content_encoding="gzip")


def _overview(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    return catalogue.to_json()


def _distributions(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    _check_sweep(catalogue, arguments)
    [tag] = arguments.all("tag")
    bins, clip = arguments.integer("bins", 60, 1, _MOST_BINS), arguments.share("clip", 0.999)
    return distributions_impl(source, catalogue, tag, bins, clip, arguments.text("contains", ""))


def _spread(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    _check_sweep(catalogue, arguments)
    tags, by = arguments.all("tag"), arguments.text("by", "")
    places, value = arguments.places("runs", len(catalogue.runs)), arguments.json("reference")
    if value is not None and not isinstance(value, Scalar):
        raise RefusedError(f"reference: expected a string, a number, a boolean or null, found {shorten(value)}.")
    reference = (value,) if "reference" in arguments.values else None
    return spread_impl(source, catalogue, tags, by, arguments.json("keep"), places, reference)


def _check_sweep(catalogue: Catalogue, arguments: Arguments) -> None:
    """Raise RefusedError if the request names an unknown sweep; the catalogue is then that of another one."""
    asked = arguments.text("sweep", catalogue.sweep)
    if asked != catalogue.sweep:
        names = ", ".join(shorten(each.name) for each in catalogue.sweeps[:10])
        raise RefusedError(f"sweep: there is no sweep {shorten(asked)}. The sweeps: {names}.", 404)
