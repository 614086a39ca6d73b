"""What TensorBoard loads of the tab: it has no try around this import, so nothing here may fail or take time."""

from __future__ import annotations

from tensorboard.plugins import base_plugin
from tensorboard.util import tb_logging


class Loader(base_plugin.TBLoader):  # type: ignore[misc]  # tensorboard has no types
    """The tab where all of its pieces are here and whole, else nothing but a line in TensorBoard's log."""

    def load(self, context: base_plugin.TBContext) -> base_plugin.TBPlugin | None:
        """Return the plugin, or None where it cannot be had: TensorBoard starts without the tab then."""
        try:
            from .plugin import WeightsPlugin  # noqa: PLC0415  whatever is missing or broken is found out here

            return WeightsPlugin(context)
        except Exception as error:
            tb_logging.get_logger().warning("hpdash: no Weights tab: %s: %s", type(error).__name__, error)
            return None
