"""Tests of signal handling, with real signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hpdash.system.signals import WATCHED, Signals, Stopped, blocked_signals


@contextmanager
def handler(number: int, action: object) -> Iterator[None]:
    """Set a signal's handler temporarily."""
    before = signal.signal(number, action)  # type: ignore_signals[arg-type]
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("number", WATCHED, ids=lambda number: number.name)
def test_a_signal_is_counted_and_raises_nothing(number: signal.Signals) -> None:
    """A watched signal only increases the count; only `check` turns it into an exception."""
    with handler(number, signal.default_int_handler), Signals() as signals:
        signals.check()
        os.kill(os.getpid(), number)
        os.kill(os.getpid(), number)
        assert (signals.count, signals.last) == (2, number)
        with pytest.raises(Stopped):
            signals.check()


def test_handlers_come_back() -> None:
    """On exit every signal has its previous handler again."""
    with handler(signal.SIGTERM, signal.default_int_handler):
        with Signals():
            assert signal.getsignal(signal.SIGTERM) is not signal.default_int_handler
        assert signal.getsignal(signal.SIGTERM) is signal.default_int_handler


def test_what_is_ignored_stays_ignored() -> None:
    """A SIGHUP that is ignored, as under nohup, does not stop a sweep."""
    with handler(signal.SIGHUP, signal.SIG_IGN), Signals() as signals:
        os.kill(os.getpid(), signal.SIGHUP)
        assert signals.count == 0


def test_another_thread_counts_none() -> None:
    """Outside the main thread, where Python allows no signal handlers, `Signals` has no effect."""
    counts = []

    def enter() -> None:
        with Signals() as signals:
            counts.append(signals.count)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert counts == [0]


CHILD = """
import sys
from hpdash.system.signals import ignore_signals

ignore_signals()
print("ready", flush=True)
sys.stdin.read()
"""


def test_a_child_survives_signals_from_its_first_moment() -> None:
    """A process started while signals are held back survives signals, both while it starts and once it ignores them."""
    with blocked_signals():
        command = [sys.executable, "-c", CHILD]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    child.send_signal(signal.SIGINT)  # the interpreter is still starting
    assert child.stdout.readline() == "ready\n"
    child.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    assert child.poll() is None
    child.communicate(timeout=60)
    assert child.returncode == 0


def test_signals_held_back_arrive_afterwards() -> None:
    """The driver still receives a signal that arrives while signals are held back to start a process."""
    with handler(signal.SIGINT, signal.default_int_handler), Signals() as signals:
        with blocked_signals():
            os.kill(os.getpid(), signal.SIGINT)
        assert signals.count == 1
