"""The tab as TensorBoard sees it: its name and its routes. A route parses a request, calls its `_impl` and responds."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from tensorboard.util import tb_logging
from werkzeug import wrappers

from ..logs import layout
from ..records import Scalar
from .arguments import Arguments, RefusedError, shorten
from .assets import assets, content_type
from .bodies import Bodies
from .catalogue import Catalogue, read_catalogue
from .distributions import distributions_impl
from .source import HISTOGRAMS, UNAVAILABLE, Source
from .spread import spread_impl

Answer = Callable[[Source, Catalogue, Arguments], dict[str, Any]]

_MOST_BINS = 500


class WeightsPlugin(base_plugin.TBPlugin):  # type: ignore[misc]  # tensorboard has no types
    """The Weights tab, for any data provider of TensorBoard."""

    plugin_name = layout.PLUGIN

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._provider = context.data_provider
        self._hints: Mapping[str, int] = context.sampling_hints or {}
        self._bodies, self._assets = Bodies(), assets()

    def get_plugin_apps(self) -> dict[str, Any]:
        """Return the routes of http_api.md; any other path is that of an asset, or is answered with 404."""
        return {
            "/overview": self._route(_overview),
            "/distributions": self._route(_distributions, "tag", "bins", "clip", "contains"),
            "/spread": self._route(_spread, "tag", "by", "keep", "runs", "reference", repeatable="tag"),
            "/*": self._asset_route(),
        }

    def is_active(self) -> bool:
        """Return False, because TensorBoard itself shows the tab if there are data of `data_plugin_names`."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """Return the name of the plugin whose data the tab reads."""
        return (HISTOGRAMS,)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """Return the name of the tab and the JavaScript module that draws it."""
        return base_plugin.FrontendMetadata(es_module_path="/index.js", tab_name="Weights")

    def _route(self, answer: Answer, *known: str, repeatable: str = "") -> Any:
        """Return a route that answers with JSON; `known` are its arguments, `repeatable` may be given twice."""

        def respond(request: wrappers.Request) -> wrappers.Response:
            arguments = Arguments.of(dict(request.args.lists()), known, repeatable)
            context = plugin_util.context(request.environ)
            source = Source(self._provider, context, plugin_util.experiment_id(request.environ), self._hints)
            catalogue = read_catalogue(source)
            key = (request.path, request.query_string, source.experiment, catalogue.version)
            body = self._bodies.get(key, lambda: json.dumps(answer(source, catalogue, arguments), allow_nan=False))
            return _responded(request, body, "application/json", content_encoding="gzip")

        return _guarded(respond)

    def _asset_route(self) -> Any:
        """Return the route of the page's files."""

        def respond(request: wrappers.Request) -> wrappers.Response:
            name = request.path.rpartition(f"/{self.plugin_name}/")[2]
            if name not in self._assets:
                raise RefusedError(f"The Weights tab has no file or route {shorten(name)}.", 404)
            return _responded(request, self._assets[name].read_bytes(), content_type(name))

        return _guarded(respond)


def _guarded(respond: Callable[[wrappers.Request], wrappers.Response]) -> Any:
    """Return an application that answers GET requests, and answers refusals and errors with a sentence."""

    @wrappers.Request.application
    def serve(request: wrappers.Request) -> wrappers.Response:
        try:
            if request.method != "GET":
                raise RefusedError(f"Only GET requests are answered, not {shorten(request.method)}.", 405)
            return respond(request)
        except RefusedError as refused:
            return _refusal(request, str(refused), refused.status)
        except UNAVAILABLE as error:
            sentence = f"TensorBoard could not read its data: {shorten(str(error))}. Reload the page."
            return _refusal(request, sentence, 503)
        except Exception as error:
            tb_logging.get_logger().exception("hpdash: the Weights tab could not answer %s", request.path)
            said = f"{type(error).__name__}: {error}"
            sentence = f"The request failed: {shorten(said)}. TensorBoard's log has the traceback."
            return _refusal(request, sentence, 503)

    return serve


def _refusal(request: wrappers.Request, sentence: str, status: int) -> wrappers.Response:
    headers = [("Allow", "GET")] if status == 405 else []
    return _responded(request, {"error": sentence}, "application/json", code=status, headers=headers)


def _responded(request: wrappers.Request, content: object, kind: str, **more: Any) -> wrappers.Response:
    response: wrappers.Response = http_util.Respond(request, content, kind, **more)
    return response


def _overview(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    return catalogue.to_json()


def _distributions(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    [tag] = arguments.all("tag")
    bins, clip = arguments.integer("bins", 60, 1, _MOST_BINS), arguments.share("clip", 0.999)
    return distributions_impl(source, catalogue, tag, bins, clip, arguments.text("contains", ""))


def _spread(source: Source, catalogue: Catalogue, arguments: Arguments) -> dict[str, Any]:
    tags, by = arguments.all("tag"), arguments.text("by", "")
    places, value = arguments.places("runs", len(catalogue.runs)), arguments.json("reference")
    if value is not None and not isinstance(value, Scalar):
        raise RefusedError(f"reference: expected a string, a number, a boolean or null, found {shorten(value)}.")
    reference = (value,) if "reference" in arguments.values else None
    return spread_impl(source, catalogue, tags, by, arguments.json("keep"), places, reference)
