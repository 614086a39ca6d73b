"""Tests of the queue, which decides which trial a worker gets next."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpdash.backends.base import Queue, Task
from hpdash.goal import Goal
from hpdash.records import TrialSpec

WORKERS = 3
work = st.tuples(st.sampled_from("abcde"), st.sampled_from([0.1, 0.2, 0.7]))


def task(place: int, graph: str, seconds: float) -> Task:
    """Make a task for a trial of a graph."""
    settings = {"data": {"name": graph}, "model": {"builder": "mlp"}, "train": {}}
    return Task(TrialSpec(place, place, 0, {}, settings, "loss", Goal.MIN), 1, Path(), "", seconds)


def expected(waiting: list[Task], compiled: set[str], claimed: set[str]) -> Task:
    """Return the task that comes next according to the docstring of the queue."""
    keys = {task.spec.graph_key for task in waiting}
    among = (keys & compiled) or (keys - claimed) or keys
    left = {key: sum(round(task.seconds * 10) for task in waiting if task.spec.graph_key == key) for key in among}
    most = [key for key in among if left[key] == max(left.values())]
    return next(task for task in waiting if task.spec.graph_key in most)


@given(st.lists(work, max_size=20), st.lists(st.integers(0, WORKERS - 1), min_size=20, max_size=20))
def test_trials_of_a_graph_go_to_the_worker_that_has_it(works: list[tuple[str, float]], turns: list[int]) -> None:
    """A worker gets a trial of a graph that it has compiled, otherwise of a graph that no worker has, otherwise of any.

    Among these graphs, the one with the most remaining work comes first.
    """
    waiting = [task(place, *each) for place, each in enumerate(works)]
    queue = Queue(waiting)
    compiled: list[set[str]] = [set() for _ in range(WORKERS)]
    for worker in turns[: len(works)]:
        assert len(queue) == len(waiting)
        taken = queue.take(compiled[worker])
        assert taken is expected(waiting, compiled[worker], set().union(*compiled))
        waiting.remove(taken)
        compiled[worker].add(taken.spec.graph_key)
    assert (len(queue), queue.take(set())) == (0, None)


def test_a_trial_that_is_tried_again_comes_last() -> None:
    """A task that is put back comes after the others of its graph, even if the queue had none left of that graph."""
    first, second = task(0, "a", 1.0), task(1, "a", 1.0)
    queue = Queue([first, second])
    assert queue.take(set()) is first
    queue.put(first)
    assert [queue.take(set()), queue.take(set()), queue.take(set())] == [second, first, None]
    queue.put(second)
    assert (len(queue), queue.take(set())) == (1, second)


@pytest.mark.parametrize("graphs", [1, 20_000], ids=["one graph", "each its own"])
def test_a_trial_costs_the_same_among_many(graphs: int) -> None:
    """With 20,000 trials in the queue, handing out each of them takes well under a millisecond."""
    queue = Queue([task(place, str(place % graphs), 1.0) for place in range(20_000)])
    begin = time.perf_counter()
    while queue.take(set()) is not None:
        pass
    assert time.perf_counter() - begin < 10
