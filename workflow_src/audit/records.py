"""One result directory, loose or packed: its record, every byte of its files, nothing beside them.

What needs more than the directory itself is `workflow_src.audit.chain`'s. The directories are many
and the work is done in several processes: what comes back is small.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import CHECKPOINT, NOT_KEPT, RECORDS, Results
from workflow_src.audit import density_files, exact_densities, image_densities
from workflow_src.audit.bounds import (
    BOUNDS,
    SMOOTHED_BOUNDS,
    check_bounds,
    check_smoothed_bounds,
)
from workflow_src.audit.files import is_leftover, json_text, parsed_record, read_bytes, sha256
from workflow_src.audit.findings import Notes
from workflow_src.audit.judged import (
    JUDGED,
    NOISELESS_JUDGED,
    PREDICTIONS,
    SHARPENED_JUDGED,
    check_judged,
    check_noiseless_judged,
    check_predictions,
    check_sharpened_judged,
)
from workflow_src.audit.judged import wanted_files as wanted_of_judges
from workflow_src.audit.latent_variables import (
    DIVERGENCES,
    GLOBAL_SAMPLES,
    LOG_PARTITION,
    SMOOTHING,
    TRAINING_BOUNDS,
    check_divergences,
    check_global_samples,
    check_log_partition,
    check_smoothing,
    check_training_bounds,
    wanted_files,
)
from workflow_src.audit.leaf_posteriors import LEAF_POSTERIORS, check_leaf_posteriors
from workflow_src.audit.numbers import (
    HISTORY,
    INPAINTING,
    check_checkpoint,
    check_history,
)
from workflow_src.audit.scores import SCORES
from workflow_src.config.judges import CLASSIFICATION
from workflow_src.errors import UserError
from workflow_src.storage import digest

RECORD_KINDS = {"runs": "run", "evaluations": "evaluation", "measurements": "measurement"}

PACKAGES = ("torch", "numpy", "scipy")
"""What numbers may depend on among the installed packages."""

_Check = Callable[[str, Mapping[str, Any], bytes, Notes], None]

_CHECKS: dict[tuple[str, str], _Check] = {
    ("runs", HISTORY): check_history,
    ("runs", CHECKPOINT): check_checkpoint,
    ("measurements", BOUNDS): check_bounds,
    ("measurements", SMOOTHED_BOUNDS): check_smoothed_bounds,
    ("measurements", LEAF_POSTERIORS): check_leaf_posteriors,
    ("measurements", DIVERGENCES): check_divergences,
    ("measurements", GLOBAL_SAMPLES): check_global_samples,
    ("measurements", LOG_PARTITION): check_log_partition,
    ("measurements", SMOOTHING): check_smoothing,
    ("measurements", TRAINING_BOUNDS): check_training_bounds,
    ("measurements", JUDGED): check_judged,
    ("measurements", NOISELESS_JUDGED): check_noiseless_judged,
    ("measurements", SHARPENED_JUDGED): check_sharpened_judged,
    ("measurements", PREDICTIONS): check_predictions,
    **{("measurements", file): check for file, check in density_files.CHECKS.items()},
    **{("measurements", file): check for file, check in image_densities.CHECKS.items()},
}

_PICTURES = (*density_files.PICTURES, *image_densities.PICTURES)


@dataclass(frozen=True)
class Examined:
    """A directory as it was found.

    Attributes
    ----------
    directory:
        Relative to the results.
    place:
        Its record's path, for people.
    record:
        What it says, but for long lists; None where it could not be read or is not whole.
    sha256:
        Of the record's bytes.
    not_kept:
        Files that the record vouches for and that were left out of the pack.
    """

    directory: str
    place: str
    record: dict[str, Any] | None
    sha256: str
    not_kept: tuple[str, ...]
    notes: Notes = dataclasses.field(default_factory=Notes, compare=False)

    @property
    def kind(self) -> str:
        """``runs``, ``evaluations`` or ``measurements``."""
        return self.directory.partition("/")[0]

    @property
    def name(self) -> str:
        """The directory's own name."""
        return self.directory.rpartition("/")[2]

    @property
    def fingerprint(self) -> str:
        """What the record calls itself."""
        return str(self.record["fingerprint"]) if self.record else ""


def examine_all(results: Path, shown: Path, directories: Sequence[str]) -> list[Examined]:
    """Look at every byte of these directories; ``shown`` is how messages name the results."""
    store, packs = Results(results), Results(results, from_packs=directories)
    return [_examine(store, packs, shown, directory) for directory in directories]


def slim(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record without the lists that no comparison needs."""
    environment = record.get("environment", {})
    packages = environment.get("packages", {})
    kept = {name: packages.get(name) for name in PACKAGES}
    return {**record, "environment": {**environment, "packages": kept}}


def check_code(place: str, code: Any, notes: Notes) -> None:
    """That a record's code fingerprint is the digest of the modules that it lists."""
    if digest(code["modules"]) != code["digest"]:
        notes.find(
            "identity",
            place,
            f"the code's digest is {code['digest'][:12]}; expected "
            f"{digest(code['modules'])[:12]}, that of the modules listed",
        )


def check_output(
    place: str, expected: Mapping[str, Any], data: bytes, notes: Notes, witness: str
) -> bool:
    """Whether bytes are those that ``witness`` vouches for; what differs is noted."""
    if len(data) != expected["bytes"]:
        notes.find("changed", place, f"{len(data)} bytes; expected {expected['bytes']} ({witness})")
        return False
    if (found := sha256(data)) != expected["sha256"]:
        notes.find("changed", place, f"sha256 {found}; expected {expected['sha256']} ({witness})")
        return False
    return True


def _examine(store: Results, packs: Results, shown: Path, directory: str) -> Examined:
    notes = Notes()
    kind = directory.partition("/")[0]
    name = RECORDS[kind]
    place = (shown / directory / name).as_posix()
    record: dict[str, Any] | None = None
    data, kept = b"", {}
    with notes.reading(place):
        data = store.read(directory, name)
    if data:
        record = parsed_record(data, place, RECORD_KINDS[kind], notes)
    if notes.findings:
        record = None
    with notes.reading(place):
        kept = {file: (one.sha256, one.bytes) for file, one in store.not_kept(directory).items()}
    if record is not None:
        with notes.reading(place):
            check_code(place, record["content"]["code"], notes)
            _check_files(store, shown, directory, record, kept, notes)
    with notes.reading(place):
        _check_packing(store, shown, directory, record, data, notes)
        if record is not None and store.is_loose(directory) and store.is_packed(directory):
            _check_twice(packs, shown, directory, record, data, notes)
    notes.counted[f"bytes in {kind}"] += len(data)
    found = slim(record) if record is not None else None
    return Examined(directory, place, found, sha256(data), tuple(sorted(kept)), notes)


def _check_files(
    store: Results,
    shown: Path,
    directory: str,
    record: Mapping[str, Any],
    kept: Mapping[str, tuple[str, int]],
    notes: Notes,
) -> None:
    kind = directory.partition("/")[0]
    place = (shown / directory / RECORDS[kind]).as_posix()
    outputs = record["outputs"]
    present = set(store.names(directory))
    for name, expected in outputs.items():
        path = (shown / directory / name).as_posix()
        if name in present:
            data = _read(store, directory, name, path, notes)
            if data is None or not check_output(path, expected, data, notes, "its record"):
                continue
            notes.counted[f"bytes in {kind}"] += len(data)
            check = _CHECKS.get((kind, name))
            if check is not None:
                with notes.reading(place):
                    check(place, record, data, notes)
        elif kept.get(name) != (expected["sha256"], expected["bytes"]):
            notes.find("missing", path, "the file is missing; expected it as its record says")
        elif (kind, name) in _CHECKS and name not in (CHECKPOINT, *_PICTURES):
            notes.find("missing", path, "the file was not kept; the numbers cannot be followed")
    for name in sorted(kept.keys() - outputs.keys()):
        notes.find("extra", f"{shown / directory}/{NOT_KEPT}", f"no record knows of a {name}")
    _check_claims(place, record, outputs, notes)
    extra = present - outputs.keys() - {RECORDS[kind], *([NOT_KEPT] if kept else [])}
    for name in sorted(extra):
        path = (shown / directory / name).as_posix()
        if is_leftover(name):
            notes.remark(path, "left by a job that was killed")
        else:
            notes.find("extra", path, "no record knows of this file; expected it not to be there")


def _check_claims(
    place: str, record: Mapping[str, Any], outputs: Mapping[str, Any], notes: Notes
) -> None:
    """That a record has the files which its numbers come from."""
    content = record["content"]
    if record["kind"] == "run":
        wanted = {HISTORY}
        if content["result"]["best_validation_bound"] is not None:
            wanted.add(CHECKPOINT)
    elif record["kind"] == "measurement":
        filled_in = any(row["metric"].startswith("inpainting_") for row in content["metrics"])
        asked = content["measures"].get("inpainting")
        exact = exact_densities.are_told(content)
        wanted = density_files.wanted_files(content) if exact else {_first_file(content)}
        wanted |= {INPAINTING} if filled_in or asked else set()
        # A model of a single leaf, which has no components, has none.
        if content["measures"].get("leaf_posteriors") and "leaf_components" in content["spec"]:
            wanted.add(LEAF_POSTERIORS)
        wanted |= wanted_files(content) | wanted_of_judges(content)
        wanted |= image_densities.wanted_files(content)
    else:
        wanted = set()
    for name in sorted(wanted - outputs.keys()):
        notes.find("lacking", place, f"it vouches for no {name}; expected one beside it")


def _first_file(content: Mapping[str, Any]) -> str:
    """What the first numbers of a measurement come from that is none of exact densities."""
    evaluation = image_densities.evaluation_of(content)
    return {CLASSIFICATION: PREDICTIONS, "image_densities": SCORES}.get(evaluation, BOUNDS)


def _check_packing(
    store: Results,
    shown: Path,
    directory: str,
    record: Mapping[str, Any] | None,
    data: bytes,
    notes: Notes,
) -> None:
    """That the index of packs says what is in the pack, and `not_kept.json` what is not."""
    if store.is_loose(directory):
        path = store.root / directory / NOT_KEPT
        if path.is_file():
            text = read_bytes(path)
            values = {
                name: {"sha256": one.sha256, "bytes": one.bytes}
                for name, one in store.not_kept(directory).items()
            }
            if json_text(values) != text:
                notes.find(
                    "changed", shown / directory / NOT_KEPT, "its text was changed after unpacking"
                )
        return
    packed = store.index.directories[directory]
    own = {"sha256": sha256(data), "bytes": len(data)}
    vouched = {**(record or {}).get("outputs", {}), RECORDS[directory.partition("/")[0]]: own}
    for name, facts in packed.files.items():
        if vouched.get(name, own) != {"sha256": facts.sha256, "bytes": facts.bytes}:
            pack = (shown / "packed" / packed.pack).as_posix()
            notes.find("changed", f"{pack}: {directory}/{name}", "the index says other bytes")


def _check_twice(
    packs: Results,
    shown: Path,
    directory: str,
    loose: Mapping[str, Any],
    data: bytes,
    notes: Notes,
) -> None:
    """A directory that lies loose and packed: the packed one holds the same, or the same result."""
    name = RECORDS[directory.partition("/")[0]]
    place = (
        f"{(shown / 'packed' / packs.index.directories[directory].pack).as_posix()}: {directory}"
    )
    text, record = packs.read(directory, name), loose
    if text != data:
        parsed = parsed_record(text, f"{place}/{name}", str(loose["kind"]), notes)
        if parsed is None:
            return
        if parsed["result_digest"] != loose["result_digest"]:
            notes.find("changed", place, "packed it is another result than the loose one")
            return
        notes.remark(place, "packed it is another record than the loose one, of an equal result")
        record = parsed
    for file in packs.names(directory):
        if file == name:
            continue
        if file not in record["outputs"]:
            notes.find("extra", f"{place}/{file}", "its record does not know this file")
            continue
        packed = _read(packs, directory, file, f"{place}/{file}", notes)
        if packed is not None:
            expected = record["outputs"][file]
            check_output(f"{place}/{file}", expected, packed, notes, "its record")


def _read(store: Results, directory: str, name: str, place: str, notes: Notes) -> bytes | None:
    try:
        return store.read(directory, name)
    except UserError as error:
        notes.find("changed", place, f"it cannot be read ({error.problem})")
        return None
