"""Published files are those of the registry, and nothing else lies beside them."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from workflow_src.audit import data
from workflow_src.audit.data import ExaminedData, examine_data
from workflow_src.config.data_sets import DATA_SETS, SourceFile
from workflow_src.provenance.record import build_record
from workflow_src.storage import digest, write_json

BYTES = b"images, as their makers publish them"
FOLDER = "data/raw/mnist"


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fetched data set of one file, which the registry knows."""
    file = SourceFile(
        name="images.gz",
        mirror_names=("images.gz",),
        addresses=("https://example.org/images.gz",),
        sha256=hashlib.sha256(BYTES).hexdigest(),
    )
    one = DATA_SETS["mnist"].model_copy(update={"files": (file,)})
    monkeypatch.setattr(data, "data_set", lambda name: one)
    folder = tmp_path / FOLDER
    folder.mkdir(parents=True)
    (folder / "images.gz").write_bytes(BYTES)
    (folder / ".fetch.lock").touch()
    write_record(folder)
    return folder


def write_record(folder: Path) -> None:
    files = {name: folder / name for name in ("images.gz",)}
    sums = {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    record = build_record(
        "raw",
        fingerprint=digest({"data_set": "mnist", "files": sums})[:16],
        content={"data_set": "mnist"},
        outputs=files,
        started=datetime.now(UTC),
    )
    write_json(folder / "record.json", record)


def examined(folder: Path) -> ExaminedData:
    return examine_data(folder.parents[2], "raw", FOLDER)


def texts(folder: Path) -> list[str]:
    return [str(finding) for finding in examined(folder).notes.findings]


def test_files_as_published_pass(raw: Path) -> None:
    one = examined(raw)
    assert one.notes.findings == []
    assert one.record is not None


def test_a_changed_file_is_found_by_record_and_registry(raw: Path) -> None:
    (raw / "images.gz").write_bytes(BYTES + b"!")
    record, registry = texts(raw)
    assert "images.gz" in record
    assert "registry" in registry


def test_a_changed_file_with_a_record_to_match_is_found_by_the_registry(raw: Path) -> None:
    (raw / "images.gz").write_bytes(BYTES + b"!")
    write_record(raw)
    (said,) = texts(raw)
    assert "(the registry)" in said


def test_missing_and_unknown_files_are_found(raw: Path) -> None:
    (raw / "other.gz").touch()
    assert "other.gz" in texts(raw)[0]
    (raw / "other.gz").unlink()
    (raw / "images.gz").unlink()
    assert "missing" in texts(raw)[0]
    (raw / "record.json").unlink()
    assert "record is missing" in texts(raw)[0]


def test_half_a_download_is_a_remark_and_a_lock_with_words_a_finding(raw: Path) -> None:
    (raw / "images.gz.part").write_bytes(BYTES[:5])
    one = examined(raw)
    assert one.notes.findings == []
    assert "images.gz.part" in str(one.notes.remarks[0])
    (raw / ".fetch.lock").write_text("words")
    assert ".fetch.lock" in texts(raw)[0]
