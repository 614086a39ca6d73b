"""Decide whether XLA compiles a graph, from the operations in it and their shapes.

Measured times must not decide. XLA rounds differently from TensorFlow's own kernels, so a trial's weights are a
function of its settings and its seed only if the decision for a model is always the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from .layers import on_gpu

NODE_SECONDS = 1.5e-6  # for TensorFlow's executor to start a node's kernel: measured .3 to 3.4 microseconds
BACKWARD_NODES = 3  # approximate number of nodes in a training step for each node of the forward pass
FREE = {"Const", "Placeholder", "Identity", "NoOp", "While", "StatelessWhile"}  # nodes that start no kernel

REFUSALS = (
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.NotFoundError,
)  # errors by which XLA refuses a graph


@dataclass(frozen=True, slots=True)
class Compilation:
    """Whether XLA compiles a graph, and if not, the reason."""

    xla: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SlowOperation:
    """Operations that XLA runs more slowly on a CPU than TensorFlow's own kernels do.

    XLA loses `nanoseconds` per unit of work; `work` returns the units of an operation. In a training step, `predict`
    counts two of these operations for each forward operation of the type `gradient_of`.
    """

    name: str
    operations: tuple[str, ...]
    work: Callable[[Any], float]
    nanoseconds: float
    gradient_of: str = ""


def choose(mode: str, graphs: Iterable[Any]) -> Compilation:
    """Decide whether XLA compiles a pass, from its traced graphs and those of the loops in them.

    `mode` is the key `xla` of [train]: "auto", "always" or "never". With "auto", XLA compiles the graph unless its slow
    operations would take more time than it saves by not starting a kernel for each node. On a GPU, no operation
    counts as slow.
    """
    operations = [each for graph in graphs for each in operations_of(graph)]
    return _decide(mode, _lost(operations), sum(each.type not in FREE for each in operations))


def predict(mode: str, forward: Any, batch: int, training: bool) -> Compilation:
    """Predict what `choose` will decide, from the traced forward pass of one example.

    `batch` is the number of examples in a step; `training` adds the backward pass. Traces with and without XLA differ,
    because random numbers are drawn differently. So a pass is traced again if the prediction was wrong.
    """
    operations = list(operations_of(forward))
    lost = _lost(operations)
    nodes = sum(each.type not in FREE for each in operations)
    if training:
        nodes *= BACKWARD_NODES
        for slow in SLOW:
            found = [each for each in operations if each.type == slow.gradient_of]
            lost[slow.name] = lost.get(slow.name, 0.0) + 2 * sum(map(slow.work, found)) * slow.nanoseconds
    return _decide(mode, {name: nanoseconds * batch for name, nanoseconds in lost.items()}, nodes)


def operations_of(graph: Any, seen: set[str] | None = None) -> Iterator[Any]:
    """Yield the operations of a graph and of the functions that it calls, except functions whose name is in `seen`."""
    seen = set() if seen is None else seen
    yield from graph.get_operations()
    for name, function in graph._functions.items():
        inner = getattr(function, "graph", None)
        if name not in seen and inner is not None:
            seen.add(name)
            yield from operations_of(inner, seen)


def size(tensor: Any) -> float:
    """Return the number of values of a tensor, with each unknown dimension counted as 1; 1.0 if the rank is unknown."""
    return float(math.prod(length or 1 for length in tensor.shape)) if tensor.shape.rank is not None else 1.0


def is_compile_error(error: tf.errors.OpError) -> bool:
    """Return whether an error says that XLA cannot compile the graph, rather than that the model is wrong."""
    text = error.message
    return any(word in text for word in ("XLA", "compil", "Compil", "tf2xla", "unsupported", "compile-time constant"))


def first_line(error: tf.errors.OpError) -> str:
    """Return the first line of an error's message, or its type if it has none."""
    return str((error.message.strip().splitlines() or [type(error).__name__])[0][:200])


def _decide(mode: str, lost: dict[str, float], nodes: int) -> Compilation:
    if mode == "never":
        return Compilation(False, 'xla = "never"')
    if mode == "always" or on_gpu() or sum(lost.values()) * 1e-9 <= nodes * NODE_SECONDS:
        return Compilation(True)
    return Compilation(False, f"XLA is slow at {max(lost, key=lost.__getitem__)} on a CPU")


def _lost(operations: Iterable[Any]) -> dict[str, float]:
    """Return the nanoseconds that XLA loses in each kind of slow operation, by its name."""
    lost: dict[str, float] = {}
    for operation in operations:
        slow = _BY_OPERATION.get(operation.type)
        if slow and _is_used(operation):
            lost[slow.name] = lost.get(slow.name, 0.0) + slow.work(operation) * slow.nanoseconds
    return lost


def _is_used(operation: Any) -> bool:
    """Return whether a node reads one of the operation's outputs, or the graph returns one.

    An unused operation takes no time. An example is the gradient with respect to the model's inputs.
    """
    returned = {id(each) for each in getattr(operation.graph, "outputs", ())}
    return any(each.consumers() or id(each) in returned for each in operation.outputs)


def _filter_gradient_products(operation: Any) -> float:
    upstream, kernel = operation.inputs[2], operation.outputs[0]
    return size(upstream) * size(kernel) / (kernel.shape[-1] or 1)


def _input_gradient_products(operation: Any) -> float:
    kernel, upstream = operation.inputs[1], operation.inputs[2]
    return size(upstream) * size(kernel) / (kernel.shape[-1] or 1)


def _convolution_products(operation: Any) -> float:
    """Count the multiplications of a convolution or of one of its gradients."""
    if "BackpropFilter" in operation.type:
        return _filter_gradient_products(operation)
    if "BackpropInput" in operation.type:
        return _input_gradient_products(operation)
    kernel = operation.inputs[1]
    return size(operation.outputs[0]) * size(kernel) / (kernel.shape[-1] or 1)


def _depthwise_products(operation: Any) -> float:
    """Count the multiplications of a depthwise convolution [height, width, channels, multiplier] or of a gradient."""
    is_gradient = "Backprop" in operation.type
    kernel = operation.outputs[0] if "BackpropFilter" in operation.type else operation.inputs[1]
    values = operation.inputs[2] if is_gradient else operation.outputs[0]
    return size(values) * (kernel.shape[0] or 1) * (kernel.shape[1] or 1)


def _input_values(operation: Any) -> float:
    return size(operation.inputs[0])


def _output_values(operation: Any) -> float:
    return size(operation.outputs[0])


def _values_by_columns(operation: Any) -> float:
    """Return the number of values times the number of columns of matrices [..., n, n]."""
    matrix = operation.inputs[0]
    return size(matrix) * (matrix.shape[-1] or 1)


# The comments give times measured on one core, in ms: first under XLA, then in TensorFlow's kernels (oneDNN switched
# on). The batch is 64 unless they name another. Depending on the shape, XLA lost between a quarter of the nanoseconds
# given here and five times as many.
SLOW = (
    # 14x14x6 to 16 filters of 5x5: 4.1 and 1.2; 32x32x3 to 32 of 3x3: 8.7 and 2.4; 32x32x32 to 32: 23 and 15
    SlowOperation("convolutions", ("Conv2D",), _convolution_products, 0.05),
    # the same shapes: 67 and 4.0; 400 and 8.9; 6,104 and 64; a 1x1 filter at 16x16x64: 450 and 17;
    # Conv1D of 100x32: 174 and 8
    SlowOperation(
        "the gradients of convolutions",
        ("Conv2DBackpropInput", "Conv2DBackpropFilter"),
        _convolution_products,
        1.0,
        "Conv2D",
    ),
    # 16x16x64, 3x3: forward 81 and .8; gradients 3,558 and 3.2
    SlowOperation("depthwise convolutions", ("DepthwiseConv2dNative",), _depthwise_products, 8.0),
    SlowOperation(
        "the gradients of depthwise convolutions",
        ("DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter"),
        _depthwise_products,
        180.0,
        "DepthwiseConv2dNative",
    ),
    # batch 8, 12x12x12x8 to 16 filters of 3x3x3: forward 16 and 2.1; gradients 124 and 7.4
    SlowOperation("convolutions in three dimensions", ("Conv3D",), _convolution_products, 0.3),
    SlowOperation(
        "the gradients of convolutions in three dimensions",
        ("Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"),
        _convolution_products,
        1.2,
        "Conv3D",
    ),
    # 28x28x16, 2x2: 9.9 and 1.4; in one dimension, 100x32: .86 and .35
    SlowOperation("the gradient of max pooling", ("MaxPoolGrad",), _input_values, 5.0, "MaxPool"),
    # 1,000 numbers, the 5 largest: 11 and .5; all of them sorted: 11 and 4.3
    SlowOperation("sorting", ("TopKV2", "TopK"), _input_values, 150.0),
    # 14x14x16 to 28x28x16: forward 4.3 and .5; gradient 11 and 2.2
    SlowOperation("bilinear resizing", ("ResizeBilinear",), _output_values, 5.0),
    SlowOperation("the gradient of bilinear resizing", ("ResizeBilinearGrad",), _input_values, 11.0, "ResizeBilinear"),
    # 16 matrices of 32x32: Cholesky 1.1 and .2; inverse 1.1 and .3; 4 of them: singular values 24 and 1
    SlowOperation("matrix factorisations", ("Cholesky", "MatrixInverse", "MatrixDeterminant"), _values_by_columns, 1.8),
    SlowOperation("singular values", ("Svd",), _values_by_columns, 170.0),
)
_BY_OPERATION = {operation: slow for slow in SLOW for operation in slow.operations}
