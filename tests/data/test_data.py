"""Tests of data sets: loading, validation, splits, scaling and downloads."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib import format as npy

from hpdash import data
from hpdash.data import Dataset, fetch, scaling, split
from hpdash.data.archives import ARCHIVES, Archive, read_archive
from hpdash.data.arrays import NAMES, from_arrays
from hpdash.data.npz import kinds
from hpdash.data.zipped import ALIGNMENT
from hpdash.errors import DataError
from hpdash.facts import WHOLE

Arrays = dict[str, np.ndarray[Any, np.dtype[Any]]]


def made(train: int = 6, test: int = 4, shape: tuple[int, ...] = (2, 2)) -> tuple[Archive, Arrays]:
    """Return an archive's record and four arrays that match it."""
    rng = np.random.default_rng(1)
    shapes = ((train, *shape), (train,), (test, *shape), (test,))
    arrays = {name: rng.integers(10, size=size, dtype=np.uint8) for name, size in zip(NAMES, shapes, strict=True)}
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest()
    return Archive("tiny", "made for tests", "none", train, test, shape, 1000, digest), arrays


TINY, GOOD = made()


def npy_bytes(shape: tuple[int, ...], descr: str, payload: bytes) -> bytes:
    """Return a `.npy` file with any header, also one that does not match the data."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + payload


def zip_bytes(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of `.npy` members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as bundle:
        for name, content in members.items():
            bundle.writestr(f"{name}.npy", content)
    return file.getvalue()


def savez_bytes(arrays: Mapping[str, Any], save: Callable[..., None] = np.savez) -> bytes:
    """Return the bytes that `numpy.savez` writes."""
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


HUGE = npy_bytes((1 << 40, 2, 2), "|u1", b"few")

# --- archives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed], ids=["stored", "deflated"])
@pytest.mark.parametrize("labels", [(-1,), (-1, 1)], ids=["N", "Nx1"])
def test_a_sound_archive_is_read_as_it_is(tmp_path: Path, save: Callable[..., None], labels: tuple[int, ...]) -> None:
    """A valid archive is loaded unchanged: images byte for byte as uint8, labels as a flat int32 array."""
    path = tmp_path / "tiny.npz"
    path.write_bytes(savez_bytes(GOOD | {"y_train": GOOD["y_train"].reshape(labels)}, save))
    dataset = read_archive(TINY, path)
    for name in NAMES:
        assert np.array_equal(getattr(dataset, name), GOOD[name])
    assert dataset.x_train.dtype == np.uint8
    assert dataset.y_train.dtype == np.int32
    assert (dataset.maximum, dataset.classes, dataset.is_images) == (255, 10, True)


def test_column_major_arrays_are_read_right(tmp_path: Path) -> None:
    """An array saved in Fortran order is loaded with equal values, in C order."""
    path = tmp_path / "tiny.npz"
    path.write_bytes(savez_bytes(GOOD | {"x_train": np.asfortranarray(GOOD["x_train"])}))
    read = read_archive(TINY, path).x_train
    assert np.array_equal(read, GOOD["x_train"])
    assert read.flags.c_contiguous


@pytest.mark.parametrize(
    ("content", "found"),
    [
        pytest.param(savez_bytes(GOOD)[:-30], "BadZipFile", id="truncated"),
        pytest.param(b"not a zip file", "not a zip file", id="not a zip"),
        pytest.param(b"", "not a zip file", id="empty"),
        pytest.param(
            savez_bytes(GOOD | {"x_train": GOOD["x_train"].astype("f4")}),
            "found float32 of shape (6, 2, 2)",
            id="dtype",
        ),
        pytest.param(savez_bytes(GOOD | {"x_test": GOOD["x_test"][1:]}), "uint8 of shape (4, 2, 2)", id="shape"),
        pytest.param(savez_bytes(GOOD | {"y_test": GOOD["y_test"] + 9}), "labels from 0 to 9", id="labels"),
        pytest.param(savez_bytes({name: GOOD[name] for name in NAMES[:3]}), "found no y_test", id="missing member"),
        pytest.param(savez_bytes(GOOD | {"x_train": np.array([print], object)}), "never loaded", id="pickled member"),
        pytest.param(zip_bytes({"x_train": HUGE}), f"shape ({1 << 40}, 2, 2)", id="huge header"),
        pytest.param(zip_bytes({"x_train": npy_bytes((6, 2, 2), "|u1", b"few")}), "24 bytes", id="short member"),
        pytest.param(zip_bytes({"x_train": b"\x93NUMPY\x01\x00\x05\x00((((("}), "valid .npz", id="bad header"),
        pytest.param(zip_bytes({"x_train": b"text"}), "valid .npz", id="not npy"),
    ],
)
def test_a_bad_archive_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    """A damaged or hostile archive raises a DataError that names the file, the fault and the remedy."""
    path = tmp_path / "tiny.npz"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_archive(TINY, path)
    for part in (str(path), found, "hpdash data get tiny", "np.savez("):
        assert part in str(caught.value)


@given(at=st.integers(0, 10_000), flip=st.integers(1, 255), cut=st.booleans())
def test_damage_anywhere_is_an_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, at: int, flip: int, cut: bool
) -> None:
    """An archive changed or truncated anywhere raises a DataError, unless the loaded arrays are still the same."""
    content = bytearray(savez_bytes(GOOD))
    at %= len(content)
    content[at] ^= flip
    path = tmp_path_factory.mktemp("damage") / "tiny.npz"
    path.write_bytes(content[:at] if cut else content)
    try:
        dataset = read_archive(TINY, path)
    except DataError:
        return
    assert not cut
    assert all(np.array_equal(getattr(dataset, name), GOOD[name]) for name in NAMES)


def test_an_archive_is_held_once_and_aligned(tmp_path: Path) -> None:
    """Loading takes little more memory than one copy of the images; they are aligned to 64 bytes."""
    archive, arrays = made(20_000, 2_000, (28, 28))
    path = tmp_path / "tiny.npz"
    np.savez(path, **arrays)  # type: ignore[arg-type]
    size = sum(array.nbytes for array in arrays.values())
    tracemalloc.start()
    dataset = read_archive(archive, path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert dataset.x_test is not None
    assert [x.ctypes.data % ALIGNMENT for x in (dataset.x_train, dataset.x_test)] == [0, 0]
    assert size < peak < 1.25 * size
    assert np.array_equal(dataset.x_train, arrays["x_train"])


def test_a_promise_too_large_allocates_nothing(tmp_path: Path) -> None:
    """A user's file whose header claims a terabyte is refused before any memory is allocated."""
    (tmp_path / "own.npz").write_bytes(zip_bytes({"x": HUGE, "y": HUGE}))
    tracemalloc.start()
    with pytest.raises(DataError, match=f"{4 << 40:,} bytes"):
        data.load({"name": "own.npz"}, tmp_path)
    assert tracemalloc.get_traced_memory()[1] < 5e6
    tracemalloc.stop()


@pytest.mark.parametrize("name", ARCHIVES)
def test_the_real_archives_are_as_published(name: str) -> None:
    """The data sets in the data folder load, and their arrays have the digest in the table."""
    if not data.is_here(name):
        pytest.skip(f"{name} is not in the data folder")
    dataset = data.load({"name": name}, Path())
    digest = hashlib.sha256(dataset.x_train.data)
    for array in (dataset.y_train.astype(np.uint8), dataset.x_test, dataset.y_test.astype(np.uint8)):  # type: ignore[union-attr]
        assert array is not None
        digest.update(array.data)
    assert digest.hexdigest() == ARCHIVES[name].sha256


def test_a_missing_archive_says_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for a missing archive says where hpdash looked, how to get or place it, and what runs without it."""
    monkeypatch.setenv("HPDASH_DATA", str(tmp_path))
    assert data.needs_fetch({"name": "mnist"})
    with pytest.raises(DataError) as caught:
        data.load({"name": "mnist"}, tmp_path)
    expected = (str(tmp_path / "mnist.npz"), "$HPDASH_DATA", "hpdash data get mnist", "np.savez(", "60000 x 28 x 28")
    for part in (*expected, "hpdash sweep sweeps/quickstart.toml"):
        assert part in str(caught.value)
    assert caught.value.exit_code == 4


def test_the_data_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    """$HPDASH_DATA sets the data folder unless the variable is empty."""
    monkeypatch.setenv("HPDASH_DATA", "elsewhere")
    assert data.data_folder() == Path("elsewhere")
    monkeypatch.setenv("HPDASH_DATA", "")
    assert data.data_folder() == Path.home() / ".cache" / "hpdash" / "data"


# --- fetching -------------------------------------------------------------------------------------------------------


def pairs_of(arrays: Arrays) -> fetch.Pairs:
    """Return the arrays in the form that keras.datasets returns."""
    return (arrays["x_train"], arrays["y_train"]), (arrays["x_test"], arrays["y_test"])


def slow_loader(name: str, scratch: Path) -> fetch.Loader:
    """Replace the Keras loader: record the call, write some bytes and take a while."""

    def load() -> fetch.Pairs:
        with (scratch.parent / "calls").open("a") as calls:
            calls.write("called\n")
        for step in range(1, 6):
            (scratch / "download").write_bytes(bytes(300 * step))
            sleep(0.1)
        return pairs_of(GOOD)

    return load


def fetch_tiny(folder: Path) -> None:
    """Fetch the made-up archive in a child process."""
    fetch.fetch_archive(TINY, folder, slow_loader, lambda done, total: None)


def test_two_processes_fetch_once(tmp_path: Path) -> None:
    """If two processes fetch one archive at the same time, only one downloads it, and no other file is left."""
    context = multiprocessing.get_context("spawn")
    children = [context.Process(target=fetch_tiny, args=(tmp_path,)) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(60)
    assert [child.exitcode for child in children] == [0, 0]
    assert (tmp_path / "calls").read_text() == "called\n"
    assert {path.name for path in tmp_path.iterdir()} <= {"calls", "tiny.npz", ".tiny.lock"}
    assert np.array_equal(read_archive(TINY, tmp_path / "tiny.npz").x_train, GOOD["x_train"])


def test_progress_counts_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress reports the bytes so far; the count never falls and never exceeds the total."""
    monkeypatch.setattr(fetch, "TICK", 0.02)
    seen: list[tuple[int, int | None]] = []
    fetch.fetch_archive(TINY, tmp_path, slow_loader, lambda done, total: seen.append((done, total)))
    sizes = [done for done, _ in seen]
    assert {total for _, total in seen} == {1000}
    assert sizes == sorted(sizes)
    assert sizes[-1] == 1000


def failing_loader(error: Exception, name: str, scratch: Path) -> fetch.Loader:
    """Replace the Keras loader with one that has no network."""

    def load() -> fetch.Pairs:
        raise error

    return load


def test_no_network_is_one_clear_error(tmp_path: Path) -> None:
    """A failed download says why it failed, where hpdash looked and what to do, and leaves no partial file."""
    loader = partial(failing_loader, Exception("URL fetch failure"))
    with pytest.raises(DataError) as caught:
        fetch.fetch_archive(TINY, tmp_path, loader, lambda done, total: None)
    expected = ("URL fetch failure", str(tmp_path / "tiny.npz"), "HPDASH_DATA", "np.savez(", "sweeps/quickstart.toml")
    for part in expected:
        assert part in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} <= {".tiny.lock"}


def test_a_silent_network_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A download that receives no byte for a while is aborted, even though its socket would still wait."""
    monkeypatch.setattr(fetch, "TICK", 0.02)
    monkeypatch.setattr(fetch, "PATIENCE", 0.2)
    released = threading.Event()

    def loader(name: str, scratch: Path) -> fetch.Loader:
        def load() -> fetch.Pairs:
            released.wait(60)
            return pairs_of(GOOD)

        return load

    start = monotonic()
    with pytest.raises(DataError, match="no data received"):
        fetch.fetch_archive(TINY, tmp_path, loader, lambda done, total: None)
    released.set()
    assert monotonic() - start < 10


@pytest.mark.parametrize(
    "arrays",
    [
        pytest.param(GOOD | {"x_train": GOOD["x_train"] ^ 1}, id="changed"),
        pytest.param(GOOD | {"x_train": GOOD["x_train"][:-1]}, id="short"),
    ],
)
def test_what_was_not_published_is_not_kept(tmp_path: Path, arrays: Arrays) -> None:
    """Fetched arrays with the wrong digest raise a DataError, and no archive is kept."""
    with pytest.raises(DataError, match="SHA-256"):
        fetch.fetch_archive(TINY, tmp_path, lambda name, scratch: lambda: pairs_of(arrays), lambda done, total: None)
    assert not (tmp_path / "tiny.npz").exists()


def test_a_damaged_archive_is_not_fetched_over(tmp_path: Path) -> None:
    """A damaged file at the archive's path belongs to the user: it is refused by name and never replaced."""
    (tmp_path / "tiny.npz").write_text("mine")
    with pytest.raises(DataError, match="Remove it"):
        fetch_tiny(tmp_path)
    assert (tmp_path / "tiny.npz").read_text() == "mine"


def test_an_unusable_data_folder_is_a_data_error(tmp_path: Path) -> None:
    """A data folder that is a file raises a DataError that names it."""
    (tmp_path / "folder").write_text("")
    with pytest.raises(DataError, match="folder"):
        fetch_tiny(tmp_path / "folder")


# --- the other sources ----------------------------------------------------------------------------------------------


def test_digits_are_scikit_learns() -> None:
    """The digits are 1,797 different pictures with values from 0 to 16.

    They are the same on every load, and both parts contain all classes.
    """
    first, again = (data.load({"name": "digits"}, Path()) for _ in range(2))
    assert first.x_test is not None and first.y_test is not None
    assert (first.x_train.shape, first.x_test.shape) == ((1437, 8, 8), (360, 8, 8))
    assert first.x_train.max() == first.maximum == 16
    assert set(first.y_train) == set(first.y_test) == set(range(10))
    assert len(np.unique(np.concatenate([first.x_train, first.x_test]), axis=0)) == 1797
    assert np.array_equal(first.x_train, again.x_train)


def test_synthetic_data_are_marked_and_repeatable() -> None:
    """Synthetic data have the requested sizes, are marked as synthetic, and are the same every time."""
    settings = {"name": "synthetic", "examples": 50, "features": 3, "classes": 2}
    first, again = (data.load(settings, Path()) for _ in range(2))
    assert first.x_test is not None
    assert first.synthetic
    assert (first.x_train.shape, first.x_test.shape, first.classes) == ((40, 3), (10, 3), 2)
    assert np.array_equal(first.x_train, again.x_train)


def test_a_users_file_is_found_beside_the_sweep_file(tmp_path: Path) -> None:
    """A `.npz` path is relative to the sweep file's folder.

    Bytes stay bytes, other numbers become float32, and labels become classes.
    """
    np.savez(tmp_path / "own.npz", x=np.arange(12.0).reshape(4, 3), y=np.array([[0], [2], [1], [0]]))
    dataset = data.load({"name": "own.npz"}, tmp_path)
    assert dataset.x_train.dtype == np.float32
    assert dataset.x_train.ctypes.data % ALIGNMENT == 0
    assert (dataset.y_train.tolist(), dataset.classes, dataset.maximum) == ([0, 2, 1, 0], 3, None)
    assert dataset.x_test is None
    np.savez(tmp_path / "bytes.npz", **GOOD)  # type: ignore[arg-type]
    assert data.load({"name": "bytes.npz"}, tmp_path).maximum == 255


@pytest.mark.parametrize("name", ["sample_weight", "x_val", "labels", "X_train"])
def test_an_array_that_would_not_be_used_is_an_error(tmp_path: Path, name: str) -> None:
    """An array that hpdash would not use is an error that names the array, whatever it holds."""
    np.savez(tmp_path / "more.npz", **GOOD, **{name: np.zeros(3)})  # type: ignore[arg-type]
    with pytest.raises(DataError, match=name):
        data.load({"name": "more.npz"}, tmp_path)


def test_floating_point_targets_make_a_regression() -> None:
    """Labels that are not integers make a data set without classes, with one or several outputs."""
    for y in (np.array([0.5, 1.0]), np.array([[0.5, 1.0], [1.0, 2.0]])):
        dataset = from_arrays("own", {"x": np.eye(2), "y": y})
        assert dataset.classes is None
        assert dataset.y_train.dtype == np.float32
        assert dataset.y_train.shape == y.shape


X, Y = np.zeros((4, 3)), np.arange(4)


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        pytest.param({}, "found none of them", id="nothing"),
        pytest.param({"x_train": X}, "found x_train", id="no labels"),
        pytest.param({"x": X, "y": Y, "z": Y}, "found z", id="unknown array"),
        pytest.param({"x_train": X, "y_train": Y, "x_test": X}, "only one of them", id="half a test set"),
        pytest.param({"x": X, "y": Y[:3]}, "expected 4 values", id="fewer labels"),
        pytest.param({"x": X, "y": Y - 1}, "labels from -1 to 2", id="negative label"),
        pytest.param({"x": X, "y": Y + (1 << 33)}, "expected labels below", id="huge label"),
        pytest.param({"x": X, "y": np.zeros((4, 2), int)}, "int32 of shape (4, 2)", id="two label columns"),
        pytest.param({"x": X[:0], "y": Y[:0]}, "shape (0, 3)", id="no examples"),
        pytest.param({"x": X[:, 0], "y": Y}, "shape (4,)", id="no features"),
        pytest.param({"x": X + 1j, "y": Y}, "complex128", id="complex"),
        pytest.param({"x": np.full((4, 3), "a"), "y": Y}, "<U1", id="text"),
        pytest.param({"x": X, "y": np.full((4, 2), "a")}, "one text per example", id="text columns"),
        pytest.param({"x": X, "y": Y, "sample_weight": np.ones(3)}, "own: sample_weight", id="fewer weights"),
        pytest.param({"x": X, "y": Y, "x_val": X}, "x_val and y_val", id="half a validation set"),
        pytest.param({"x": {"a": X, "b": X[:3]}, "y": Y}, "own: x_train/b", id="fewer rows of an input"),
        pytest.param({"x": {"a": X}, "y": Y, "x_val": X, "y_val": Y}, "structure as x_train", id="other structure"),
        pytest.param({"x": X, "y": {"a": Y}, "x_val": X, "y_val": {"b": Y}}, "outputs as y_train", id="other outputs"),
        pytest.param({"x": np.where(X == 0, np.nan, X), "y": Y}, "12 that are NaN or infinite", id="nan"),
        pytest.param({"x": X + 1e300, "y": Y}, "12 that are NaN or infinite", id="beyond float32"),
        pytest.param({"x": X, "y": [0.0, np.inf, 1.0, 2.0]}, "own: y_train: expected finite", id="infinite target"),
        pytest.param({"x": X, "y": Y, "x_train": X[:2]}, "x and x_train", id="one array twice"),
        pytest.param(
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y}, "own: x_test", id="other test shape"
        ),
        pytest.param(
            {"x_train": X, "y_train": Y, "x_test": X.astype("u1"), "y_test": Y}, "found uint8", id="other test type"
        ),
        pytest.param({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y + 0.5}, "own: y_test", id="mixed targets"),
    ],
)
def test_bad_arrays_are_refused_by_name(arrays: Mapping[str, Any], found: str) -> None:
    """Arrays that cannot form a data set raise a DataError that says which array is wrong and why."""
    with pytest.raises(DataError) as caught:
        from_arrays("own", arrays)
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        pytest.param({"x_train": np.zeros((6, 2, 2))}, "float64", id="float64 inputs"),
        pytest.param({"y_train": np.zeros(6, np.uint8)}, "expected int32", id="uint8 labels"),
        pytest.param({"classes": None}, "float32 targets", id="labels without classes"),
        pytest.param({"classes": 2}, "labels from 0 to 1", id="too few classes"),
        pytest.param({"y_test": None}, "only one of them", id="half a test set"),
    ],
)
def test_a_data_set_is_checked_when_built(change: Mapping[str, Any], found: str) -> None:
    """A Dataset checks its arrays when it is built, also when it is not built by hpdash's loaders."""
    labels = {name: GOOD[name].astype(np.int32) for name in ("y_train", "y_test")}
    good = Dataset("own", **(GOOD | labels), classes=10)  # type: ignore[arg-type]
    with pytest.raises(DataError) as caught:
        replace(good, **change)
    assert found in str(caught.value)


OWN = """
import numpy as np
from hpdash.data import Dataset
X, Y = np.zeros((4, 3), "float32"), np.array([0, 1, 0, 1], "int32")
def as_dict(): return dict(x_train=X, y_train=Y, x_test=X, y_test=Y)
def as_keras(): return (X, Y), (X, Y)
def as_lists(): return [[X, Y], [X, Y]]
def as_dataset(): return Dataset("mine", X, Y, X, Y, classes=2)
def nothing(): return None
def broken(): raise KeyError("no such column")
def ragged(): return dict(x=[[1], [1, 2]], y=[0, 1])
"""


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a sweep's folder that contains a user's module."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "own_data", raising=False)
    (tmp_path / "own_data.py").write_text(OWN)
    return tmp_path


@pytest.mark.parametrize("name", ["as_dict", "as_keras", "as_lists", "as_dataset"])
def test_a_function_may_answer_in_any_usual_form(own_module: Path, name: str) -> None:
    """A user's function may return a Dataset, a dict of arrays, or pairs as keras.datasets does."""
    dataset = data.load({"name": f"own_data:{name}"}, own_module)
    assert (dataset.x_train.shape, dataset.y_train.tolist(), dataset.classes) == ((4, 3), [0, 1, 0, 1], 2)
    assert dataset.x_test is not None


@pytest.mark.parametrize(
    ("name", "found"),
    [("nothing", "found NoneType"), ("broken", "KeyError: 'no such column'"), ("ragged", "one array")],
)
def test_a_function_that_fails_is_named(own_module: Path, name: str, found: str) -> None:
    """A user's function that fails or returns anything else raises a DataError with the function's name."""
    with pytest.raises(DataError) as caught:
        data.load({"name": f"own_data:{name}"}, own_module)
    assert str(caught.value).startswith(f"own_data:{name}: ")
    assert found in str(caught.value)


@pytest.mark.parametrize(
    ("name", "found"), [("mnits", "Did you mean mnist?"), ("own.npz", "own.npz, found none"), ("", "digits, synthetic")]
)
def test_an_unknown_name_is_explained(tmp_path: Path, name: str, found: str) -> None:
    """A name without a data set raises a DataError that lists the available data."""
    with pytest.raises(DataError) as caught:
        data.load({"name": name}, tmp_path)
    assert found in str(caught.value)


def test_every_source_has_a_true_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The status of each source says where the data are stored, whether they are present, and their true sizes."""
    monkeypatch.setenv("HPDASH_DATA", str(tmp_path))
    for name in data.SOURCES:
        status = data.status(name)
        assert status.here == (name in ("digits", "synthetic")) == (status.where is None)
        if status.here:
            dataset = data.load({"name": name}, tmp_path)
            assert dataset.x_train.shape == (status.train, *status.shape)
            assert dataset.x_test is not None and len(dataset.x_test) == status.test
    with pytest.raises(DataError, match="one of mnist"):
        data.status("nothing")


def test_reading_data_imports_no_framework() -> None:
    """Importing the package imports no TensorFlow, Keras or scikit-learn; loading digits imports only scikit-learn."""
    code = """if True:
        import sys
        from pathlib import Path
        import hpdash.data.fetch
        assert not {"tensorflow", "keras", "sklearn"} & set(sys.modules)
        hpdash.data.load({"name": "digits"}, Path())
        assert not {"tensorflow", "keras"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# --- splits and scaling ---------------------------------------------------------------------------------------------


def vectors(count: int, test: int = 5) -> Dataset:
    """Return a data set with the given number of examples."""
    return from_arrays(
        "own", dict(zip(NAMES, (np.zeros((count, 1)), [0] * count, np.zeros((test, 1)), [0] * test), strict=True))
    )


@pytest.mark.parametrize(
    ("settings", "train", "validation"),
    [
        pytest.param({"validation": 3}, range(7), range(7, 10), id="count from the end"),
        pytest.param({"validation": 3, "validation_from": "start"}, range(3, 10), range(3), id="count from the start"),
        pytest.param({"validation": 0.2}, range(8), range(8, 10), id="fraction"),
        pytest.param({"validation": 0.28}, range(7), range(7, 10), id="fraction to the nearest"),
        pytest.param({"validation": 0.001}, range(9), range(9, 10), id="fraction of at least one"),
        pytest.param({"validation": "test"}, range(10), range(5), id="test"),
        pytest.param({"validation": 3, "train": 4}, range(4), range(7, 10), id="train"),
        pytest.param(
            {"validation": 3, "train": 4, "validation_from": "start"}, range(3, 7), range(3), id="train after the start"
        ),
        pytest.param({"validation": "test", "train": 4}, range(4), range(5), id="train beside test"),
    ],
)
def test_a_split_is_what_the_settings_say(settings: Mapping[str, Any], train: range, validation: range) -> None:
    """The validation part is cut from the chosen side; training takes the first examples of the rest."""
    parts = split(vectors(10), {"validation_from": "end", "train": None, **settings})
    assert (parts.train, parts.validation) == (train, validation)
    assert parts.source == ("test" if settings["validation"] == "test" else "train")


@given(
    count=st.integers(2, 300), share=st.floats(0.001, 0.999), side=st.sampled_from(["end", "start"]), whole=st.data()
)
def test_a_split_never_overlaps(count: int, share: float, side: str, whole: st.DataObject) -> None:
    """The two parts are disjoint and together hold all examples; validation has the requested size."""
    size = whole.draw(st.one_of(st.just(share), st.integers(1, count - 1)))
    if isinstance(size, float) and round(size * count) >= count:
        return
    parts = split(vectors(count), {"validation": size, "validation_from": side})
    assert sorted([*parts.train, *parts.validation]) == list(range(count))
    expected = size * count if isinstance(size, float) else size
    assert abs(len(parts.validation) - max(1, expected)) <= 0.5


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        pytest.param({"validation": 10}, "the 10 training examples", id="all of them"),
        pytest.param({"validation": 0}, "at least 1, found 0", id="none"),
        pytest.param({"validation": 0.99}, "the 10 training examples", id="fraction of all"),
        pytest.param({"validation": 2, "train": 9}, "at most the 8 examples", id="train"),
        pytest.param({"validation": 2, "train": 0}, "at least 1, found 0", id="train nothing"),
    ],
)
def test_a_split_that_does_not_fit_is_refused(settings: Mapping[str, Any], found: str) -> None:
    """Counts that do not fit raise a DataError that says how many examples there are."""
    with pytest.raises(DataError) as caught:
        split(vectors(10), settings)
    assert found in str(caught.value)


def test_validation_on_the_test_set_needs_one() -> None:
    """Without a test set, `validation = "test"` is refused."""
    dataset = replace(vectors(10), x_test=None, y_test=None)
    with pytest.raises(DataError, match="no test set"):
        split(dataset, {"validation": "test"})


def random_examples(shape: tuple[int, ...], dtype: str) -> Dataset:
    """Return examples whose last fifth has much larger values, so that scaling computed on that part is noticed."""
    rng = np.random.default_rng(3)
    x = rng.integers(100, size=(500, *shape))
    x[400:] += 100
    return from_arrays("own", {"x": x.astype(dtype), "y": [0] * 500})


@pytest.mark.parametrize(
    ("dataset", "axes"),
    [
        pytest.param(data.load({"name": "digits"}, Path()), (0, 1, 2), id="digits"),
        pytest.param(random_examples((9, 7, 3), "u1"), (0, 1, 2), id="colour bytes"),
        pytest.param(random_examples((9, 7, 3), "f4"), (0, 1, 2), id="colour floats"),
        pytest.param(random_examples((9, 7), "u1"), (0, 1, 2), id="grey bytes"),
        pytest.param(random_examples((9, 7), "f4"), (0, 1), id="series"),
        pytest.param(random_examples((11,), "f4"), (0,), id="vectors"),
        pytest.param(random_examples((11,), "u1"), (0,), id="byte vectors"),
    ],
)
def test_standard_scaling_is_numpys_mean_and_std(dataset: Dataset, axes: tuple[int, ...]) -> None:
    """Standard scaling uses mean and std of the training part only, per channel, per picture or per feature."""
    parts = split(dataset, {"validation": 0.2, "validation_from": "end"})
    scale = scaling(dataset, parts, {"scale": "standard"})
    x = dataset.x_train[parts.train.start : parts.train.stop].astype(np.float64)
    assert scale.offset.dtype == scale.divisor.dtype == np.float32
    np.testing.assert_allclose(scale.offset, x.mean(axes), rtol=1e-6)
    np.testing.assert_allclose(scale.divisor, x.std(axes), rtol=1e-6)
    assert ((x - scale.offset) / scale.divisor).shape == x.shape


def test_a_sweep_begun_before_scales_a_series_as_it_did() -> None:
    """A sweep started with an older version still scales a series by one mean and std of all its features."""
    dataset = random_examples((9, 7), "f4")
    scale = scaling(dataset, split(dataset, {"validation": 0.2}), {"scale": "standard", WHOLE: True})
    assert scale.offset.shape == ()


def test_a_constant_input_is_not_divided_by_zero() -> None:
    """A feature or picture with a constant value is divided by 1, whatever the value is."""
    for x in (np.full((30, 2), 0.1), np.full((30, 4, 4), 7, np.uint8)):
        dataset = from_arrays("own", {"x": x, "y": [0] * 30})
        scale = scaling(dataset, split(dataset, {"validation": 0.2}), {"scale": "standard"})
        assert (scale.divisor == 1).all()
        np.testing.assert_allclose(dataset.x_train[0], np.broadcast_to(scale.offset, x.shape[1:]))


def test_scaling_suits_the_data_unless_told() -> None:
    """By default pictures are divided by their maximum and vectors stay unchanged; "none" changes nothing."""
    pictures, plain = data.load({"name": "digits"}, Path()), vectors(10)
    parts = split(plain, {"validation": 2})
    kinds = ((pictures, pictures.inputs.scale), (plain, plain.inputs.scale), (pictures, "none"))
    results = [scaling(dataset, parts, {"scale": scale}) for dataset, scale in kinds]
    assert [(float(scale.offset), float(scale.divisor)) for scale in results] == [(0, 16), (0, 1), (0, 1)]


def test_unit_scaling_needs_a_maximum() -> None:
    """Unit scaling of floating-point inputs raises a DataError: they have no known maximum."""
    with pytest.raises(DataError, match="known maximum"):
        scaling(vectors(10), split(vectors(10), {"validation": 2}), {"scale": "unit"})


def test_several_inputs_and_outputs_keep_their_structure() -> None:
    """x and y may be dicts, tuples or lists of arrays; each part has its own type, classes and scaling."""
    left, right = np.arange(8.0).reshape(4, 2), np.arange(12, dtype=np.uint8).reshape(4, 3)
    made = from_arrays("own", {"x": {"right": right, "left": left}, "y": (np.arange(4), left[:, 0], np.eye(4))})
    assert (made.input_shape, made.classes, made.one_hot) == (
        {"left": (2,), "right": (3,)}, (4, None, 4), (False, False, True),
    )  # fmt: skip
    scaled = scaling(made, split(made, {"validation": 1}), {"scale": "unit"})
    assert (float(scaled.divisor["left"]), float(scaled.divisor["right"])) == (1.0, 255.0)
    parts = split(made, {"validation": 1})
    assert scaling(made, parts, {"scale": "standard"}).offset["left"].tolist() == [2.0, 3.0]
    pair = from_arrays("own", {"x": [left, right], "y": [0, 1, 0, 1]})
    assert (type(pair.x_train), pair.inputs.text) == (list, "2 inputs (0: 2 features, 1: 3 features)")


@pytest.mark.parametrize("dtype", [float, int, bool])
def test_one_hot_labels_are_classes(dtype: type) -> None:
    """Rows with a single 1 are the labels of as many classes as there are columns."""
    made = from_arrays("own", {"x": X, "y": np.eye(4, dtype=dtype), "x_test": X, "y_test": np.eye(4)})
    assert (made.classes, made.one_hot, made.y_train.dtype) == (4, True, np.float32)
    assert any("one-hot" in text for text in data.remarks(made, split(made, {"validation": 1})))


@pytest.mark.parametrize("kind", ["U", "S", "O"])
def test_texts_are_classes_in_sorted_order(kind: str) -> None:
    """Texts as labels are numbered in sorted order, over all parts, and their names are kept and said."""
    words = np.array(["dog", "cat", "dog", "eel"])
    made = from_arrays(
        "own", {"x": X, "y": words.astype(kind), "x_val": X[:1], "y_val": np.array(["ant"]).astype(kind)}
    )
    assert (made.y_train.tolist(), made.classes, made.labels) == ([2, 1, 2, 3], 4, {"": ("ant", "cat", "dog", "eel")})
    parts = split(made, {"validation": None})
    assert (parts.source, len(parts.train), len(parts.validation)) == ("validation", 4, 1)
    assert any("ant, cat, dog, eel" in text for text in data.remarks(made, parts))


def test_a_file_may_have_texts_weights_and_a_validation_set(tmp_path: Path) -> None:
    """An .npz file takes the same arrays as a function; `check` knows its validation set from the headers."""
    names = {"sample_weight": np.ones(4), "x_val": X, "y_val": np.array(list("abab"))}
    np.savez(tmp_path / "own.npz", x=X, y=np.array(list("abba")), **names)
    made = data.load({"name": "own.npz"}, tmp_path)
    assert made.validation is not None and made.weight_train is not None and made.classes == 2
    known = kinds("own.npz", tmp_path)
    assert known is not None and known[0] and known[1].has_validation


def test_check_knows_no_inputs_of_a_file_without_features(tmp_path: Path) -> None:
    """An x with one dimension has no features: reading it is an error, which `check` leaves to the sweep."""
    np.savez(tmp_path / "flat.npz", x=np.arange(4.0), y=np.arange(4) % 2)
    assert kinds("flat.npz", tmp_path) is None


@pytest.mark.parametrize(
    ("y", "validation_from", "said"),
    [
        pytest.param(np.repeat(np.arange(5), 20), "end", "no example of class 4", id="sorted"),
        pytest.param(np.repeat(np.arange(2), [60, 40]), "end", "only class 1 of 2", id="in-part"),
        pytest.param(np.arange(100) % 5 + 1, "end", "no training example has class 0", id="from-one"),
        pytest.param((np.arange(100) % 5).astype("float64"), "end", "save them as integers", id="floats"),
        pytest.param(np.arange(100) % 5, "end", "", id="fine"),
        pytest.param(np.linspace(0, 1, 100), "end", "", id="targets"),
        pytest.param(np.round(np.linspace(0, 99, 100)), "end", "", id="many-whole-targets"),
    ],
)
def test_labels_that_are_often_not_what_was_meant_are_told(
    y: np.ndarray[Any, Any], validation_from: str, said: str
) -> None:
    """Labels that are sorted by class, counted from 1 or stored as floats can be trained on, but are reported."""
    dataset = from_arrays("own", {"x": np.zeros((100, 2)), "y": y})
    parts = split(dataset, {"validation": 0.2, "validation_from": validation_from})
    told = list(data.remarks(dataset, parts))
    assert [said in sentence for sentence in told] == ([True] if said else [])


def test_an_array_beside_arrays_below_it_is_refused(tmp_path: Path) -> None:
    """A file that has both `x` and `x/left` is an error that names them."""
    np.savez(tmp_path / "both.npz", **{"x": np.zeros((3, 1)), "x/left": np.zeros((3, 1)), "y": np.arange(3)})
    with pytest.raises(DataError, match=r"both\.npz: x: .*x/left"):
        data.load({"name": "both.npz"}, tmp_path)


def test_arrays_with_paths_are_several_inputs(tmp_path: Path) -> None:
    """Names with paths are dicts, and tuples if the names count from 0."""
    one = np.ones((3, 1), np.float32)
    np.savez(
        tmp_path / "two.npz", **{"x_train/left": one, "x_train/right": 2 * one, "y_train/0": one, "y_train/1": one}
    )
    found = data.load({"name": "two.npz"}, tmp_path)
    assert found.x_train["right"].sum() == 6 and sorted(found.x_train) == ["left", "right"]
    assert isinstance(found.y_train, tuple) and len(found.y_train) == 2
