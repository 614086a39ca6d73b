"""Tests of aligned tags: automatic layer names are renumbered in every run, but only if that makes runs share tags."""

from __future__ import annotations

import pytest

from hpdash.analysis.tags import aligned


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param(
            [["sequential/hidden_1/kernel"], ["sequential_1/hidden_1/kernel"]],
            [{"sequential/hidden_1/kernel": "sequential/hidden_1/kernel"},
             {"sequential/hidden_1/kernel": "sequential_1/hidden_1/kernel"}],
            id="models",
        ),
        pytest.param(
            [["dense/kernel", "dense_1/kernel"], ["dense_10/kernel", "dense_9/kernel"]],
            [{"dense/kernel": "dense/kernel", "dense_1/kernel": "dense_1/kernel"},
             {"dense/kernel": "dense_9/kernel", "dense_1/kernel": "dense_10/kernel"}],
            id="layers-by-number",
        ),
        pytest.param(
            [["model/conv2d/kernel", "model/dense/bias"], ["model_1/conv2d_3/kernel", "model_1/dense_7/bias"]],
            [{"model/conv2d/kernel": "model/conv2d/kernel", "model/dense/bias": "model/dense/bias"},
             {"model/conv2d/kernel": "model_1/conv2d_3/kernel", "model/dense/bias": "model_1/dense_7/bias"}],
            id="both",
        ),
        pytest.param([["hidden_1/kernel"], ["hidden_2/kernel"]], [{"hidden_1/kernel": "hidden_1/kernel"},
                     {"hidden_2/kernel": "hidden_2/kernel"}], id="named-by-somebody"),
        pytest.param(
            [["dense_1/kernel", "dense_2/kernel"]] * 2,
            [{"dense_1/kernel": "dense_1/kernel", "dense_2/kernel": "dense_2/kernel"}] * 2,
            id="shared-already",
        ),
        pytest.param([["dense_4/kernel"]], [{"dense_4/kernel": "dense_4/kernel"}], id="one-run"),
        pytest.param([["a//dense/", "/"], []], [{"a//dense/": "a//dense/", "/": "/"}, {}], id="odd"),
    ],
)  # fmt: skip
def test_automatic_names_count_anew(tags: list[list[str]], expected: list[dict[str, str]]) -> None:
    """Runs with unnamed layers share tags; every tag is present exactly once, and explicit names are unchanged."""
    assert aligned(tags) == expected
