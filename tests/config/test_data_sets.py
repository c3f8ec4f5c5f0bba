"""The registry of data sets agrees with the publishers, with torchvision and with the paper."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from workflow_src.config import data_sets
from workflow_src.config.data_sets import (
    COLLECTIONS,
    DATA_SETS,
    data_set,
    unknown_data_set,
    with_members,
)
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
    ("svhn_colour", "train_32x32.mat"): "e26dedcc434d2e4c54c9b2d4a06d8373",
    ("svhn_colour", "test_32x32.mat"): "eb5a983be6a315427106f1b164d9cef3",
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
    # Both sets of CIFAR-10, and of SVHN, are made of the same files; parts have none of their own.
    sums = [
        file.sha256 or file.git_blob
        for name, one in DATA_SETS.items()
        for file in one.files
        if name not in ("cifar10_colour", "svhn_colour") and one.published_as is None
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
        # The discretised logistic is of colour alone.
        assert ("discretised_logistic" in one.likelihoods) <= (one.channels == 3)
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
        ("svhn_colour", (65_937, 7_320, 26_032)),
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
    whole = {name: one for name, one in DATA_SETS.items() if one.part_of is None}
    assert {name: one.levels for name, one in whole.items() if one.levels != 255} == {
        "digits": 16,
        "binarised_mnist": 1,
        "caltech101_silhouettes": 1,
        "digits_fours": 16,
        "circle": None,
        "wave": None,
    }
    for one in DATA_SETS.values():
        if one.part_of is not None:
            assert one.levels == DATA_SETS[one.part_of].levels


def test_anomalies_are_part_of_the_test_set_and_have_other_labels_than_the_training_images() -> (
    None
):
    said = {name: (one.anomalies, one.training_label) for name, one in DATA_SETS.items()}
    assert {name: one for name, one in said.items() if one != (0, None)} == {
        "mnist_fours": (9_018, 4),
        "digits_fours": (300, 4),
        "circle": (1_000, 0),
        "wave": (1_000, 0),
        "digits_without_0": (19, None),
        "mnist_without_0": (980, None),
        "fashion_mnist_without_0": (1_000, None),
    }
    assert all(one.anomalies < one.sizes.test for one in DATA_SETS.values())


CLASSES = ("digits", "mnist", "fashion_mnist", "svhn_colour")


@pytest.mark.parametrize("whole", CLASSES)
def test_ten_classes_make_up_a_whole_data_set(whole: str) -> None:
    names = [f"{whole}_class_{label}" for label in range(10)]
    classes = [data_set(name) for name in names]
    assert [one.training_labels for one in classes] == [(label,) for label in range(10)]
    for part in ("train", "validation", "test"):
        sizes = [getattr(one.sizes, part) for one in classes]
        assert sum(sizes) == getattr(data_set(whole).sizes, part)
    assert COLLECTIONS[f"{whole}_classes"].members == tuple(names)
    for one in classes:
        assert (one.part_of, one.judged_by, one.raw_name) == (whole, whole, whole)
        assert one.collection == f"{whole}_classes"
        same = ("shape", "channels", "levels", "superpixel", "reader", "files", "licence")
        assert all(getattr(one, fact) == getattr(data_set(whole), fact) for fact in same)
        assert one.likelihoods == ("gaussian", "binomial")
        assert str(one.training_labels[0]) in one.title
        assert "{" not in one.title + one.split


@pytest.mark.parametrize("whole", CLASSES[:3])
def test_what_lacks_a_label_is_nine_classes_and_has_the_tenth_as_anomalies(whole: str) -> None:
    without, nought = data_set(f"{whole}_without_0"), data_set(f"{whole}_class_0")
    assert without.training_labels == tuple(range(1, 10))
    assert without.anomalies == nought.sizes.test
    assert without.sizes.train == data_set(whole).sizes.train - nought.sizes.train
    assert without.sizes.validation == data_set(whole).sizes.validation - nought.sizes.validation
    assert without.sizes.test == data_set(whole).sizes.test
    assert (without.collection, without.judged_by) == (None, whole)


def test_svhns_labels_are_as_many_as_published() -> None:
    # As reported of the files; they sum to the publisher's 73,257 and 26,032. A tenth of the
    # training images of each label, rounded down, validates.
    train = (4948, 13861, 10585, 8497, 7458, 6882, 5727, 5595, 5045, 4659)
    test = (1744, 5099, 4149, 2882, 2523, 2384, 1977, 2019, 1660, 1595)
    assert (sum(train), sum(test)) == (73_257, 26_032)
    for label, (trained, tested) in enumerate(zip(train, test, strict=True)):
        sizes = data_set(f"svhn_colour_class_{label}").sizes
        assert (sizes.train, sizes.validation) == (trained - trained // 10, trained // 10)
        assert sizes.test == tested


def test_a_collection_stands_for_its_members_each_once() -> None:
    names = ["mnist", "digits_classes", "digits_class_3"]
    assert with_members(names) == ("mnist", *(f"digits_class_{label}" for label in range(10)))
    assert unknown_data_set((), "digits_classes") is None
    complaint = unknown_data_set(("data_sets", 0), "digits_clases")
    assert complaint is not None
    assert complaint.remedy == "write digits_classes"
    assert "mnist_class_3" not in str(complaint.expected)


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
        data_sets._read()


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
            "    part_of: digits\n",
            "    part_of: digit\n",
            r"line \d+, key data_sets.digits_without_0.part_of.*write digits",
        ),
        (
            "    part_of: mnist\n",
            "    part_of: digits_without_0\n",
            r"line \d+, key data_sets.mnist_without_0.part_of.*the whole, digits",
        ),
        (
            "    training_labels: [1, 2, 3, 4, 5, 6, 7, 8, 9]\n",
            "",
            r"line \d+.*'training_labels' is missing",
        ),
        (
            "    training_label: 4\n",
            "    training_label: 4\n    training_labels: [4]\n",
            r"line \d+, key data_sets.mnist_fours.training_labels.*part_of beside it",
        ),
        (
            "    for_each_label: 10\n",
            "    for_each_label: 11\n",
            r"line \d+, key data_sets.digits_class.sizes.train.*11 numbers",
        ),
        (
            "    for_each_label: 10\n",
            "    for_each_label: ten\n",
            r"line \d+, key data_sets.digits_class.for_each_label.*1 to 256",
        ),
        (
            "    collection: digits_classes\n",
            "    collection: digits_clases\n",
            r"line \d+, key data_sets.digits_class.collection.*write digits_classes",
        ),
        (
            "  digits_class:\n",
            "  digits_class_3: {}\n\n  digits_class:\n",
            r"line \d+.*two data sets digits_class_3",
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
        data_sets._read()


def test_who_shares_files_is_no_publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = data_sets.REGISTRY.read_text()
    before, wanted = text.split("  digits_fours:\n")
    wanted = wanted.replace("    files: []\n", "    published_as: mnist_fours\n", 1)
    registry = tmp_path / "data_sets.yaml"
    registry.write_text(f"{before}  digits_fours:\n{wanted}")
    monkeypatch.setattr(data_sets, "REGISTRY", registry)
    with pytest.raises(UserError, match=r"digits_fours.published_as.*publishes them, mnist"):
        data_sets._read()


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="write fashion_mnist"):
        data_set("fashion-mnist")


def test_the_registry_is_installed_with_the_package() -> None:
    root = Path(__file__).parent.parent.parent
    settings = tomllib.loads((root / "pyproject.toml").read_text())
    assert "*.yaml" in settings["tool"]["setuptools"]["package-data"]["*"]


def test_a_misspelt_name_is_told_what_is_near_and_not_everything() -> None:
    with pytest.raises(UserError) as refused:
        data_set("mnits")
    said = str(refused.value)
    assert 'unknown data set "mnits"; expected one of mnist, ' in said
    assert said.endswith("; to mend it: write mnist")
    (listed,) = re.findall(r"expected one of (.+) and \d+ more", said)
    assert len(listed.split(", ")) == 8
