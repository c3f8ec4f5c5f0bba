"""Readers against torchvision's, Pillow's and scikit-learn's, and against damaged files."""

from __future__ import annotations

import dataclasses
import gzip
import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from workflow_src.data.raw import DataError, Facts
from workflow_src.data.readers import gray, read, read_cifar10, read_idx, read_svhn

Writer = Callable[..., None]


def facts(reader: str, side: int, train: int, validation: int, test: int) -> Facts:
    sizes = {"train": train, "validation": validation, "test": test}
    return Facts("small", reader, (side, side), 255, sizes)


def pillow_gray(colour: np.ndarray) -> np.ndarray:
    return np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in colour])


def test_gray_is_pillows_for_every_colour_value() -> None:
    generator = np.random.default_rng(0)
    corners = np.stack(np.meshgrid(*[[0, 1, 127, 128, 254, 255]] * 3), axis=-1).reshape(1, -1, 3)
    random = generator.integers(0, 256, (4, 300, 300, 3))
    ramp = np.repeat(np.arange(256)[None, :, None], 3, axis=2)
    for colour in (corners[None], random, ramp[None]):
        colour = colour.astype(np.uint8)
        assert np.array_equal(gray(colour), pillow_gray(colour))
    assert np.array_equal(gray(ramp.astype(np.uint8)), np.arange(256)[None])


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    (part,) = read(facts("digits", 8, 1297, 250, 250), Path("unused"))
    images, labels = load_digits(return_X_y=True)
    assert part.images.dtype == np.uint8
    assert np.array_equal(part.images.reshape(-1, 64), images)
    assert np.array_equal(part.labels, labels)
    assert part.images.max() == 16


def test_idx_agrees_with_torchvision(
    tmp_path: Path, idx_set_writer: Writer, torchvision_datasets: Any
) -> None:
    idx_set_writer(tmp_path, 12, 5)
    train, test = read(facts("idx", 6, 9, 3, 5), tmp_path)
    for part, prefix in ((train, "train"), (test, "t10k")):
        for name, array, reader in (
            ("images-idx3", part.images, torchvision_datasets.mnist.read_image_file),
            ("labels-idx1", part.labels, torchvision_datasets.mnist.read_label_file),
        ):
            unpacked = tmp_path / f"{prefix}-{name}-ubyte"
            unpacked.write_bytes(gzip.decompress(Path(f"{unpacked}.gz").read_bytes()))
            assert np.array_equal(array, reader(str(unpacked)).numpy())


def test_svhn_agrees_with_torchvision(
    tmp_path: Path,
    svhn_writer: Writer,
    torchvision_datasets: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {"train": 13, "test": 11, "extra": 15}
    for seed, (part, count) in enumerate(counts.items()):
        svhn_writer(tmp_path / f"{part}_32x32.mat", count, seed)
    monkeypatch.setattr(
        torchvision_datasets.SVHN,
        "split_list",
        {part: ["", f"{part}_32x32.mat", None] for part in counts},
    )
    parts = read(facts("svhn", 32, 13, 10, 11), tmp_path)
    assert [len(part) for part in parts] == [13, 11, 10]
    for part in parts:
        other = torchvision_datasets.SVHN(tmp_path, split=part.part)
        colour = other.data.transpose(0, 2, 3, 1)[: len(part)]
        assert np.array_equal(part.images, pillow_gray(colour))
        assert np.array_equal(part.labels, other.labels[: len(part)])
    assert parts[0].labels[9] == 0, "the label 10 stands for the digit 0"


def test_svhn_in_colour_agrees_with_torchvision(
    tmp_path: Path,
    svhn_writer: Writer,
    torchvision_datasets: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counts = {"train": 13, "test": 11}
    for seed, (part, count) in enumerate(counts.items()):
        svhn_writer(tmp_path / f"{part}_32x32.mat", count, seed)
    monkeypatch.setattr(
        torchvision_datasets.SVHN,
        "split_list",
        {part: ["", f"{part}_32x32.mat", None] for part in counts},
    )
    wanted = dataclasses.replace(facts("svhn_colour", 32, 12, 1, 11), channels=3)
    parts = read(wanted, tmp_path)
    assert [part.part for part in parts] == ["train", "test"]
    for part in parts:
        other = torchvision_datasets.SVHN(tmp_path, split=part.part)
        assert np.array_equal(part.images, other.data)
        assert np.array_equal(part.labels, other.labels)


def test_cifar10_agrees_with_torchvision(
    tmp_path: Path, cifar10_writer: Writer, torchvision_cifar10: Callable[..., Any]
) -> None:
    cifar10_writer(tmp_path / "cifar-10-python.tar.gz", 7)
    parts = read(facts("cifar10", 32, 30, 6, 6), tmp_path)
    assert [(part.part, len(part)) for part in parts] == [("train", 35), ("test", 7)]
    colour = read(dataclasses.replace(facts("cifar10_colour", 32, 1, 1, 1), channels=3), tmp_path)
    for part, in_colour in zip(parts, colour, strict=True):
        other = torchvision_cifar10(tmp_path, train=part.part == "train")
        assert np.array_equal(part.images, pillow_gray(other.data))
        assert np.array_equal(in_colour.images, other.data.transpose(0, 3, 1, 2))
        assert np.array_equal(part.labels, other.targets)
        assert np.array_equal(in_colour.labels, other.targets)


def test_real_mnist_has_its_known_first_labels(mirror: Path) -> None:
    train, test = read(facts("idx", 28, 50_000, 10_000, 10_000), mirror / "mnist")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    # The commonly quoted mean of MNIST's training pixels.
    assert abs(train.images.mean() / 255 - 0.1307) < 1e-4


@pytest.mark.parametrize("kept", [0, 3, 10, 15, 40, -9, -1])
def test_a_cut_idx_file_is_refused_by_name(
    tmp_path: Path, idx_set_writer: Writer, kept: int
) -> None:
    idx_set_writer(tmp_path, 12, 5)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=path.name):
        read(facts("idx", 6, 9, 3, 5), tmp_path)


def test_an_idx_file_that_lies_about_itself_is_refused(tmp_path: Path, idx_writer: Writer) -> None:
    path = tmp_path / "some.gz"
    idx_writer(path, np.zeros((3, 2, 2)))
    with pytest.raises(DataError, match="1 dimension"):
        read_idx(path, 1)
    content = gzip.decompress(path.read_bytes())
    path.write_bytes(gzip.compress(content + b"\0"))
    with pytest.raises(DataError, match=r"\(3, 2, 2\) but holds 13 bytes"):
        read_idx(path, 3)
    path.write_bytes(gzip.compress(content[:2] + b"\x0d" + content[3:]))
    with pytest.raises(DataError, match="begins with the bytes 00 00 0d 03"):
        read_idx(path, 3)


def test_flipped_bits_inside_gzip_are_found(tmp_path: Path, idx_set_writer: Writer) -> None:
    idx_set_writer(tmp_path, 12, 5)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(facts("idx", 6, 9, 3, 5), tmp_path)


def test_images_of_another_size_or_without_labels_are_refused(
    tmp_path: Path, idx_set_writer: Writer, idx_writer: Writer
) -> None:
    idx_set_writer(tmp_path, 12, 5)
    with pytest.raises(DataError, match=r"\(12, 6, 6\).*28 x 28"):
        read(facts("idx", 28, 9, 3, 5), tmp_path)
    idx_writer(tmp_path / "t10k-labels-idx1-ubyte.gz", np.zeros(4))
    with pytest.raises(DataError, match="4 labels"):
        read(facts("idx", 6, 9, 3, 5), tmp_path)


@pytest.mark.parametrize("reader", ["idx", "svhn", "cifar10"])
def test_a_missing_file_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(DataError, match="does not exist") as caught:
        read(facts(reader, 32, 1, 1, 1), tmp_path)
    assert str(tmp_path) in caught.value.place


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_cut_svhn_file_is_refused_by_name(
    tmp_path: Path, svhn_writer: Writer, share: float
) -> None:
    path = tmp_path / "train_32x32.mat"
    svhn_writer(path, 12)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match="train_32x32"):
        read_svhn(path)


@pytest.mark.parametrize(
    "content",
    [
        {"X": np.zeros((32, 32, 3, 2), np.uint8)},
        {"X": np.zeros((32, 32, 2), np.uint8), "y": np.ones((2, 1))},
        {"X": np.zeros((32, 32, 3, 2), np.float64), "y": np.ones((2, 1))},
        {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.ones((3, 1))},
        {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": np.array([[1], [11]])},
    ],
)
def test_an_svhn_file_of_another_content_is_refused(
    tmp_path: Path, content: dict[str, Any]
) -> None:
    path = tmp_path / "train_32x32.mat"
    savemat(path, content)
    with pytest.raises(DataError, match="expected a whole MATLAB file"):
        read_svhn(path)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.99])
def test_a_cut_cifar10_archive_is_refused_by_name(
    tmp_path: Path, cifar10_writer: Writer, share: float
) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    cifar10_writer(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=path.name):
        read_cifar10(path)


def test_a_cifar10_archive_without_a_batch_is_refused(
    tmp_path: Path, cifar10_writer: Writer
) -> None:
    path = tmp_path / "cifar-10-python.tar.gz"
    cifar10_writer(path, leave_out="data_batch_4")
    with pytest.raises(DataError, match="lacks data_batch_4"):
        read_cifar10(path)


@pytest.mark.parametrize("name", ["data_batch_1", "test_batch"])
def test_a_cifar10_batch_that_would_run_a_program_is_refused(tmp_path: Path, name: str) -> None:
    class Malicious:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "was here",)

    path = tmp_path / "cifar-10-python.tar.gz"
    data = pickle.dumps({b"data": Malicious()}, protocol=2)
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    with pytest.raises(DataError, match="damaged batch"):
        read_cifar10(path)
    assert not (tmp_path / "was here").exists()
