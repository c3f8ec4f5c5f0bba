"""The registry of data sets agrees with the publishers, with torchvision and with the paper."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from workflow_src.config import data_sets
from workflow_src.config.data_sets import DATA_SETS, data_set
from workflow_src.errors import UserError

TORCHVISION_MD5 = {
    ("mnist", "train-images-idx3-ubyte.gz"): "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    ("mnist", "train-labels-idx1-ubyte.gz"): "d53e105ee54ea40749a09fcbcd1e9432",
    ("mnist", "t10k-images-idx3-ubyte.gz"): "9fb629c4189551a2d022fa330f9573f3",
    ("mnist", "t10k-labels-idx1-ubyte.gz"): "ec29112dd5afa0611ce80d1b7f02629c",
    ("fashion_mnist", "train-images-idx3-ubyte.gz"): "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    ("fashion_mnist", "train-labels-idx1-ubyte.gz"): "25c81989df183df01b3e8a0aad5dffbe",
    ("fashion_mnist", "t10k-images-idx3-ubyte.gz"): "bef4ecab320f06d8554ea6380940ec79",
    ("fashion_mnist", "t10k-labels-idx1-ubyte.gz"): "bb300cfdad3c16e7a12a480ee83cd310",
    ("svhn", "train_32x32.mat"): "e26dedcc434d2e4c54c9b2d4a06d8373",
    ("svhn", "test_32x32.mat"): "eb5a983be6a315427106f1b164d9cef3",
    ("svhn", "extra_32x32.mat"): "a93ce644f1a588dc4d68dda5feec44a7",
    ("cifar10", "cifar-10-python.tar.gz"): "c58f30108f718f92721af3b95e74349a",
    ("cifar10_colour", "cifar-10-python.tar.gz"): "c58f30108f718f92721af3b95e74349a",
}
NOT_IN_TORCHVISION = {"binarised_mnist", "omniglot", "caltech101_silhouettes"}


def test_the_checksums_are_those_that_torchvision_checks() -> None:
    ours = {
        (name, file.name): file.md5
        for name, one in DATA_SETS.items()
        for file in one.files
        if name not in NOT_IN_TORCHVISION and one.published_as is None
    }
    assert ours == TORCHVISION_MD5


def test_every_file_has_all_checksums_a_mirror_path_of_its_own_and_ends_each_address() -> None:
    for name, one in DATA_SETS.items():
        assert one.name == name
        for file in one.files:
            assert (file.sha256 and file.bytes) or file.git_blob
            assert file.mirror_names[0] == f"{one.raw_name}/{file.name}"
            assert all(address.endswith(f"/{file.name}") for address in file.addresses)
            assert all(re.match(r"https?://", address) for address in file.addresses)
    # Both sets of CIFAR-10 are made of one file, and MNIST's fours of the same ones as MNIST.
    sums = [
        file.sha256 or file.git_blob
        for name, one in DATA_SETS.items()
        for file in one.files
        if name not in ("cifar10_colour", "mnist_fours")
    ]
    assert len(set(sums)) == len(sums)


def test_binarised_mnist_has_the_sums_that_tensorflow_datasets_publishes() -> None:
    assert {file.name: file.sha256 for file in data_set("binarised_mnist").files} == {
        "binarized_mnist_train.amat": (
            "ad693b29f94c14277b095f5238ddefbbdaaae0939789dd2f4f0205278cee3e4d"
        ),
        "binarized_mnist_valid.amat": (
            "1de3d397c40fe8eeb33dafd4099a1f665ec01e96d9be234aaeeac8a34930e2e2"
        ),
        "binarized_mnist_test.amat": (
            "e6687bfea3f820c174f33b7865140b2a2dd2930ef786f35d45795fc193b5ab2c"
        ),
    }


def test_omniglot_is_known_by_gits_name_of_it() -> None:
    (file,) = data_set("omniglot").files
    assert file.git_blob == "016a3536ffe5e1d38e42563a18d7a78bfaf643ec"


def test_every_data_set_has_the_likelihoods_that_fit_its_pixels() -> None:
    for one in DATA_SETS.values():
        assert ("discretised_logistic" in one.likelihoods) == (one.channels == 3)
        # Nothing but Gaussian noise is a density of real vectors of any size.
        assert (one.levels is None) <= (one.likelihoods == ("gaussian_noise",))
        if one.levels == 1:
            assert one.likelihoods == ("bernoulli",)


@pytest.mark.parametrize(
    "name", sorted(name for name, one in DATA_SETS.items() if not one.is_drawn)
)
def test_the_splits_give_a_four_by_four_array_of_super_pixels(name: str) -> None:
    one = data_set(name)
    assert one.superpixel is not None
    assert one.shape == (4 * one.superpixel, 4 * one.superpixel)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("digits", (1297, 250, 250)),
        ("mnist", (50_000, 10_000, 10_000)),
        ("fashion_mnist", (50_000, 10_000, 10_000)),
        ("svhn", (73_257, 26_032, 26_032)),
        ("cifar10", (40_000, 10_000, 10_000)),
        ("cifar10_colour", (45_000, 5_000, 10_000)),
        ("binarised_mnist", (50_000, 10_000, 10_000)),
        ("omniglot", (23_000, 1_345, 8_070)),
        ("caltech101_silhouettes", (4_100, 2_264, 2_307)),
        ("mnist_fours", (5_842, 491, 491 + 9_018)),
        ("digits_fours", (121, 30, 30 + 300)),
        ("circle", (500, 500, 2_000 + 1_000)),
        ("wave", (500, 500, 2_000 + 1_000)),
    ],
)
def test_the_sizes_are_the_papers(name: str, sizes: tuple[int, int, int]) -> None:
    given = data_set(name).sizes
    assert (given.train, given.validation, given.test) == sizes


def test_only_digits_and_binary_images_have_other_than_256_levels() -> None:
    assert {name: one.levels for name, one in DATA_SETS.items() if one.levels != 255} == {
        "digits": 16,
        "binarised_mnist": 1,
        "caltech101_silhouettes": 1,
        "digits_fours": 16,
        "circle": None,
        "wave": None,
    }


def test_anomalies_are_part_of_the_test_set_and_have_other_labels_than_the_training_images() -> (
    None
):
    said = {name: (one.anomalies, one.training_label) for name, one in DATA_SETS.items()}
    assert {name: one for name, one in said.items() if one != (0, None)} == {
        "mnist_fours": (9_018, 4),
        "digits_fours": (300, 4),
        "circle": (1_000, 0),
        "wave": (1_000, 0),
    }
    assert all(one.anomalies < one.sizes.test for one in DATA_SETS.values())


def test_mnists_fours_are_made_of_mnists_files_in_mnists_folder() -> None:
    fours, mnist = data_set("mnist_fours"), data_set("mnist")
    assert (fours.files, fours.raw_name) == (mnist.files, "mnist")
    assert len(fours.files) == 4
    assert mnist.raw_name == "mnist"


def test_a_publisher_that_does_not_exist_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = tmp_path / "data_sets.yaml"
    registry.write_text(data_sets.REGISTRY.read_text().replace("_as: mnist", "_as: mnits"))
    monkeypatch.setattr(data_sets, "REGISTRY", registry)
    with pytest.raises(UserError, match=r"data_sets.yaml, line \d+.*published_as.*mnits"):
        data_sets._data_sets.__wrapped__()


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            "    training_label: 4\n    anomalies: 300\n",
            "    anomalies: 300\n",
            r"line \d+, key data_sets.digits_fours.anomalies.*no training_label",
        ),
        (
            "    anomalies: 300\n",
            "    anomalies: 330\n",
            r"line \d+, key data_sets.digits_fours.anomalies.*fewer than 330",
        ),
        (
            "    shape: [8, 8]\n    levels: 16\n",
            "    shape: [8, 8]\n",
            r"line \d+.*'levels' is missing",
        ),
        (
            "    title: Circle\n",
            "    title: Circle\n    levels: 1\n",
            r"line \d+, key data_sets.circle.levels.*no counts",
        ),
        (
            "    published_as: mnist\n",
            "    published_as: mnist\n    files: []\n",
            r"line \d+, key data_sets.mnist_fours.files.*those of mnist",
        ),
        (
            "    anomalies: 300\n",
            "    anomalies: 300\n    published_as: mnist_fours\n",
            r"line \d+, key data_sets.digits_fours.*no files beside",
        ),
    ],
)
def test_facts_that_contradict_each_other_are_refused_with_their_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, words: str
) -> None:
    text = data_sets.REGISTRY.read_text()
    assert before in text
    registry = tmp_path / "data_sets.yaml"
    registry.write_text(text.replace(before, after, 1))
    monkeypatch.setattr(data_sets, "REGISTRY", registry)
    with pytest.raises(UserError, match=rf"(?s)data_sets.yaml, {words}"):
        data_sets._data_sets.__wrapped__()


def test_who_shares_files_is_no_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = data_sets.REGISTRY.read_text()
    before, wanted = text.split("  digits_fours:\n")
    wanted = wanted.replace("    files: []\n", "    published_as: mnist_fours\n", 1)
    registry = tmp_path / "data_sets.yaml"
    registry.write_text(f"{before}  digits_fours:\n{wanted}")
    monkeypatch.setattr(data_sets, "REGISTRY", registry)
    with pytest.raises(UserError, match=r"digits_fours.published_as.*publishes them, mnist"):
        data_sets._data_sets.__wrapped__()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="write fashion_mnist"):
        data_set("fashion-mnist")


def test_the_registry_is_installed_with_the_package() -> None:
    root = Path(__file__).parent.parent.parent
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    assert "*.yaml" in settings["tool"]["setuptools"]["package-data"]["*"]
