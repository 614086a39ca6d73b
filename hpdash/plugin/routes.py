"""What the routes of all tabs have in common: errors become JSON sentences, and the files of the page are served."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from tensorboard.backend import http_util
from tensorboard.util import tb_logging
from werkzeug import wrappers

from .arguments import RefusedError, shorten
from .assets import assets, content_type, version
from .source import UNAVAILABLE

_YEAR = 365 * 24 * 3600  # seconds


def guarded(method: Callable[[Any, wrappers.Request], wrappers.Response]) -> Any:
    """Make a WSGI application of a method that answers GET requests; refusals and errors are answered as JSON."""

    @wrappers.Request.application  # type: ignore[arg-type]  # it takes methods too, which its type does not say
    @wraps(method)
    def serve(self: Any, request: wrappers.Request) -> wrappers.Response:
        try:
            if request.method != "GET":
                raise RefusedError(f"Only GET requests are answered, not {shorten(request.method)}.", 405)
            return method(self, request)
        except RefusedError as refused:
            return _refusal(request, str(refused), refused.status)
        except UNAVAILABLE as error:
            sentence = f"TensorBoard could not read its data: {shorten(str(error))}. Reload the page."
            return _refusal(request, sentence, 503)
        except Exception as error:
            tb_logging.get_logger().exception("hpdash could not answer %s", request.path)
            text = shorten(f"{type(error).__name__}: {error}")
            return _refusal(request, f"The request failed: {text}. TensorBoard's log has the traceback.", 503)

    return serve


def _refusal(request: wrappers.Request, sentence: str, status: int) -> wrappers.Response:
    headers = [("Allow", "GET")] if status == 405 else []
    return respond(request, {"error": sentence}, "application/json", code=status, headers=headers)


def respond(request: wrappers.Request, content: object, kind: str, **more: Any) -> wrappers.Response:
    """Return a response; `more` are further arguments of TensorBoard's `Respond`."""
    response: wrappers.Response = http_util.Respond(request, content, kind, **more)
    return response


class AssetRoute:
    """The route of the files of a tab's page; all other paths are answered with 404.

    A browser may keep a file whose address contains the version, because another version has another address.
    """

    def __init__(self, plugin: str) -> None:
        self._plugin, self._assets = plugin, assets()

    @guarded
    def __call__(self, request: wrappers.Request) -> wrappers.Response:
        """Respond with a file of the page."""
        asked = request.path.rpartition(f"/{self._plugin}/")[2]
        name = asked.removeprefix(f"{version()}/")
        if name not in self._assets:
            raise RefusedError(f"The tab has no file or route {shorten(asked)}.", 404)
        seconds = _YEAR if name != asked else 0
        return respond(request, self._assets[name].read_bytes(), content_type(name), expires=seconds)
