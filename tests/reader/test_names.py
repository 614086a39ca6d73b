"""Tests of what is read from run names: labels, and hyperparameters if none were logged."""

from __future__ import annotations

import pytest

from hpdash.reader.names import hyperparameters, labels


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param([], [], id="none"),
        pytest.param(["fit/train"], ["train"], id="one"),
        pytest.param(["."], ["."], id="the-logdir-itself"),
        pytest.param(["mnist/0003-a=1", "mnist/0010-a=2"], ["0003", "0010"], id="trials-of-one-sweep"),
        pytest.param(["a/0003-x=1", "b/0003-x=1"], ["a", "b"], id="what-differs"),
        pytest.param(["a/0003-x=1", "b/0004-x=1"], ["a/0003", "b/0004"], id="trials-of-two-sweeps"),
        pytest.param(["0003-x=1", "0003-x=2"], ["0003-x=1", "0003-x=2"], id="numbers-that-repeat"),
        pytest.param(["fit/relu/train", "fit/elu/train"], ["relu", "elu"], id="between-what-is-shared"),
        pytest.param(["x", "x/y"], ["x", "x/y"], id="one-inside-the-other"),
        pytest.param(["a/a", "a/a/a"], ["a", "a/a"], id="repeated-parts"),
        pytest.param(["", "/"], ["", "/"], id="empty"),
        pytest.param(["Run", "run"], ["Run", "run"], id="case"),
    ],
)
def test_labels(runs: list[str], expected: list[str]) -> None:
    """A label is the shortest name that distinguishes a run from the others."""
    assert labels(runs) == expected


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        pytest.param(
            ["s/0001-activation=elu,batchnorm=before", "s/0002-activation=relu,x=a%2Fb"],
            [{"activation": "elu", "batchnorm": "before"}, {"activation": "relu", "x": "a/b"}],
            id="hpdash",
        ),
        pytest.param(
            ["fit/batchnorm=before,act=relu/train", "fit/batchnorm=none,act=elu/train"],
            [{"batchnorm": "before", "act": "relu"}, {"batchnorm": "none", "act": "elu"}],
            id="pairs-in-the-path",
        ),
        pytest.param(["lr=1e-3-bs=32", "lr=.1-bs=64"], [{"lr": 0.001, "bs": 32}, {"lr": 0.1, "bs": 64}], id="dashes"),
        pytest.param(["a=1/b=true", "a=2/b=False"], [{"a": 1, "b": True}, {"a": 2, "b": False}], id="one-a-folder"),
        pytest.param(
            ["fit/act-relu-init-zero/train", "fit/act-elu-init-0.5/train"],
            [{"act": "relu", "init": "zero"}, {"act": "elu", "init": 0.5}],
            id="words-in-turn",
        ),
        pytest.param(["lr-1e-3", "lr-1e-2"], [{"lr": 0.001}, {"lr": 0.01}], id="a-number-with-a-dash"),
        pytest.param(["x=1=2", "x=nan"], [{"x": "1=2"}, {"x": "nan"}], id="odd-values"),
        pytest.param([f"x={'9' * 40}", "x=1e999"], [{"x": "9" * 40}, {"x": "1e999"}], id="numbers-too-long"),
        pytest.param(["a=1", "baseline"], None, id="one-without"),
        pytest.param(["act-relu", "init-zero"], None, id="words-with-other-keys"),
        pytest.param(["act-relu", "act-relu-init-zero"], None, id="words-of-other-number"),
        pytest.param(["run-1-b", "run-2-b"], None, id="an-odd-word"),
        pytest.param(["20240101-120000", "20240101-130000"], None, id="dates"),
        pytest.param(["a-b-a-c", "a-d-a-e"], None, id="a-key-twice"),
        pytest.param(["act-relu"], None, id="words-of-one-run"),
        pytest.param(["=1", "=2"], None, id="no-key"),
        pytest.param(["../x", "/etc"], None, id="no-pairs"),
    ],
)
def test_hyperparameters(runs: list[str], expected: list[dict[str, object]] | None) -> None:
    """Hyperparameters are read from run names only if all names have the same form; numbers are converted."""
    found = hyperparameters(runs)
    assert found == expected
    if found and expected:
        assert [list(map(type, pairs.values())) for pairs in found] == [
            list(map(type, pairs.values())) for pairs in expected
        ]
