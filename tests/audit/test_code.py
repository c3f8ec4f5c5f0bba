"""Code is sought at every commit that a record names; what nothing needs may have lost its own."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from workflow_src.archive.results import Results
from workflow_src.audit.code import Needed, check_code_texts
from workflow_src.audit.findings import Notes
from workflow_src.plan.closure import meaning

TEXT = b"ANSWER = 42\n"


def record(kind: str, commit: str) -> dict[str, Any]:
    modules = {"package.module": meaning(TEXT)}
    content = {"code": {"modules": modules}}
    return {"kind": kind, "fingerprint": "0" * 16, "content": content, "git": {"commit": commit}}


def checked(root: Path, needed: Needed) -> Notes:
    notes = Notes()
    check_code_texts(Results(root / "results"), Path("results"), root, needed, notes)
    return notes


def test_any_commit_that_has_the_code_will_do(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_bytes(TEXT)
    person = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"]
    for command in (["init", "-q"], ["add", "."], [*person, "commit", "-qm", "The project"]):
        subprocess.run(["git", "-C", str(tmp_path), *command], check=True)
    asked = ["git", "-C", str(tmp_path), "rev-parse", "HEAD"]
    commit = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.strip()
    needed = Needed()
    needed.add("first", record("run", "f" * 40))
    assert [one.place for one in checked(tmp_path, needed).findings] == ["first"]
    needed.add("second", record("run", commit))
    assert checked(tmp_path, needed).findings == []


def test_prepared_data_of_other_settings_may_have_lost_their_code(tmp_path: Path) -> None:
    needed = Needed(prepared=())
    needed.add("data", record("prepared", "f" * 40))
    notes = checked(tmp_path, needed)
    assert notes.findings == []
    assert "other code or settings" in notes.remarks[0].text
    needed.add("run", record("run", "f" * 40))
    assert [one.place for one in checked(tmp_path, needed).findings] == ["run"]
