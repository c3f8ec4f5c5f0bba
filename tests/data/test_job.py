"""Fetching and preparing as jobs: records, whole results, refusals, and what then opens."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from workflow_src.commands import fetch as fetch_command
from workflow_src.commands import prepare as prepare_command
from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.data.binary_images import read_amat
from workflow_src.data.job import current_fingerprint, fetch_data_set, prepare_data_set
from workflow_src.data.prepared import open_prepared, prepared_files, verify_prepared
from workflow_src.errors import UserError
from workflow_src.provenance.record import record_is_whole, verify_outputs
from workflow_src.storage import sha256_file

FILES = [
    f"{prefix}-{kind}-ubyte.gz"
    for prefix in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


@pytest.fixture
def small(tmp_path: Path, idx_set_writer: Callable[..., None]) -> DataSet:
    """An MNIST-like set whose files lie in the folder `mirror`."""
    idx_set_writer(tmp_path / "mirror", 12, 5)
    files = [
        {
            "name": name,
            "mirror_names": [name],
            "addresses": ["http://127.0.0.1:9/"],
            "sha256": sha256_file(tmp_path / "mirror" / name),
        }
        for name in FILES
    ]
    facts = data_set("mnist").model_dump() | {
        "name": "small",
        "shape": [6, 6],
        "sizes": {"train": 9, "validation": 3, "test": 5},
        "files": files,
    }
    return DataSet.model_validate(facts)


def fetched(small: DataSet, tmp_path: Path) -> Path:
    fetch_data_set(small, tmp_path / "raw", tmp_path / "mirror")
    return tmp_path / "raw"


def prepared(small: DataSet, tmp_path: Path, likelihood: str = "gaussian") -> Path:
    raw = fetched(small, tmp_path)
    output = tmp_path / "prepared" / likelihood
    fingerprint = current_fingerprint(small, likelihood)
    assert prepare_data_set(small, likelihood, fingerprint, raw, output)
    return output


def record_of(directory: Path) -> dict:
    return json.loads((directory / "record.json").read_text())


def test_the_raw_record_vouches_for_the_files_and_their_origin(
    small: DataSet, tmp_path: Path
) -> None:
    raw = fetched(small, tmp_path)
    record = record_of(raw)
    assert verify_outputs(record, raw) == []
    assert sorted(record["outputs"]) == sorted(FILES)
    assert record["content"]["origins"][FILES[0]] == str(tmp_path / "mirror" / FILES[0])


def test_fetching_again_keeps_the_record_of_the_origin(small: DataSet, tmp_path: Path) -> None:
    raw = fetched(small, tmp_path)
    before = (raw / "record.json").read_bytes()
    fetch_data_set(small, raw, None)
    assert (raw / "record.json").read_bytes() == before
    (raw / "record.json").write_text("half a rec")
    fetch_data_set(small, raw, None)
    assert record_of(raw)["content"]["origins"][FILES[0]] == "already there"


@pytest.mark.parametrize(("likelihood", "kind"), [("gaussian", np.float32), ("binomial", np.uint8)])
def test_prepared_data_open_read_only_and_whole(
    small: DataSet, tmp_path: Path, likelihood: str, kind: type
) -> None:
    output = prepared(small, tmp_path, likelihood)
    data = open_prepared(output)
    assert (data.shape, data.levels, data.data_set) == ((6, 6), 255, "small")
    assert data.likelihood == likelihood
    assert data.fingerprint == current_fingerprint(small, likelihood)
    for split, count in (("train", 9), ("validation", 3), ("test", 5)):
        images = data.images(split)
        assert images.shape == (count, 36)
        assert images.dtype == kind
        assert isinstance(images, np.memmap)
        assert data.labels[split].shape == (count,)
        with pytest.raises(ValueError, match="read-only"):
            images[0, 0] = 0
    verify_prepared(output)


def test_the_prepared_record_leads_back_to_the_raw_files(small: DataSet, tmp_path: Path) -> None:
    output = prepared(small, tmp_path)
    record = record_of(output)
    assert record_is_whole(record)
    assert sorted(record["outputs"]) == sorted(prepared_files())
    (origin,) = record["parents"]
    assert origin["sha256"] == sha256_file(tmp_path / "raw" / "record.json")
    assert origin["fingerprint"] == record_of(tmp_path / "raw")["fingerprint"]
    assert set(record["content"]["noise"]["sha256"]) == {"train", "validation", "test"}
    assert "workflow_src.data.readers" in record["content"]["code"]["modules"]


def test_split_indices_are_kept_beside_the_arrays(small: DataSet, tmp_path: Path) -> None:
    with np.load(prepared(small, tmp_path) / "split_indices.npz") as indices:
        together = np.concatenate([indices[split] for split in ("train", "validation", "test")])
    assert sorted(together.tolist()) == list(range(17))


def test_two_preparations_are_equal_bit_by_bit(small: DataSet, tmp_path: Path) -> None:
    first = prepared(small, tmp_path / "a" / "..")
    sums = {name: sha256_file(first / name) for name in prepared_files()}
    first.rename(tmp_path / "moved away")
    second = prepared(small, tmp_path)
    assert sums == {name: sha256_file(second / name) for name in prepared_files()}


def test_what_is_prepared_is_not_prepared_again(small: DataSet, tmp_path: Path) -> None:
    output = prepared(small, tmp_path)
    before = (output / "record.json").read_bytes()
    fingerprint = current_fingerprint(small, "gaussian")
    assert not prepare_data_set(small, "gaussian", fingerprint, tmp_path / "raw", output)
    assert (output / "record.json").read_bytes() == before


@pytest.mark.parametrize("lost", ["record.json", "train.npy"])
def test_a_directory_that_lost_a_file_is_made_anew(
    small: DataSet, tmp_path: Path, lost: str
) -> None:
    output = prepared(small, tmp_path)
    (output / lost).unlink()
    fingerprint = current_fingerprint(small, "gaussian")
    assert prepare_data_set(small, "gaussian", fingerprint, tmp_path / "raw", output)
    verify_prepared(output)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


def test_another_fingerprint_is_refused_with_the_current_one(
    small: DataSet, tmp_path: Path
) -> None:
    raw = fetched(small, tmp_path)
    with pytest.raises(UserError) as caught:
        prepare_data_set(small, "gaussian", "0" * 16, raw, tmp_path / "out")
    assert "0" * 16 in str(caught.value)
    assert current_fingerprint(small, "gaussian") in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_fingerprints_differ_between_likelihoods_and_files(small: DataSet) -> None:
    other = small.files[0].model_copy(update={"sha256": "0" * 64})
    changed = small.model_copy(update={"files": (other, *small.files[1:])})
    fingerprints = {
        current_fingerprint(small, "gaussian"),
        current_fingerprint(small, "binomial"),
        current_fingerprint(changed, "gaussian"),
    }
    assert len(fingerprints) == 3


def test_what_was_never_fetched_is_told(small: DataSet, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has not been fetched.*fetch --data-set small"):
        prepare_data_set(
            small, "gaussian", current_fingerprint(small, "gaussian"), tmp_path, tmp_path / "out"
        )


def test_a_raw_file_that_changed_since_is_refused(small: DataSet, tmp_path: Path) -> None:
    raw = fetched(small, tmp_path)
    (raw / FILES[0]).write_bytes(b"something else")
    fingerprint = current_fingerprint(small, "gaussian")
    with pytest.raises(UserError, match=FILES[0]):
        prepare_data_set(small, "gaussian", fingerprint, raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unreadable_images_become_an_error_with_a_way_out(small: DataSet, tmp_path: Path) -> None:
    raw = fetched(small, tmp_path)
    wrong = small.model_copy(update={"shape": (5, 5)})
    with pytest.raises(UserError, match=r"5 x 5 pixels.*fetch --data-set small"):
        prepare_data_set(
            wrong, "gaussian", current_fingerprint(wrong, "gaussian"), raw, tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0, 60, 140])
def test_a_cut_array_is_refused_by_name(small: DataSet, tmp_path: Path, kept: int) -> None:
    output = prepared(small, tmp_path)
    path = output / "validation.npy"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"validation.npy.*made anew"):
        open_prepared(output)


def test_an_array_of_another_shape_is_refused(small: DataSet, tmp_path: Path) -> None:
    output = prepared(small, tmp_path)
    np.save(output / "test.npy", np.zeros((5, 35), np.float32))
    with pytest.raises(UserError, match=r"\(5, 35\).*\(5, 36\)"):
        open_prepared(output)


def test_a_missing_directory_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="workflow_src prepare"):
        open_prepared(tmp_path / "absent")


def test_a_damaged_record_is_refused(small: DataSet, tmp_path: Path) -> None:
    output = prepared(small, tmp_path)
    (output / "record.json").write_text(json.dumps({"fingerprint": "x", "content": {}}))
    with pytest.raises(UserError, match="record of the prepared data is damaged"):
        open_prepared(output)


def test_one_changed_byte_is_found_when_asked(small: DataSet, tmp_path: Path) -> None:
    output = prepared(small, tmp_path)
    content = bytearray((output / "test.npy").read_bytes())
    content[-1] ^= 1
    (output / "test.npy").write_bytes(content)
    open_prepared(output)
    with pytest.raises(UserError, match=r"test.npy.*sha256"):
        verify_prepared(output)


def run_command(module: object, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.configure(parser)  # type: ignore[attr-defined]
    return int(module.run(parser.parse_args(words)))  # type: ignore[attr-defined]


def test_the_commands_bring_digits_to_arrays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = ("--data-set", "digits", "--data-directory", str(tmp_path))
    assert run_command(fetch_command, *place) == 0
    fingerprint = current_fingerprint(data_set("digits"), "binomial")
    words = (*place, "--likelihood", "binomial", "--fingerprint", fingerprint)
    assert run_command(prepare_command, *words) == 0
    data = open_prepared(tmp_path / "prepared" / f"digits-binomial-{fingerprint}")
    assert (data.levels, data.train.shape, int(data.train.max())) == (16, (1297, 64), 16)
    assert run_command(prepare_command, *words) == 0
    assert "already there" in capsys.readouterr().err


def test_colour_images_come_with_their_channels(
    tmp_path: Path, cifar10_writer: Callable[..., None]
) -> None:
    cifar10_writer(tmp_path / "mirror" / "cifar-10-python.tar.gz", 4)
    known = data_set("cifar10_colour")
    archive = known.files[0].model_copy(
        update={"sha256": sha256_file(tmp_path / "mirror" / "cifar-10-python.tar.gz")}
    )
    sizes = known.sizes.model_copy(update={"train": 14, "validation": 6, "test": 4})
    small = known.model_copy(update={"files": (archive,), "sizes": sizes})
    data = open_prepared(prepared(small, tmp_path, "discretised_logistic"))
    assert (data.channels, data.shape, data.levels) == (3, (32, 32), 255)
    assert data.train.shape == (14, 3072)
    assert data.train.dtype == np.uint8


def test_gray_images_have_one_channel_also_where_the_record_does_not_say(
    small: DataSet, tmp_path: Path
) -> None:
    output = prepared(small, tmp_path, "bernoulli")
    data = open_prepared(output)
    assert (data.channels, data.levels, int(data.test.max())) == (1, 255, 1)
    record = json.loads((output / "record.json").read_text())
    assert record["content"].pop("channels") == 1
    (output / "record.json").write_text(json.dumps(record))
    assert open_prepared(output).channels == 1


def test_a_likelihood_that_the_data_set_does_not_have_is_refused(
    small: DataSet, tmp_path: Path
) -> None:
    raw, fingerprint = fetched(small, tmp_path), current_fingerprint(small, "discretised_logistic")
    with pytest.raises(UserError, match="expected one of gaussian, binomial, bernoulli"):
        prepare_data_set(small, "discretised_logistic", fingerprint, raw, tmp_path / "prepared")
    assert not (tmp_path / "prepared").exists()


def test_real_binarised_mnist_from_the_mirror(tmp_path: Path, mirror: Path) -> None:
    if not (mirror / "binarized_mnist").is_dir():
        pytest.skip("no real binarised MNIST at hand")
    known = data_set("binarised_mnist")
    test = next(file for file in known.files if "test" in file.name)
    (fetched_file,) = fetch_data_set(
        known.model_copy(update={"files": (test,)}), tmp_path / "raw", mirror
    )
    images = read_amat(tmp_path / "raw" / fetched_file.name)
    assert images.shape == (10_000, 28, 28)
    # As the mirror's notes say.
    assert images.mean() == pytest.approx(0.132512, abs=1e-6)


def test_real_mnist_from_the_mirror(tmp_path: Path, mirror: Path) -> None:
    place = ("--data-set", "mnist", "--data-directory", str(tmp_path))
    assert run_command(fetch_command, *place, "--mirror", str(mirror)) == 0
    assert run_command(prepare_command, *place, "--likelihood", "gaussian") == 0
    (directory,) = (tmp_path / "prepared").iterdir()
    data = open_prepared(directory)
    assert (len(data.train), len(data.validation), len(data.test)) == (50_000, 10_000, 10_000)
    assert data.labels["test"][:5].tolist() == [7, 2, 1, 0, 4]
    assert float(data.test.min()) == 0
    assert float(data.test.max()) == 1
    # MNIST's pixel mean, 0.1307, is raised by the folded noise on the four fifths that are black.
    assert 0.1307 < float(data.train.mean()) < 0.1307 + 1 / 255


def test_points_are_prepared_without_files_and_have_no_levels(tmp_path: Path) -> None:
    circle = data_set("circle")
    fetch_data_set(circle, tmp_path / "raw", None)
    fingerprint = current_fingerprint(circle, "gaussian_noise")
    output = tmp_path / "prepared"
    prepare_data_set(circle, "gaussian_noise", fingerprint, tmp_path / "raw", output)
    content = record_of(output)["content"]
    assert content["levels"] == 0
    assert "noise" not in content
    data = open_prepared(output)
    assert (data.shape, data.levels, data.train.shape) == ((1, 2), 0, (500, 2))
    assert data.labels["test"].sum() == 1000
    verify_prepared(output)


@pytest.mark.parametrize("name", ["circle", "digits_fours"])
def test_a_record_without_levels_is_damaged(name: str, tmp_path: Path) -> None:
    one = data_set(name)
    fetch_data_set(one, tmp_path / "raw", None)
    fingerprint = current_fingerprint(one, "gaussian_noise")
    output = tmp_path / "prepared"
    prepare_data_set(one, "gaussian_noise", fingerprint, tmp_path / "raw", output)
    record = record_of(output)
    del record["content"]["levels"]
    (output / "record.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=r"record of the prepared data is damaged.*levels"):
        open_prepared(output)


def test_normalised_images_say_their_noise(tmp_path: Path) -> None:
    fours = data_set("digits_fours")
    fetch_data_set(fours, tmp_path / "raw", None)
    fingerprint = current_fingerprint(fours, "gaussian_noise")
    output = tmp_path / "prepared"
    prepare_data_set(fours, "gaussian_noise", fingerprint, tmp_path / "raw", output)
    noise = record_of(output)["content"]["noise"]
    assert noise["standard_deviation"] == 0.1
    assert len(set(noise["sha256"].values())) == 3


def test_shared_files_are_fetched_into_the_publishers_folder(
    tmp_path: Path, mirror: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = argparse.Namespace(data_set="mnist_fours", data_directory=tmp_path, mirror=mirror)
    assert fetch_command.run(arguments) == 0
    assert "mnist: train-images-idx3-ubyte.gz" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["mnist"]
    arguments = argparse.Namespace(
        data_set="mnist_fours",
        likelihood="gaussian_noise",
        fingerprint=None,
        data_directory=tmp_path,
        sources=None,
    )
    assert prepare_command.run(arguments) == 0
    (record,) = tmp_path.glob("prepared/mnist_fours-gaussian_noise-*/record.json")
    (parent,) = json.loads(record.read_text())["parents"]
    assert parent["path"].endswith("raw/mnist/record.json")
