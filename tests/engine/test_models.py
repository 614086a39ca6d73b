"""Tests of the built-in MLP: what each setting builds, and that its layers compute what Keras' layers compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import kstest, kurtosis

from hpdash.engine import models
from hpdash.engine.layers import MOST_TRANSPOSED, Dense, Maxout, Noise, Penalty, toggle_transposed
from hpdash.engine.optimizers import OPTIMIZERS, SGD
from hpdash.search import trials
from hpdash.spec import parse_sweep

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "maxout")


def build(seed: int = 0, train: dict[str, Any] | None = None, shape: tuple[int, ...] = (28, 28), **model: Any) -> Any:
    """Build the MLP of a [model] table."""
    content = {"data": {"name": "mnist"}, "model": model, "train": train or {}, "hparams": {"epochs": [1]}}
    (spec,) = trials(parse_sweep(content, name="mlp", folder=Path()))
    return models.build(spec.settings, Path(), shape, 10, seed)


def names(model: Any) -> list[str]:
    """Return the names of the layers."""
    return [layer.name for layer in model.layers]


def kernel(model: Any, layer: str) -> np.ndarray[Any, Any]:
    """Return a layer's kernel."""
    held = model.get_layer(layer).kernel
    return toggle_transposed(held, held.numpy())


@pytest.mark.parametrize("skips_input_gradient", [True, False])
@pytest.mark.parametrize("inputs", [100, 1 + MOST_TRANSPOSED // 70])
def test_the_dense_layer_computes_what_keras_computes(inputs: int, skips_input_gradient: bool) -> None:
    """The dense layer gives the outputs and gradients of Keras' layer.

    This holds with and without XLA, and whether the kernel is stored transposed or not.
    """
    random = np.random.default_rng(0)
    x = tf.constant(random.normal(size=(32, inputs)).astype(np.float32))
    ours, theirs = (
        Dense(70, bias_initializer="normal", skips_input_gradient=skips_input_gradient),
        keras.layers.Dense(70),
    )
    for layer in (ours, theirs):
        layer.build((None, inputs))
    assert ours.weights[0].is_transposed == (skips_input_gradient or inputs == 100)
    theirs.set_weights([toggle_transposed(variable, variable.numpy()) for variable in ours.weights])
    for jit in (False, True):

        def gradients(layer: Any, jit: bool = jit) -> Any:
            @tf.function(jit_compile=jit)
            def run(x: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    outputs = layer(x)
                    loss = tf.reduce_sum(tf.sin(outputs))
                return outputs, tape.gradient(loss, [x, *(v.value for v in layer.trainable_variables)])

            outputs, (x_gradient, *others) = run(x)
            pairs = zip(layer.trainable_variables, others, strict=True)
            return [outputs, x_gradient, *(toggle_transposed(variable, value.numpy()) for variable, value in pairs)]

        for one, other in zip(gradients(ours), gradients(theirs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["glorot_uniform", "he_normal", "orthogonal", "random_normal"])
def test_the_dense_layer_draws_what_keras_draws(name: str) -> None:
    """A seed gives the same kernel as in Keras' layer: fans are counted before the kernel is transposed."""
    initializer = type(keras.initializers.get(name))
    drawn = []
    for kind in (Dense, keras.layers.Dense):
        layer = kind(7, kernel_initializer=initializer(seed=3))
        layer.build((None, 5))
        drawn.append(toggle_transposed(layer.weights[0], layer.weights[0].numpy()))
    np.testing.assert_array_equal(*drawn)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_trains(activation: str) -> None:
    """Each activation of the sweep file builds a net in which every weight gets a gradient."""
    model = build(hidden=[8, 6], activation=activation)
    x, y = np.random.default_rng(0).random((4, 28, 28), np.float32), np.arange(4)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(x, y, model(x, training=True))
    gradients = tape.gradient(loss, [variable.value for variable in model.trainable_variables])
    assert all(gradient is not None for gradient in gradients)
    assert model.output_shape == (None, 10)


def test_maxout_takes_the_larger_of_two_pieces() -> None:
    """A maxout unit outputs the larger one of its two linear pieces."""
    np.testing.assert_array_equal(Maxout()(np.float32([[1, 5, -2, -3]])), [[5, -2]])
    assert kernel(build(hidden=[8], activation="maxout"), "hidden_1").shape == (784, 16)


def test_batch_normalisation_stands_where_it_is_told() -> None:
    """Batch normalisation is placed as set: before or after the activation, and on the input or not.

    The hidden layers keep their names.
    """
    assert names(build(hidden=[4], batchnorm="before"))[1:-1] == ["hidden_1", "batchnorm_1", "activation_1"]
    assert names(build(hidden=[4], batchnorm="after"))[1:-1] == ["hidden_1", "activation_1", "batchnorm_1"]
    assert names(build(hidden=[4]))[1:-1] == ["hidden_1", "activation_1"]
    assert names(build(hidden=[4], batchnorm_input=True))[1] == "batchnorm_input"


def test_batch_normalisation_adds_the_published_parameters() -> None:
    """For 784 inputs and 300 + 100 units, batch normalisation adds 4,736 parameters, 2,368 of them trainable."""
    plain, norm = build(hidden=[300, 100]), build(hidden=[300, 100], batchnorm="after", batchnorm_input=True)
    assert norm.count_params() - plain.count_params() == 4736
    counts = [sum(int(np.prod(v.shape)) for v in model.trainable_variables) for model in (norm, plain)]
    assert counts[0] - counts[1] == 2368


def test_initialisers_reach_the_layers_they_name() -> None:
    """The initializers of kernels, biases ("same" as the kernels) and output follow their settings."""
    wide = {"name": "random_normal", "stddev": 2.0}
    model = build(hidden=[400], kernel_initializer=wide, bias_initializer="same")
    hidden, output = model.get_layer("hidden_1"), model.get_layer("output")
    assert kernel(model, "hidden_1").std() == pytest.approx(2.0, rel=0.05)
    assert hidden.bias.value.numpy().std() == pytest.approx(2.0, rel=0.2)
    assert kernel(model, "output").std() < 0.2
    assert not output.bias.value.numpy().any()
    same = build(hidden=[40], kernel_initializer="ones", bias_initializer="ones", output_initializer="same")
    assert (kernel(same, "output") == 1).all()
    assert (same.get_layer("output").bias.value.numpy() == 1).all()


def test_penalties_dropout_and_noise_are_built() -> None:
    """l1 and l2 apply only to hidden kernels, dropout follows each hidden layer, and noise is added to the inputs."""
    model = build(hidden=[4, 4], l1=0.5, l2=0.25, dropout=0.3, noise=1.0)
    assert names(model)[1] == "noise"
    assert [name for name in names(model) if "dropout" in name] == ["dropout_1", "dropout_2"]
    first, second = kernel(model, "hidden_1"), kernel(model, "hidden_2")
    expected = sum(0.5 * np.abs(k).sum() + 0.25 * (k**2).sum() for k in (first, second))
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize(("l1", "l2"), [(0.5, 0.0), (0.0, 0.25), (0.5, 0.25)])
@pytest.mark.parametrize("shape", [(3,), (1024,), (50, 784), (61, 1023)])
def test_the_penalty_is_what_keras_computes(shape: tuple[int, ...], l1: float, l2: float, jit: bool) -> None:
    """The penalty has the value and gradient of Keras' L1L2, whatever the number of weights."""
    kernel = tf.constant(np.random.default_rng(0).normal(size=shape).astype(np.float32))

    @tf.function(jit_compile=jit)  # type: ignore[untyped-decorator]
    def evaluate(penalty: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(kernel)
            value = penalty(kernel) * 2.0
        return value, tape.gradient(value, kernel)

    (value, gradient), (expected, slope) = evaluate(Penalty(l1, l2)), evaluate(keras.regularizers.L1L2(l1, l2))
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    np.testing.assert_allclose(gradient, slope, rtol=1e-6)


@pytest.mark.parametrize("jit", [True, False])
def test_noise_is_normal(jit: bool) -> None:
    """In training, noise is normally distributed, follows the seed and changes with each call.

    Outside training nothing is added.
    """
    layer, again = Noise(0.5, seed=7), Noise(0.5, seed=7)
    zeros = tf.zeros((400, 500))
    draw = tf.function(lambda layer: layer(zeros, training=True), jit_compile=jit)
    first, second = draw(layer).numpy(), draw(layer).numpy()
    assert (draw(again).numpy() == first).all()
    for drawn in (first, second, (first + second) / np.sqrt(2)):
        assert kstest(drawn.ravel() / 0.5, "norm").pvalue > 1e-3
    assert kurtosis(first.ravel()) == pytest.approx(0.0, abs=0.05)
    assert (layer(zeros, training=False).numpy() == 0).all()


@pytest.mark.parametrize(
    ("train", "expected"),
    [
        ({"optimizer": "sgd", "learning_rate": 0.1, "momentum": 0.9, "nesterov": True}, {"momentum": 0.9}),
        ({"optimizer": "rmsprop", "rho": 0.8}, {"rho": 0.8, "learning_rate": 0.001}),
        ({"optimizer": "adam", "beta_1": 0.8, "clipnorm": 1.0}, {"beta_1": 0.8, "clipnorm": 1.0}),
        ({"optimizer": "adamw"}, {"weight_decay": 0.004, "beta_2": 0.999}),
    ],
    ids=lambda value: value.get("optimizer", ""),
)
def test_optimisers_get_their_arguments(train: dict[str, Any], expected: dict[str, float]) -> None:
    """Each optimizer is Keras' own, with the arguments of [train] and Keras' defaults for the rest."""
    optimizer = build(hidden=[4], train=train).optimizer
    for name, value in expected.items():
        assert float(getattr(optimizer, name)) == pytest.approx(value)


@pytest.mark.parametrize("jit", [True, False])
@pytest.mark.parametrize("arguments", [{}, {"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}], ids=str)
def test_sgd_is_keras_own_bit_for_bit(arguments: dict[str, Any], jit: bool) -> None:
    """After some steps the weights equal those of Keras' SGD bit for bit."""
    start = np.random.default_rng(0).normal(size=(30, 40)).astype(np.float32)

    def trained(optimizer: Any) -> np.ndarray[Any, Any]:
        weights = keras.Variable(start)
        optimizer.build([weights])
        step = tf.function(lambda: optimizer.apply([tf.sin(weights.value)], [weights]), jit_compile=jit)
        for _ in range(5):
            step()
        return np.asarray(weights.numpy())

    ours, theirs = trained(SGD(0.1, **arguments)), trained(keras.optimizers.SGD(0.1, **arguments))
    np.testing.assert_array_equal(ours, theirs)
    assert (ours != start).all()


def test_the_defaults_are_keras_own() -> None:
    """Every default of an optimizer's argument in the sweep file equals Keras' default."""
    for name, kind in OPTIMIZERS.items():
        ours, theirs = build(hidden=[4], train={"optimizer": name}).optimizer.get_config(), kind().get_config()
        shared = (ours.keys() & theirs.keys()) - {"name"}
        assert {key: ours[key] for key in shared} == pytest.approx({key: theirs[key] for key in shared})


def test_a_seed_gives_its_weights() -> None:
    """The same seed gives the same weights, whatever was built before; another seed gives others."""
    one = kernel(build(seed=1, hidden=[8]), "hidden_1")
    build(seed=5, hidden=[8])
    np.testing.assert_array_equal(one, kernel(build(seed=1, hidden=[8]), "hidden_1"))
    assert (one != kernel(build(seed=2, hidden=[8]), "hidden_1")).any()


@pytest.mark.parametrize("hidden", [[300, 100], pytest.param([50, 50, 50], marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize(
    "where",
    [{"batchnorm": "before"}, {"batchnorm_input": True}, pytest.param({"batchnorm": "after"}, marks=pytest.mark.slow)],
    ids=str,
)
def test_batch_normalisation_learns_what_keras_own_layer_learns(
    where: dict[str, Any], hidden: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After 5 steps weights and moving statistics equal those of Keras' layer within rounding.

    After 20 steps the rounding errors would be amplified.
    """
    random = np.random.default_rng(0)
    x, y = random.random((5, 32, 28, 28), np.float32), random.integers(0, 10, (5, 32))

    def trained() -> dict[str, np.ndarray[Any, Any]]:
        model = build(seed=1, hidden=hidden, train={"learning_rate": 0.01}, **where)
        step = tf.function(lambda x, y: model.train_step((x, y)), jit_compile=True, autograph=False)
        model.optimizer.build(model.trainable_variables)
        model.compute_metrics(x[0], y[0], model(x[0]))
        for batch in zip(x, y, strict=True):
            step(*map(tf.constant, batch))
        return {variable.path: toggle_transposed(variable, variable.numpy()) for variable in model.weights}

    ours = trained()
    monkeypatch.setattr(models, "BatchNormalization", keras.layers.BatchNormalization)
    monkeypatch.setattr(
        models, "Dense", lambda units, skips_input_gradient=False, norm=None, **rest: Dense(units, **rest)
    )
    theirs = trained()
    assert ours.keys() == theirs.keys()
    assert any("moving_variance" in path for path in ours)
    for path, value in ours.items():
        np.testing.assert_allclose(value, theirs[path], rtol=1e-3, atol=1e-5, err_msg=path)


def test_normalised_inputs_pass_their_gradients_through_the_first_kernel() -> None:
    """The gradients of gamma, beta and the kernel equal those that TensorFlow derives by itself."""
    model = build(seed=1, hidden=[7], batchnorm_input=True)
    norm, dense = model.get_layer("batchnorm_input"), model.get_layer("hidden_1")
    random = np.random.default_rng(0)
    norm.gamma.assign(random.normal(size=784))
    norm.beta.assign(random.normal(size=784))
    x, factor = tf.constant(random.random((32, 784), np.float32)), tf.constant(random.random((32, 7), np.float32))
    held = [norm.gamma.value, norm.beta.value, dense.weights[0].value]
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(factor * dense(norm(x, training=True)))
    ours = tape.gradient(loss, held)
    with tf.GradientTape() as tape:
        mean, variance = tf.nn.moments(x, [0])
        y = tf.nn.batch_normalization(x, mean, variance, norm.beta.value, norm.gamma.value, norm.epsilon)
        loss = tf.reduce_sum(factor * tf.matmul(y, dense.weights[0].value, transpose_b=True))
    for one, other in zip(ours, tape.gradient(loss, held), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)
