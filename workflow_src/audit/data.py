"""Prepared arrays and the files that they were made from: bytes, checksums, and splits.

Test images must be nobody's training or validation images: the three sets of image numbers may not
overlap, and together they are all images, but where data are part of another data set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workflow_src.audit.chain import Chain, Read, read_of
from workflow_src.audit.files import (
    PRUNE,
    is_leftover,
    listed,
    parsed_record,
    read_bytes,
    sha256,
)
from workflow_src.audit.findings import Notes
from workflow_src.audit.identity import Identities, check_name, prepared_name
from workflow_src.audit.records import check_code
from workflow_src.config.data_sets import DATA_SETS, data_set
from workflow_src.data.arrays import SPLIT_INDICES, SPLITS
from workflow_src.data.fetching import checksum_difference
from workflow_src.data.prepared import RECORD, open_prepared, prepared_files
from workflow_src.plan.fingerprints import PREPARATION, data_recipe
from workflow_src.plan.plan import Plan
from workflow_src.storage import digest, sha256_file

LOCK = ".fetch.lock"


@dataclass(frozen=True)
class ExaminedData:
    """A prepared or raw directory as it was found, as `workflow_src.audit.records.Examined` is."""

    kind: str
    place: str
    record: dict[str, Any] | None
    sha256: str
    notes: Notes = field(default_factory=Notes, compare=False)

    @property
    def read(self) -> tuple[tuple[str, str], Read]:
        """How a chain knows it."""
        assert self.record is not None
        key = (self.kind, str(self.record["fingerprint"]))
        return key, read_of(self.place, self.sha256, self.record)


def data_directories(root: Path, data: Path) -> list[tuple[str, str]]:
    """Every prepared and raw directory that is here: its kind and its path below ``root``."""
    return [
        (kind, (data / kind / entry.name).as_posix())
        for kind in ("prepared", "raw")
        for entry in listed(root / data / kind)
        if entry.is_dir() and not entry.name.startswith(".")
    ]


def examine_data(root: Path, kind: str, directory: str) -> ExaminedData:
    """Look at every byte of one prepared or raw directory."""
    notes = Notes()
    folder = root / directory
    place = f"{directory}/{RECORD}"
    path = folder / RECORD
    if not path.is_file():
        notes.find("missing", place, "the record is missing; expected it beside what it is of")
        return ExaminedData(kind, place, None, "", notes)
    data = b""
    with notes.reading(place):
        data = read_bytes(path)
    record = parsed_record(data, place, kind, notes)
    if record is not None and not notes.findings:
        with notes.reading(place):
            _check_files(folder, directory, record, notes)
            if kind == "prepared":
                check_code(place, record["content"]["code"], notes)
                _check_arrays(folder, directory, record["content"], notes)
            else:
                _check_published(folder, directory, record, notes)
    else:
        record = None
    return ExaminedData(kind, place, record, sha256(data), notes)


def check_data(
    plan: Plan,
    examined: Iterable[ExaminedData],
    identities: Identities,
    chain: Chain,
    notes: Notes,
) -> None:
    """Names and parents of prepared data, and what of the plan's is not here."""
    planned = {data.fingerprint: data for data in plan.prepared}
    known = [one for one in examined if one.record is not None]
    other = []
    for one in known:
        if one.kind != "prepared" or one.record is None:
            continue
        with notes.reading(one.place):
            content, fingerprint = one.record["content"], one.record["fingerprint"]
            asked = planned.get(fingerprint)
            if asked is None:
                other.append(one.place)
            code = identities.code(
                one.place, PREPARATION, content["code"], notes, planned=asked is not None
            )
            check_name(one.place, fingerprint, prepared_name(content["recipe"], code), notes)
            expected = plan.layout.prepared(content["data_set"], content["likelihood"], fingerprint)
            if Path(one.place).parent != expected:
                notes.find("identity", one.place, f"its place does not fit; expected {expected}")
            _check_recipe(one.place, content, notes, now=asked is not None)
            raw = one.record["parents"][-1]["fingerprint"]
            chain.check_parents(one.place, one.record, [("raw", raw)], notes, planned=True)
    if other:
        notes.remark(
            other[0], f"prepared data of other code or settings: {len(other)} directories, whole"
        )
    _tell_absent(plan, {one.place for one in known}, chain, notes)
    for kind in ("prepared", "raw"):
        for entry in listed(plan.root / plan.layout.data / kind):
            place = plan.layout.data / kind / entry.name
            if is_leftover(entry.name):
                notes.remark(place, f"half written or damaged ({PRUNE})")
            elif not entry.is_dir() and entry.name != ".gitignore":
                notes.find("extra", place, "expected data directories and nothing else")


def _tell_absent(plan: Plan, places: set[str], chain: Chain, notes: Notes) -> None:
    wanted = {data.record.as_posix() for data in plan.prepared}
    absent = sorted(
        path
        for path in {*wanted, *chain.absent} - places
        # A directory that is here without its record has been found already.
        if not (plan.root / path).parent.is_dir()
    )
    for path in absent:
        notes.remark(path, "not verified: the data are not here")


def _check_files(folder: Path, shown: str, record: Mapping[str, Any], notes: Notes) -> None:
    outputs = record["outputs"]
    for name, expected in outputs.items():
        path = folder / name
        place = f"{shown}/{name}"
        if not path.is_file():
            notes.find("missing", place, "the file is missing; expected it as its record says")
            continue
        notes.counted["bytes in data"] += path.stat().st_size
        if (found := sha256_file(path)) != expected["sha256"]:
            notes.find(
                "changed", place, f"sha256 {found}; expected {expected['sha256']} (its record)"
            )
        elif path.stat().st_size != expected["bytes"]:
            notes.find("changed", place, f"expected {expected['bytes']} bytes (its record)")
    for entry in listed(folder):
        name, place = entry.name, f"{shown}/{entry.name}"
        if name in outputs or name == RECORD:
            continue
        if is_leftover(name) or name.endswith(".part"):
            notes.remark(place, "left by a job that was killed")
        elif name != LOCK or entry.stat().st_size:
            notes.find("extra", place, "no record knows of this file; expected it not to be there")


def _check_arrays(folder: Path, shown: str, content: Mapping[str, Any], notes: Notes) -> None:
    missing = [name for name in prepared_files() if not (folder / name).is_file()]
    if missing:
        return
    open_prepared(folder)
    import numpy as np

    place = f"{shown}/{SPLIT_INDICES}"
    try:
        with np.load(folder / SPLIT_INDICES, allow_pickle=False) as arrays:
            splits = {name: arrays[name] for name in SPLITS}
    except Exception as error:  # numpy and zipfile raise a dozen kinds
        notes.find("number", place, f"it cannot be read ({error})")
        return
    sizes = {name: len(indices) for name, indices in splits.items()}
    if sizes != {name: content["images"][name] for name in SPLITS}:
        notes.find("selection", place, f"splits of {sizes} images; expected {content['images']}")
    together = np.sort(np.concatenate(list(splits.values())))
    whole = content["recipe"].get("part_of")
    if whole is not None:
        # Of some labels only some images are kept, under the numbers that they have there.
        total = sum(whole["sizes"].values())
        if len(np.unique(together)) != len(together) or not _lie_within(together, total):
            notes.find(
                "selection",
                place,
                "training, validation and test images overlap or are of no whole; expected "
                f"different numbers from 0 to {total - 1}",
            )
    elif not np.array_equal(together, np.arange(len(together))):
        notes.find(
            "selection",
            place,
            "training, validation and test images overlap or leave images out; expected every "
            f"image from 0 to {len(together) - 1} in exactly one of them",
        )


def _lie_within(numbers: Any, total: int) -> bool:
    """Whether sorted numbers are those of so many images."""
    return not len(numbers) or bool(numbers[0] >= 0 and numbers[-1] < total)


def _check_published(folder: Path, shown: str, record: Mapping[str, Any], notes: Notes) -> None:
    """Raw files against the registry, which may have been corrected since they were fetched."""
    name = record["content"]["data_set"]
    sums = {file: one["sha256"] for file, one in record["outputs"].items()}
    made = digest({"data_set": name, "files": sums})[:16]
    check_name(f"{shown}/{RECORD}", record["fingerprint"], made, notes)
    if Path(shown).name != name:
        notes.find("identity", f"{shown}/{RECORD}", f"it is of {name}; expected its folder's name")
    for file in data_set(name).files:
        place = f"{shown}/{file.name}"
        if file.name not in record["outputs"]:
            notes.find("missing", place, "the record does not know this file of the registry")
        elif (folder / file.name).is_file():
            wrong = checksum_difference(file, folder / file.name)
            if wrong is not None:
                kind, found, expected = wrong
                notes.find("changed", place, f"{kind} {found}; expected {expected} (the registry)")


def _check_recipe(place: str, content: Mapping[str, Any], notes: Notes, *, now: bool) -> None:
    name, recipe = content["data_set"], content["recipe"]
    if now and name in DATA_SETS and recipe != data_recipe(data_set(name), content["likelihood"]):
        notes.find("identity", place, "another recipe; expected the registry's")
    said = {key: content[key] for key in ("data_set", "likelihood", "levels", "shape")}
    # Gray images need not say that they have one channel.
    same = content.get("channels", 1) == recipe.get("channels", 1)
    if (
        not same
        or said != {key: recipe[key] for key in said}
        or content["images"] != recipe["sizes"]
    ):
        notes.find("identity", place, f"it says {said}; expected what its recipe says")
