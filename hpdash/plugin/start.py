"""Start TensorBoard without TensorFlow: `python -m hpdash.plugin.start OPTIONS`, with the options of TensorBoard.

With `WITH_PARENT` as the first option, TensorBoard ends when its standard input is closed, which also happens when its
parent process dies.

TensorFlow takes most of the time in which TensorBoard starts. Without it, TensorBoard reads logs on this machine all
the same, and has all its own tabs; it cannot read logs in a cloud bucket.
"""

from __future__ import annotations

import os
import sys
import threading
import types
from contextlib import redirect_stderr
from io import StringIO

WITH_PARENT = "--with-parent"


def main() -> None:
    """Start TensorBoard; does not return until it ends."""
    if sys.argv[1:2] == [WITH_PARENT]:
        del sys.argv[1]
        threading.Thread(target=_end_with_input, daemon=True).start()
    sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")  # TensorBoard's own switch
    from tensorboard import main, main_lib  # noqa: PLC0415  after the switch

    with redirect_stderr(StringIO()):  # hides TensorBoard's message that TensorFlow is not installed
        main_lib.global_init()
    main_lib.global_init = lambda: None
    main.run_main()


def _end_with_input() -> None:
    while os.read(0, 1):  # not through sys.stdin, whose lock would keep Python from ending
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
