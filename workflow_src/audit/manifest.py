"""The report's manifest, and that nothing lies in the results which nothing vouches for."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from workflow_src.archive.packs import FOLDER
from workflow_src.archive.results import RECORDS, SOURCES, Results
from workflow_src.audit.chain import Chain
from workflow_src.audit.files import (
    PRUNE,
    files_below,
    is_leftover,
    listed,
    parsed_record,
    read_bytes,
)
from workflow_src.audit.findings import Kind, Notes
from workflow_src.audit.identity import Identities
from workflow_src.audit.records import check_code, check_output
from workflow_src.audit.tables import NOT_THERE
from workflow_src.cluster.drivers import FOLDER as DRIVERS
from workflow_src.jobs.journal import FOLDER as JOBS
from workflow_src.plan.exclusive import LOCK_FILE
from workflow_src.plan.fingerprints import REPORT
from workflow_src.plan.layout import STATE_FILE
from workflow_src.plan.plan import Plan
from workflow_src.report.manifests import SNAKEMAKE_MARK

_REPORTED = ("tables", "figures", "plots", "report")
_OTHER_FOLDERS = (JOBS, "comparisons", "logs", "plan", "shards", "states", SOURCES, FOLDER)
_ENTRY = re.compile(r"[a-z_]+-[a-z0-9_]+\.json")
_KEPT_IN_GIT = ("README.md", ".gitignore", LOCK_FILE)


def check_manifest(
    plan: Plan, chain: Chain, identities: Identities, notes: Notes
) -> dict[str, Any] | None:
    """The report's own record, and every byte that it vouches for; None where there is none."""
    wanted = plan.layout.report_manifest(plan.report)
    folder = wanted.parent
    vouched: set[str] = set()
    found: dict[str, Any] | None = None
    made = (plan.root / wanted).is_file()
    for path in sorted((plan.root / folder).glob("manifest-*.json")):
        place = (folder / path.name).as_posix()
        if made and path.name != wanted.name:
            notes.find(
                "extra",
                place,
                f"a manifest of another report; expected {wanted.name} alone (remove it; when its "
                "settings are asked for again, a start of snakemake makes that report)",
            )
            continue
        data = b""
        with notes.reading(place):
            data = read_bytes(path)
        record = parsed_record(data, place, "report", notes)
        if record is None:
            continue
        with notes.reading(place):
            vouched |= _check_outputs(plan, record, notes)
            check_code(place, record["content"]["code"], notes)
            if path.name != f"manifest-{record['fingerprint']}.json":
                notes.find("identity", place, f"it is of {record['fingerprint']}: another name")
            if path.name == wanted.name:
                found = record
                _check_content(plan, place, record, chain, identities, notes)
    if not made:
        notes.find("unmade", wanted, "the report of these settings and this code is not yet made")
    _check_listing(plan, vouched, notes, interim=not made)
    return found


def check_directories(plan: Plan, results: Results, notes: Notes) -> None:
    """That runs, evaluations and measurements hold result directories and nothing else."""
    shown = plan.layout.results
    for kind, record in RECORDS.items():
        for model in listed(results.root / kind):
            _check_level(results, shown, f"{kind}/{model.name}", model.is_dir(), record, 1, notes)


def _check_level(
    results: Results,
    shown: Path,
    name: str,
    is_folder: bool,
    record: str,
    depth: int,
    notes: Notes,
) -> None:
    place = shown / name
    if is_leftover(place.name):
        notes.remark(place, f"half written, damaged or on its way out ({PRUNE})")
    elif not is_folder:
        notes.find("extra", place, "expected result directories and nothing else")
    elif depth < 3:
        for entry in listed(results.root / name):
            below = f"{name}/{entry.name}"
            _check_level(results, shown, below, entry.is_dir(), record, depth + 1, notes)
    elif not (results.root / name / record).is_file():
        if listed(results.root / name):
            notes.find("missing", place / record, "the record is missing; expected it there")
        else:
            notes.remark(place, f"empty, as a job leaves it that was killed ({PRUNE})")


def tell_states(plan: Plan, notes: Notes) -> None:
    """A remark on what interrupted runs have left to go on from."""
    folder = plan.layout.results / "states"
    states = [one for one in listed(plan.root / folder) if Path(one, STATE_FILE).is_file()]
    if states:
        notes.remark(
            folder,
            f"{len(states)} interrupted runs left states, no results yet ({PRUNE} when done)",
        )
    for entry in listed(plan.root / folder):
        if not entry.is_dir():
            notes.find("extra", folder / entry.name, "expected states of interrupted runs alone")


def check_journal(plan: Plan, notes: Notes) -> None:
    """Find what lies among the journal's entries and is none; what they say proves nothing."""
    folder = plan.layout.results / JOBS
    for entry in listed(plan.root / folder):
        known = entry.name == DRIVERS if entry.is_dir() else _ENTRY.fullmatch(entry.name)
        if not known and not entry.name.startswith("."):
            notes.find("extra", folder / entry.name, "expected entries of jobs alone")


def _check_outputs(plan: Plan, record: Mapping[str, Any], notes: Notes) -> set[str]:
    """Compare the files that a report vouches for; their paths relative to the results."""
    folder = plan.layout.report_manifest(plan.report).parent
    vouched = set()
    for name, expected in record["outputs"].items():
        path = Path(os.path.normpath(folder / name))
        vouched.add(Path(os.path.relpath(path, plan.layout.results)).as_posix())
        if not (plan.root / path).is_file():
            notes.find("missing", path, NOT_THERE)
            continue
        with notes.reading(path):
            data = read_bytes(plan.root / path)
            check_output(path.as_posix(), expected, data, notes, "the report's manifest")
            notes.counted["bytes in reports"] += len(data)
    return vouched


def _check_content(
    plan: Plan,
    place: str,
    record: Mapping[str, Any],
    chain: Chain,
    identities: Identities,
    notes: Notes,
) -> None:
    content = record["content"]
    identities.code(place, REPORT, content["code"], notes, planned=True)
    expected = [("evaluation", one.fingerprint) for one in plan.evaluations]
    chain.check_parents(place, record, expected, notes, planned=True)
    shown = {
        "studies": [study.name for study in plan.studies],
        "groups": sum(len(one.groups) for one in plan.evaluations),
    }
    for name, value in shown.items():
        if content[name] != value:
            notes.find("number", place, f"{name}: {content[name]}; expected {value}, the plan's")


def _check_listing(plan: Plan, vouched: Collection[str], notes: Notes, *, interim: bool) -> None:
    shown = plan.layout.results
    folders = {*_REPORTED, *_OTHER_FOLDERS, *RECORDS}
    names = []
    for entry in listed(plan.root / shown):
        if entry.name in _REPORTED and entry.is_dir():
            below = files_below(plan.root / shown / entry.name)
            # Snakemake marks the directories that it knows as outputs, by an empty file.
            names += [
                path.relative_to(plan.root / shown).as_posix()
                for path in below
                if path.name != SNAKEMAKE_MARK or path.lstat().st_size
            ]
        elif entry.name not in (*folders, *_KEPT_IN_GIT) and not entry.name.endswith(".dvc"):
            names.append(entry.name)
    for name in names:
        if is_leftover(name.rpartition("/")[2]):
            notes.remark(shown / name, f"half written ({PRUNE})")
        elif not _is_manifest(name) and name not in vouched:
            # An interim report has no manifest, as not all that it shows is there.
            kind: Kind = "unmade" if interim else "extra"
            notes.find(kind, shown / name, "no manifest of a report vouches for it")


def _is_manifest(name: str) -> bool:
    """Whether a name is that of a report's manifest, which is checked for itself."""
    return name.startswith("report/manifest-") and name.endswith(".json")
