"""What passes between the plan and its jobs: memberships, and the manifests of finished shards."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from workflow_src.audit.chain import Chain
from workflow_src.audit.files import (
    PRUNE,
    is_leftover,
    listed,
    parsed,
    parsed_membership,
    read_bytes,
)
from workflow_src.audit.findings import Notes
from workflow_src.audit.identity import Identities, check_name
from workflow_src.audit.judged import judges_in
from workflow_src.plan.fingerprints import (
    PREPARATION,
    Code,
    evaluation_fingerprint,
    prepared_fingerprint,
    run_fingerprint,
)
from workflow_src.plan.layout import OVERVIEW
from workflow_src.plan.memberships import report_membership
from workflow_src.plan.plan import Plan
from workflow_src.plan.specs import from_canonical

_NAME = re.compile(r"[0-9a-f]{16}\.json")
_KINDS = ("prepared", "shards", "evaluations", "reports")
_SAME = ("groups", "studies", "fingerprint")


class Memberships:
    """The memberships of a plan folder, each read once."""

    def __init__(self, plan: Plan, identities: Identities) -> None:
        self._plan = plan
        self._identities = identities
        self.shards: dict[str, dict[str, Any]] = {}

    def check(self, notes: Notes) -> None:
        """Every membership: its text, its digest, and the names in it."""
        folder = self._plan.layout.results / "plan"
        for entry in listed(self._plan.root / folder):
            if entry.name not in (*_KINDS, OVERVIEW) and not is_leftover(entry.name):
                expected = f"expected memberships and {OVERVIEW}, nothing else"
                notes.find("extra", folder / entry.name, expected)
        for kind in _KINDS:
            for path, content in _documents(self._plan.root, folder / kind, notes, sealed=True):
                with notes.reading(path):
                    self._check_one(path, kind, content, notes)
                notes.counted["memberships"] += 1

    def _check_one(self, path: Path, kind: str, content: dict[str, Any], notes: Notes) -> None:
        name = content["digest" if kind == "shards" else "fingerprint"]
        if path.stem != name:
            notes.find("identity", path, f"it is of {name}; expected {path.stem}, as it is called")
        place = path.as_posix()
        if kind == "prepared":
            code = self._code(place, PREPARATION, content["code"], notes)
            check_name(place, name, prepared_fingerprint(content["recipe"], code), notes)
        elif kind == "evaluations":
            model = content["axes"]["model"]
            code = self._code(place, f"evaluation of {model}", content["code"], notes)
            runs = [run["fingerprint"] for run in content["runs"]]
            judges = judges_in(content)
            made = evaluation_fingerprint(runs, content["measures"], code, judges)
            check_name(place, name, made, notes)
        elif kind == "shards":
            self.shards[name] = content
            for run in content["runs"]:
                spec = from_canonical(run["spec"])
                said = run["code"] if "code" in run else content["code"]
                code = self._code(place, f"training of {spec.model}", said, notes)
                made = run_fingerprint(spec, run["prepared"]["fingerprint"], code)
                check_name(place, run["fingerprint"], made, notes)
        elif name == self._plan.report:
            expected = report_membership(self._plan)
            if any(_placeless(content[key]) != _placeless(expected[key]) for key in _SAME):
                notes.find("identity", path, "other groups or studies; expected those of the plan")

    def _code(self, place: str, step: str, said: Mapping[str, Any], notes: Notes) -> Code:
        return self._identities.code(place, step, said, notes, planned=False)


def _placeless(value: Any) -> Any:
    """Groups with the ends of their paths alone, as results may have been moved since."""
    if not isinstance(value, list):
        return value
    return [
        one | {"path": PurePosixPath(one["path"]).parts[-5:]} if isinstance(one, dict) else one
        for one in value
    ]


def check_manifests(
    plan: Plan, chain: Chain, shards: Mapping[str, Mapping[str, Any]], notes: Notes
) -> None:
    """The manifests of finished shards: their runs are those that lie there."""
    folder = plan.layout.results / "shards"
    stale: dict[str, list[tuple[Path, str]]] = {}
    vouched: set[str] = set()
    for path, content in _documents(plan.root, folder, notes, sealed=False):
        with notes.reading(path):
            if content["digest"] != path.stem or content["schema"] != 1:
                notes.find("identity", path, f"it is of shard {content['digest']}: {path.stem}")
            _check_membership(path, content, shards.get(path.stem), notes)
            for run in content["runs"]:
                if not _check_run(path, run, chain, notes):
                    stale.setdefault(run["fingerprint"], []).append((path, run["record_sha256"]))
                else:
                    vouched.add(run["fingerprint"])
        notes.counted["manifests of shards"] += 1
    for fingerprint, places in stale.items():
        for path, digest in places:
            if ("run", fingerprint) not in chain.known:
                notes.remark(path, f"run {fingerprint} is no longer here ({PRUNE})")
            elif fingerprint in vouched:
                notes.remark(path, f"run {fingerprint} was trained anew since ({PRUNE})")
            else:
                place = chain.known["run", fingerprint].place
                notes.find(
                    "chain",
                    path,
                    f"it vouches for another record of run {fingerprint}; expected {place} to have "
                    f"sha256 {digest}, or no such manifest",
                )


def _check_membership(
    path: Path, content: Mapping[str, Any], membership: Mapping[str, Any] | None, notes: Notes
) -> None:
    if membership is None:
        return
    named = [(run["fingerprint"], run["directory"]) for run in content["runs"]]
    expected = [(run["fingerprint"], run["directory"]) for run in membership["runs"]]
    if named != expected:
        notes.find("chain", path, f"its runs are not those of its membership: {len(expected)} runs")


def _check_run(path: Path, run: Mapping[str, Any], chain: Chain, notes: Notes) -> bool:
    found = chain.known.get(("run", run["fingerprint"]))
    if found is None or found.sha256 != run["record_sha256"]:
        return False
    if run["status"] != found.content["status"]:
        notes.find("chain", path, f"the status of {run['fingerprint']}; expected {found.place}'s")
    tail = PurePosixPath(found.place).parent.parts[-4:]
    if PurePosixPath(run["directory"]).parts[-4:] != tail:
        notes.find("chain", path, f"the place of {run['fingerprint']}; expected {found.place}")
    return True


def _documents(
    root: Path, folder: Path, notes: Notes, *, sealed: bool
) -> list[tuple[Path, dict[str, Any]]]:
    """The JSON files of a folder by their shown path; what is something else is noted."""
    found = []
    for entry in listed(root / folder):
        path = folder / entry.name
        if is_leftover(entry.name):
            notes.remark(path, "left by a process that was killed")
        elif not _NAME.fullmatch(entry.name) or not entry.is_file():
            notes.find("extra", path, "expected files that are named by a fingerprint")
        else:
            with notes.reading(path):
                data = read_bytes(root / path)
                read = parsed_membership if sealed else parsed
                content = read(data, path, notes)
                if content is not None:
                    found.append((path, content))
    return found
