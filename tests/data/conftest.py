"""What the data tests share: small files in the published formats, and other people's readers."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import pickle
import struct
import tarfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]


def write_idx(path: Path, array: np.ndarray) -> None:
    """An unsigned-byte array as a gzip-compressed IDX file."""
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(header + array.astype(np.uint8).tobytes()))


def write_idx_set(directory: Path, train: int, test: int, side: int = 6) -> None:
    """The four files of an MNIST-like set of random images."""
    generator = np.random.default_rng(1)
    for prefix, count in (("train", train), ("t10k", test)):
        images = generator.integers(0, 256, (count, side, side))
        write_idx(directory / f"{prefix}-images-idx3-ubyte.gz", images)
        write_idx(directory / f"{prefix}-labels-idx1-ubyte.gz", generator.integers(0, 10, count))


def write_svhn_part(path: Path, count: int, seed: int = 0) -> None:
    """One SVHN file as MATLAB stores it: X [32, 32, 3, images], y [images, 1] in 1..10."""
    from scipy.io import savemat

    generator = np.random.default_rng(seed)
    colour = generator.integers(0, 256, (32, 32, 3, count), dtype=np.uint8)
    digits = 1 + np.arange(count, dtype=np.uint8).reshape(-1, 1) % 10
    savemat(path, {"X": colour, "y": digits}, do_compression=True)


class _PythonTwoPickler(pickle._Pickler):  # type: ignore[name-defined]
    """Writes text and bytes as Python 2's one string type, which CIFAR-10's files hold."""

    def _save_string(self, value: str | bytes) -> None:
        content = value.encode("latin1") if isinstance(value, str) else value
        self.write(pickle.BINSTRING + struct.pack("<i", len(content)) + content)
        self.memoize(value)

    dispatch = {  # noqa: RUF012
        **pickle._Pickler.dispatch,  # type: ignore[attr-defined]
        str: _save_string,
        bytes: _save_string,
    }


def python_two_pickle(value: Any) -> bytes:
    """``value`` as Python 2 with an old NumPy would have pickled it."""
    stream = io.BytesIO()
    _PythonTwoPickler(stream, protocol=2).dump(value)
    return stream.getvalue().replace(b"cnumpy._core.", b"cnumpy.core.")


def write_cifar10(path: Path, per_batch: int = 4, leave_out: str = "") -> None:
    """CIFAR-10's archive with small batches of random images."""
    generator = np.random.default_rng(2)
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    contents = {"batches.meta": {"label_names": [str(label) for label in range(10)]}}
    for name in names:
        contents[name] = {
            "batch_label": name,
            "labels": generator.integers(0, 10, per_batch).tolist(),
            "data": generator.integers(0, 256, (per_batch, 3072), dtype=np.uint8),
            "filenames": [f"image_{number}.png" for number in range(per_batch)],
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            if name == leave_out:
                continue
            data = python_two_pickle(content)
            member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


@pytest.fixture(scope="session")
def idx_writer() -> Callable[..., None]:
    return write_idx


@pytest.fixture(scope="session")
def idx_set_writer() -> Callable[..., None]:
    return write_idx_set


@pytest.fixture(scope="session")
def svhn_writer() -> Callable[..., None]:
    return write_svhn_part


@pytest.fixture(scope="session")
def cifar10_writer() -> Callable[..., None]:
    return write_cifar10


@pytest.fixture(scope="session")
def python_two() -> Callable[[Any], bytes]:
    return python_two_pickle


@pytest.fixture(scope="session")
def torchvision_datasets() -> Any:
    """torchvision's readers, also where its operators do not fit the torch build.

    A torchvision built for CUDA cannot load its operators beside a CPU-only torch; its Python part
    then only needs two of them declared.
    """
    import torch

    try:
        return importlib.import_module("torchvision.datasets")
    except RuntimeError:
        for operator in ("nms", "qnms"):
            torch.library.define(
                f"torchvision::{operator}",
                "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
            )
        return importlib.import_module("torchvision.datasets")


@pytest.fixture
def torchvision_cifar10(
    torchvision_datasets: Any, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """torchvision's CIFAR-10 from a folder with our small archive, whose sums it does not check."""
    published = torchvision_datasets.CIFAR10
    for name in ("train_list", "test_list"):
        unchecked = [[batch, None] for batch, _ in getattr(published, name)]
        monkeypatch.setattr(published, name, unchecked)
    monkeypatch.setattr(published, "meta", {**published.meta, "md5": None})

    def load(folder: Path, *, train: bool) -> Any:
        with tarfile.open(folder / "cifar-10-python.tar.gz") as archive:
            archive.extractall(folder, filter="data")
        with warnings.catch_warnings(action="ignore"):
            return published(folder, train=train)

    return load


@pytest.fixture(scope="session")
def mirror() -> Path:
    """A folder with the real files: DENSITY_BENCH_MIRROR, or shared/data beside the repository."""
    folder = Path(os.environ.get("DENSITY_BENCH_MIRROR", ROOT.parent / "shared" / "data"))
    if not (folder / "mnist").is_dir():
        pytest.skip(f"no real MNIST at hand ({folder.name} has no folder mnist)")
    return folder
