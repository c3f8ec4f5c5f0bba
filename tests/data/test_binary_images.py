"""Readers of black-and-white images: their order, polarity, parts, and damaged files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from workflow_src.config.data_sets import data_set
from workflow_src.data.binary_images import read_amat
from workflow_src.data.raw import DataError, Facts, facts_of
from workflow_src.data.readers import read
from workflow_src.plan.fingerprints import data_recipe

SIDE = 28


def facts(reader: str, levels: int) -> Facts:
    return Facts("small", reader, (SIDE, SIDE), levels, {"train": 3, "validation": 2, "test": 2})


def random_bits(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (count, SIDE, SIDE), dtype=np.uint8)


def write_amat(path: Path, images: np.ndarray) -> None:
    np.savetxt(path, images.reshape(len(images), -1), fmt="%d", delimiter=" ")


def columnwise(images: np.ndarray) -> np.ndarray:
    """Images as MATLAB unrolls them, the first column first."""
    return np.stack([image.flatten(order="F") for image in images])


def silhouettes(**changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for seed, (name, count) in enumerate((("train", 3), ("val", 2), ("test", 4))):
        content[f"{name}_data"] = columnwise(random_bits(count, seed))
        content[f"{name}_labels"] = np.arange(99, 99 + count, dtype=np.uint8).reshape(-1, 1)
    return {**content, **changes}


def omniglot(**changes: Any) -> dict[str, Any]:
    grays = np.random.default_rng(5).integers(0, 256, (7, SIDE, SIDE))
    shares = columnwise(grays).T / 255
    return {"data": shares[:, :5], "testdata": shares[:, 5:], **changes}


def test_binarised_mnist_is_three_parts_in_rows(tmp_path: Path) -> None:
    images = {name: random_bits(3, seed) for seed, name in enumerate(("train", "valid", "test"))}
    for name, written in images.items():
        write_amat(tmp_path / f"binarized_mnist_{name}.amat", written)
    parts = read(facts("binarised_mnist", 1), tmp_path)
    assert [part.part for part in parts] == ["train", "validation", "test"]
    for part, written in zip(parts, images.values(), strict=True):
        assert np.array_equal(part.images, written)
        assert part.labels.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"0", b"2", "something else"),
        (b" ", b",", "something else"),
        (b"0", b" ", "something else"),
        (b"\n", b" ", "something else"),
        (b"\n", b"", "has 3135 bytes"),
        (b"\n", b"\r\n", "has 3138 bytes"),
    ],
)
def test_damaged_text_is_refused(tmp_path: Path, old: bytes, new: bytes, said: str) -> None:
    path = tmp_path / "some.amat"
    write_amat(path, random_bits(2, 0))
    content = path.read_bytes()
    read_amat(path)
    changes = -1 if new == b"\r\n" else 1
    path.write_bytes(content.replace(old, new, changes))
    with pytest.raises(DataError, match=f"some.amat.*{said}"):
        read_amat(path)


def test_empty_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "some.amat").touch()
    with pytest.raises(DataError, match="has 0 bytes"):
        read_amat(tmp_path / "some.amat")


def test_silhouettes_stand_upright_and_keep_polarity_and_labels(tmp_path: Path) -> None:
    content = silhouettes()
    savemat(tmp_path / "caltech101_silhouettes_28_split1.mat", content)
    parts = read(facts("silhouettes", 1), tmp_path)
    assert [(part.part, len(part)) for part in parts] == [
        ("train", 3),
        ("validation", 2),
        ("test", 4),
    ]
    for seed, part in enumerate(parts):
        assert np.array_equal(part.images, random_bits(len(part), seed))
        assert part.labels.tolist() == list(range(99, 99 + len(part)))


def test_omniglot_stands_upright_in_the_nearest_levels(tmp_path: Path) -> None:
    savemat(tmp_path / "chardata.mat", omniglot(), do_compression=True)
    grays = np.random.default_rng(5).integers(0, 256, (7, SIDE, SIDE))
    train, test = read(facts("omniglot", 255), tmp_path)
    assert (train.part, test.part) == ("train", "test")
    assert np.array_equal(train.images, grays[:5])
    assert np.array_equal(test.images, grays[5:])
    between = np.full((SIDE * SIDE, 1), 100.4 / 255, dtype=np.float32)
    savemat(tmp_path / "chardata.mat", omniglot(data=between))
    assert (read(facts("omniglot", 255), tmp_path)[0].images == 100).all()


@pytest.mark.parametrize(
    ("reader", "file", "content", "said"),
    [
        ("omniglot", "chardata.mat", omniglot(data=np.ones((784, 2)) * 1.01), "outside of"),
        ("omniglot", "chardata.mat", omniglot(testdata=-np.ones((784, 2))), "outside of"),
        ("omniglot", "chardata.mat", omniglot(data=np.full((784, 2), np.nan)), "outside of"),
        ("omniglot", "chardata.mat", omniglot(data=np.ones((2, 784))), r"shape \(2, 784\)"),
        ("omniglot", "chardata.mat", {"data": np.ones((784, 2))}, "no variable 'testdata'"),
        (
            "silhouettes",
            "caltech101_silhouettes_28_split1.mat",
            silhouettes(val_data=np.full((2, 784), 2, np.uint8)),
            "other values than 0 and 1",
        ),
        (
            "silhouettes",
            "caltech101_silhouettes_28_split1.mat",
            silhouettes(val_data=np.ones((784, 2), np.uint8)),
            r"shape \(784, 2\)",
        ),
        (
            "silhouettes",
            "caltech101_silhouettes_28_split1.mat",
            silhouettes(test_labels=np.full((4, 1), 300)),
            "no labels",
        ),
        (
            "silhouettes",
            "caltech101_silhouettes_28_split1.mat",
            silhouettes(test_labels=np.ones((3, 1), np.uint8)),
            "3 labels",
        ),
    ],
)
def test_other_contents_are_refused(
    tmp_path: Path, reader: str, file: str, content: dict[str, Any], said: str
) -> None:
    savemat(tmp_path / file, content)
    with pytest.raises(DataError, match=said):
        read(facts(reader, 255 if reader == "omniglot" else 1), tmp_path)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
@pytest.mark.parametrize("reader", ["omniglot", "silhouettes"])
def test_cut_files_are_refused_by_name(tmp_path: Path, reader: str, share: float) -> None:
    name = "chardata.mat" if reader == "omniglot" else "caltech101_silhouettes_28_split1.mat"
    savemat(tmp_path / name, omniglot() if reader == "omniglot" else silhouettes())
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(share * len(content))])
    with pytest.raises(DataError, match=name):
        read(facts(reader, 255), tmp_path)


@pytest.mark.parametrize("reader", ["binarised_mnist", "omniglot", "silhouettes"])
def test_a_missing_file_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read(facts(reader, 1), tmp_path)


def test_real_silhouettes_are_dark_objects_on_a_light_ground(mirror: Path) -> None:
    folder = mirror / "caltech101_silhouettes"
    if not folder.is_dir():
        pytest.skip("no real silhouettes at hand")
    real = facts_of(data_recipe(data_set("caltech101_silhouettes"), "bernoulli"))
    parts = read(real, folder)
    assert [len(part) for part in parts] == [4100, 2264, 2307]
    for part in parts:
        frame = np.ones((SIDE, SIDE), bool)
        frame[1:-1, 1:-1] = False
        # An object fills the middle and touches few of the pixels at the edge.
        assert part.images[:, frame].mean() > 0.7
        assert part.images[:, 9:19, 9:19].mean() < 0.2
        assert set(part.labels.tolist()) <= set(range(1, 102))
