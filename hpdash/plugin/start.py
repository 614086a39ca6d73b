"""Start TensorBoard without TensorFlow: `python -m hpdash.plugin.start OPTIONS`, with the options of TensorBoard.

TensorFlow takes most of the time in which TensorBoard starts. Without it, TensorBoard reads logs on this machine all
the same, and has all its own tabs; it cannot read logs in a cloud bucket.
"""

from __future__ import annotations

import sys
import types
from contextlib import redirect_stderr
from io import StringIO


def main() -> None:
    """Start TensorBoard; does not return until it ends."""
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # TensorBoard's own switch
    from tensorboard import main, main_lib  # noqa: PLC0415  after the switch

    with redirect_stderr(StringIO()):  # it would say that TensorFlow is not installed
        main_lib.global_init()
    main_lib.global_init = lambda: None
    main.run_main()


if __name__ == "__main__":
    main()
