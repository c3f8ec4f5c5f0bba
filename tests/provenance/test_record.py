"""A record says how a result came to be, and any change to either is found."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.errors import UserError
from workflow_src.provenance.record import (
    ATTEMPT_VARIABLE,
    DIFFERENCE_LIMIT,
    build_record,
    parent,
    record_is_whole,
    slurm_facts,
    untimed,
    verify_outputs,
)

STARTED = datetime(2024, 5, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))


def make(folder: Path, **more: Any) -> dict[str, Any]:
    for name, text in {"a.bin": "first", "b.bin": "second"}.items():
        (folder / name).write_text(text)
    given_values: dict[str, Any] = {
        "fingerprint": "f" * 16,
        "content": {"spec": {"model": "vae"}, "result": {"steps": 7}},
        "outputs": {name: folder / name for name in ("a.bin", "b.bin")},
        "started": STARTED,
        "ended": STARTED + timedelta(seconds=90.5),
        "threads": 2,
        "determinism": {"banked": True},
        "root": folder,
    }
    return build_record("run", **(given_values | more))


def test_a_record_holds_what_made_the_result(tmp_path: Path) -> None:
    record = make(tmp_path)
    assert set(record) == {
        "schema_version",
        "attempt",
        "kind",
        "fingerprint",
        "content",
        "environment",
        "machine",
        "git",
        "slurm",
        "threads",
        "determinism",
        "time",
        "peak_memory",
        "outputs",
        "timed_outputs",
        "result_digest",
        "parents",
        "record_digest",
    }
    assert record["time"] == {
        "started": "2024-05-01T10:00:00.000+00:00",
        "ended": "2024-05-01T10:01:30.500+00:00",
        "seconds": 90.5,
    }
    # sha256 of "first" by another program: printf first | sha256sum
    assert record["outputs"]["a.bin"] == {
        "sha256": "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e",
        "bytes": 5,
    }
    assert record["determinism"]["banked"] is True
    assert record["peak_memory"]["host_bytes"] > 1_000_000
    assert record["environment"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_a_record_survives_json(tmp_path: Path) -> None:
    record = json.loads(json.dumps(make(tmp_path)))
    assert record_is_whole(record)
    assert verify_outputs(record, tmp_path) == []


def test_a_step_that_just_ended_says_so(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    record = make(tmp_path, started=before, ended=None)
    assert 0 <= record["time"]["seconds"] < 60


@pytest.mark.parametrize(
    ("damage", "finding"),
    [
        (lambda folder: (folder / "a.bin").write_text("fIrst"), "a.bin: sha256"),
        (lambda folder: (folder / "a.bin").write_text("firs"), "a.bin: 4 bytes"),
        (lambda folder: (folder / "b.bin").unlink(), "b.bin: the file is missing"),
    ],
)
def test_a_changed_output_is_found(tmp_path: Path, damage: Any, finding: str) -> None:
    record = make(tmp_path)
    damage(tmp_path)
    (found,) = verify_outputs(record, tmp_path)
    assert finding in found


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return make(tmp_path_factory.mktemp("finished"))


@given(data=st.data())
def test_a_changed_record_is_found(finished: dict[str, Any], data: Any) -> None:
    changed = copy.deepcopy(finished)
    place: Any = changed
    while True:
        key = data.draw(st.sampled_from(sorted(place)))
        if not isinstance(place[key], dict) or not place[key]:
            break
        place = place[key]
    place[key] = "another value"
    assert not record_is_whole(changed)


def test_a_changed_record_is_a_finding(tmp_path: Path) -> None:
    (found,) = verify_outputs(make(tmp_path) | {"threads": 3}, tmp_path)
    assert "the record was changed" in found


def git(folder: Path, *words: str) -> None:
    person = ("-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run(["git", *person, *words], cwd=folder, check=True, capture_output=True)


def test_uncommitted_changes_are_kept_once_and_can_be_applied(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    (tree / "code.py").write_text("RATE = 1\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "one")
    edited = b"RATE = 2\n# not UTF-8: \xff\n"
    (tree / "code.py").write_bytes(edited)
    (tree / "new.py").write_text("SIZE = 3\n")
    sources = tmp_path / "sources"
    facts = make(tmp_path, root=tree, sources=sources)["git"]
    assert "difference" not in facts
    (copy_of_changes,) = sources.iterdir()
    assert copy_of_changes.name == facts["difference_file"]
    git(tree, "checkout", "-q", ".")
    (tree / "new.py").unlink()
    git(tree, "apply", str(copy_of_changes))
    assert (tree / "code.py").read_bytes() == edited
    assert (tree / "new.py").read_text() == "SIZE = 3\n"


def test_a_record_that_holds_its_copy_holds_only_the_beginning(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    git(tree, "init", "-q")
    (tree / "code.py").write_text("x = 1\n" * 50_000)
    facts = make(tmp_path, root=tree)["git"]
    assert len(facts["difference"]) == DIFFERENCE_LIMIT
    assert facts["difference_bytes"] > DIFFERENCE_LIMIT


def test_the_attempt_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ATTEMPT_VARIABLE, raising=False)
    assert make(tmp_path)["attempt"] is None
    monkeypatch.setenv(ATTEMPT_VARIABLE, "3")
    assert make(tmp_path)["attempt"] == 3


def test_a_parent_is_named_by_its_record_s_digest(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "run.json"
    path.parent.mkdir()
    path.write_text('{"result_digest": "r"}')
    # By another program: printf '{"result_digest": "r"}' | sha256sum
    expected = {
        "kind": "run",
        "fingerprint": "abc",
        "path": "runs/run.json",
        "sha256": "92a4211cbc1ebb44277c4fbce13b39825789839d0ce54dc613b97a8fd9d30025",
        "result_digest": "r",
    }
    assert parent("run", "abc", path, root=tmp_path) == expected
    assert parent("run", "abc", Path("runs/run.json"), root=tmp_path) == expected


def test_the_result_s_digest_is_of_what_came_out_and_not_of_when_and_where(tmp_path: Path) -> None:
    content = {"result": {"steps": 7, "device_seconds": 1.5}, "status": {"state": "completed"}}
    later = {"result": {"steps": 7, "device_seconds": 9.5}, "status": {"state": "completed"}}
    first = make(tmp_path, content=content, timed_outputs=("b.bin",))
    other = tmp_path / "other"
    other.mkdir()
    again = make(other, content=later, timed_outputs=("b.bin",), started=STARTED, threads=1)
    (other / "b.bin").write_text("another time")
    assert first["result_digest"] == again["result_digest"]
    changed = [
        make(tmp_path, content=content | {"result": {"steps": 8}}),
        make(tmp_path, content=content | {"status": {"state": "diverged"}}),
        make(tmp_path, content=content | {"metrics": [1]}),
        make(tmp_path, content=content, fingerprint="g" * 16),
        make(tmp_path, content=content),
    ]
    assert len({first["result_digest"], *(one["result_digest"] for one in changed)}) == 6


def test_an_output_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.bin"):
        make(tmp_path, outputs={"gone.bin": tmp_path / "gone.bin"})


def test_slurm_s_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "2")
    assert slurm_facts().items() >= {"job": "4711", "restarts": "2"}.items()


def test_outside_of_slurm_there_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    assert "job" not in slurm_facts()


def test_a_record_without_tensors_imports_no_torch() -> None:
    code = (
        "import sys; from datetime import datetime, UTC\n"
        "from workflow_src.provenance.record import build_record\n"
        "build_record('x', fingerprint='f', content={}, started=datetime.now(UTC))\n"
        "print(sorted({'torch', 'numpy'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_times_among_metrics_are_no_part_of_the_result(tmp_path: Path) -> None:
    def row(metric: str, value: float, unit: str) -> dict[str, Any]:
        return {"metric": metric, "value": value, "standard_error": None, "unit": unit}

    def of(bound: float, seconds: float) -> dict[str, Any]:
        rows = [row("test_log_likelihood", bound, "nats"), row("a_time", seconds, "s")]
        record: dict[str, Any] = make(tmp_path, content={"metrics": rows})
        return record

    first, slower, other = of(-1.0, 2.0), of(-1.0, 3.0), of(-1.5, 2.0)
    assert first["result_digest"] == slower["result_digest"] != other["result_digest"]
    assert first["content"] != slower["content"]
    without = [row("a_time", 2.0, "s")]
    assert make(tmp_path, content={"metrics": without})["result_digest"] != first["result_digest"]
    assert untimed(None) is None
    assert untimed([7]) == [7]
