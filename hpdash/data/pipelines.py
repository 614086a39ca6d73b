"""Read `tf.data` pipelines and Keras' `PyDataset`s once, batch by batch, into files that are then mapped."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from ..nested import Nested, leaves, map_leaves
from .dataset import Array, data_error
from .mapped import MappedArray, writing

ORDER = ("train", "val", "test")  # the parts of a tuple of pipelines
TELL_SECONDS = 10.0  # between two messages about a pipeline that is being read
_SPARE = 1 << 30  # bytes of the disk that stay free
_AT_ONCE = 1024  # examples of an unbatched pipeline that are read at once
_DENSE = "Make them dense in the pipeline, for example with .to_tensor()."
_HINT = "As for Keras' fit: a pipeline yields batches of (x, y) or (x, y, sample_weight)."

Tell = Callable[[str], None]


def is_pipeline(value: Any) -> bool:
    """Return whether a value is a `tf.data.Dataset` or a `keras.utils.PyDataset`; imports neither."""
    return _is_instance(value, "tensorflow", "data.Dataset") or _is_instance(value, "keras", "utils.PyDataset")


def _is_instance(value: Any, module: str, path: str) -> bool:
    found: Any = sys.modules.get(module)
    for name in path.split(".") if found is not None else ():
        found = getattr(found, name)
    return found is not None and isinstance(value, found)


def read_pipelines(name: str, value: Any, folder: Path, tell: Tell = lambda _: None) -> dict[str, Nested]:
    """Read a pipeline, or a tuple of up to three (training, validation, test), into files in a folder.

    Returns the arrays by the names that `from_arrays` takes. Numbers are in the files, which are mapped; texts stay in
    memory. `tell` gets messages for the user: what has been read so far and, in the end, how much it was. Raises
    DataError if a pipeline does not end, is empty, has batches of different shapes, or is larger than the free part of
    the disk.
    """
    given = value if isinstance(value, tuple) else (value,)
    found: dict[str, Nested] = {}
    lengths, size = [], 0
    for part, pipeline in zip(ORDER, given, strict=False):
        if pipeline is None:
            continue
        with closing(_Reading(f"{name} ({part})", folder, tell)) as reading:
            for batch in _batches(f"{name} ({part})", pipeline):
                reading.append(batch)
            arrays = reading.arrays()
        suffix = {"train": ""}.get(part, f"_{part}")
        found |= dict(zip((f"x_{part}", f"y_{part}", f"sample_weight{suffix}"), arrays, strict=False))
        lengths.append(f"{reading.examples:,}")
        size += reading.size
    tell(
        f"{name}: read once, {' + '.join(lengths)} examples, {_shown(size)}; what the pipeline shuffles or augments at"
        " random is the same in every epoch"
    )
    return found


def _batches(name: str, pipeline: Any) -> Iterator[tuple[Nested, ...]]:
    """Yield each batch as a tuple (x, y) or (x, y, weight) of nested arrays.

    Raises DataError if the pipeline says that it does not end.
    """
    if _is_instance(pipeline, "keras", "utils.PyDataset"):
        if pipeline.num_batches is None:
            raise data_error(
                name,
                "a PyDataset with a number of batches",
                "an endless one",
                "Return the number of batches from __len__.",
            )
        yield from (_as_tuple(name, pipeline[index]) for index in range(pipeline.num_batches))
        return
    if not is_pipeline(pipeline):
        raise data_error(name, "a tf.data.Dataset or a PyDataset", type(pipeline).__name__)
    if int(pipeline.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        hint = "Leave out repeat(): hpdash reads the data once, and shuffles them in every epoch."
        raise data_error(name, "a pipeline that ends", "an endless one", hint)
    element = _as_tuple(name, pipeline.element_spec)
    for path, spec in leaves(element):
        if type(spec).__name__ != "TensorSpec":
            raise data_error(f"{name}/{path}", "dense tensors", type(spec).__name__, _DENSE)
    if any(spec.shape.rank == 0 for _, spec in leaves(element[1])):  # single examples
        pipeline = pipeline.batch(_AT_ONCE)
    for batch in pipeline.as_numpy_iterator():
        yield _as_tuple(name, batch)


def _as_tuple(name: str, element: Any) -> tuple[Nested, ...]:
    if isinstance(element, tuple | list) and len(element) in (2, 3):
        return tuple(element) if len(element) == 2 or element[2] is not None else tuple(element[:2])
    count = f" of {len(element)}" if isinstance(element, tuple | list) else ""
    raise data_error(name, "batches of (x, y) or (x, y, sample_weight)", f"a {type(element).__name__}{count}", _HINT)


class _Reading:
    """The batches of one pipeline: each array of numbers is appended to a file of its own, texts to a list."""

    def __init__(self, name: str, folder: Path, tell: Tell) -> None:
        self._name, self._folder, self._tell = name, folder, tell
        self._parts: tuple[Nested, ...] = ()
        self._told = time.monotonic()
        self.examples = 0

    @property
    def size(self) -> int:
        """The bytes read so far."""
        return sum(column.size for _, column in leaves(self._parts))

    def append(self, batch: tuple[Nested, ...]) -> None:
        """Append a batch; raises DataError if it does not fit the batches before it."""
        if not self._parts:
            self._parts = tuple(map_leaves(self._column, part) for part in batch)
        columns = dict(leaves(self._parts))
        arrays = dict(leaves(batch))
        if list(columns) != list(arrays):
            raise data_error(self._name, "batches of the same structure", ", ".join(arrays))
        counts = {len(array) if np.ndim(array) else 0 for array in map(np.asarray, arrays.values())}
        if len(counts) > 1 or 0 in counts:
            found = ", ".join(str(np.shape(array)) for array in arrays.values())
            expected = "batches of at least one example, with the same number of examples in each array"
            raise data_error(self._name, expected, f"arrays of the shapes {found}", _HINT)
        for path, array in arrays.items():
            columns[path].append(array)
        self.examples += counts.pop()
        self._check_room()

    def arrays(self) -> tuple[Nested, ...]:
        """Return the arrays that have been read; those of numbers are mapped."""
        if not self.examples:
            raise data_error(self._name, "at least one example", "none")
        return tuple(map_leaves(lambda column: column.array(), part) for part in self._parts)

    def close(self) -> None:
        """Close the files."""
        for _, column in leaves(self._parts):
            column.close()

    def _column(self, array: Any) -> _Column:
        kind = _numbers_or_texts(array).dtype.kind
        return _Texts(self._name) if kind in "OSU" else _Numbers(self._name, self._folder)

    def _check_room(self) -> None:
        """Raise DataError if the disk is almost full; also tell the user now and then how much has been read."""
        if time.monotonic() - self._told > TELL_SECONDS:
            self._told = time.monotonic()
            self._tell(f"{self._name}: reading the pipeline, {self.examples:,} examples so far, {_shown(self.size)}")
        free = shutil.disk_usage(self._folder).free
        if free < _SPARE:
            found = f"{_shown(self.size)} so far, and {_shown(free)} left on the disk of {self._folder}"
            hint = "For an endless pipeline, leave out repeat(). Otherwise set $HPDASH_DATA to a folder with more room."
            raise data_error(self._name, "a pipeline that ends and fits on the disk", found, hint)


class _Column:
    """One array of a pipeline, to which batches are appended."""

    size = 0

    def append(self, batch: Any) -> None:
        """Append a batch [b, ...]."""
        raise NotImplementedError

    def array(self) -> Array:
        """Return the whole array [n, ...]."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file, if there is one."""


class _Numbers(_Column):
    def __init__(self, name: str, folder: Path) -> None:
        self._name, self._path = name, folder / f"column-{len(list(folder.iterdir()))}"
        with writing(self._path):
            self._file = self._path.open("wb")
        self._form: tuple[np.dtype[Any], tuple[int, ...]] | None = None
        self._rows = 0

    def append(self, batch: Any) -> None:
        array = np.ascontiguousarray(_numbers_or_texts(batch))
        form = array.dtype, array.shape[1:]
        self._form = self._form or form
        if form != self._form:
            expected = f"examples of shape {self._form[1]} and type {self._form[0]}, as in the first batch"
            hint = "Pad or crop the examples to one shape, for example with padded_batch."
            raise data_error(self._name, expected, f"{form[1]}, {form[0]}", hint)
        with writing(self._path):
            self._file.write(array.data)
        self._rows += len(array)
        self.size += array.nbytes

    def array(self) -> Array:
        assert self._form is not None
        with writing(self._path):
            self._file.flush()
        return MappedArray(self._path, 0, self._form[0].str, (self._rows, *self._form[1])).open()

    def close(self) -> None:
        self._file.close()


def _numbers_or_texts(batch: Any) -> Array:
    """Return a batch as an array of numbers that NumPy can write, or of texts.

    An array of Python objects gets the type that NumPy has for them. NumPy has no type of its own for TensorFlow's
    small floats, such as bfloat16: they become float32, which has all their values.
    """
    array = np.asarray(batch)
    if array.dtype.kind == "O":
        return np.array(array.tolist())
    return array.astype(np.float32) if array.dtype.kind == "V" and array.dtype.names is None else array


class _Texts(_Column):
    def __init__(self, name: str) -> None:
        self._name = name
        self._found: list[str] = []

    def append(self, batch: Any) -> None:
        array = np.asarray(batch)
        if array.size != len(array):
            raise data_error(self._name, "numbers, or one text per example", f"texts of shape {array.shape[1:]}")
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in array.reshape(-1)]
        self._found += texts
        self.size += sum(map(len, texts))

    def array(self) -> Array:
        return np.array(self._found)


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
