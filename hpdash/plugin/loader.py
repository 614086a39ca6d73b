"""The module that TensorBoard imports for the tab.

TensorBoard does not catch errors of this import, so it must not raise any; and it has to be fast.
"""

from __future__ import annotations

from tensorboard.plugins import base_plugin
from tensorboard.util import tb_logging


class Loader(base_plugin.TBLoader):  # type: ignore[misc]  # tensorboard has no types
    """Load the tab if all its parts are present and intact; otherwise only write a line to TensorBoard's log."""

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the plugin, or None if it cannot be loaded; TensorBoard then starts without the tab."""
        try:
            from .plugin import WeightsPlugin  # noqa: PLC0415  raises here if a part is missing or broken

            return WeightsPlugin(context)
        except Exception as error:
            message = "hpdash: the Weights tab cannot be loaded: %s: %s"
            tb_logging.get_logger().warning(message, type(error).__name__, error)
            return None
