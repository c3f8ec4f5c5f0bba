"""What the page tells of a number's origins is what the record files say, and their bytes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.judged_world import JudgedWorld

from workflow_src.__main__ import main
from workflow_src.archive.results import Results
from workflow_src.errors import UserError
from workflow_src.lineage.records import Ground
from workflow_src.lineage.reproduce import commands_for_evaluations
from workflow_src.report.evidence import Evidence, read_evidence
from workflow_src.report.provenance_lines import provenance_lines
from workflow_src.report.training_costs import total_costs, training_costs
from workflow_src.storage import digest, write_json

COMMIT = "a" * 40
CHECKPOINT = "checkpoint.safetensors"


@pytest.fixture
def folder(judged: JudgedWorld) -> Iterator[Path]:
    """Two evaluations, of which one is judged by two classifiers; all of one commit."""
    with contextlib.chdir(judged.root):
        for path in Path("results").glob("*/*/*/*/*.json"):
            record = json.loads(path.read_text())
            record["git"] = {"commit": COMMIT, "dirty": False}
            rewrite(path, record)
        yield judged.root


def rewrite(path: Path, record: dict[str, Any]) -> None:
    record.pop("record_digest", None)
    write_json(path, record | {"record_digest": digest(record)})


def evidence_here() -> Evidence:
    (membership,) = Path("results/plan/reports").glob("*.json")
    return read_evidence(membership)


def lines_here() -> dict[str, Any]:
    """The lines of the only study, as the page gets them."""
    evidence = evidence_here()
    (study,) = evidence.studies
    told: dict[str, Any] = json.loads(json.dumps(provenance_lines(evidence, study.name)))
    return told


def record_at(directory: str | Path, kind: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((Path(directory) / f"{kind}.json").read_text())
    return record


def judged_line(lines: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    (found,) = [(name, one) for name, one in lines["evaluations"].items() if one["judges"]]
    return found


def sha256(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_every_evaluation_is_as_its_record_says(folder: Path) -> None:
    lines = lines_here()
    paths = sorted(Path("results/evaluations").glob("*/*/*/evaluation.json"))
    assert len(paths) == len(lines["evaluations"]) == 2
    for path in paths:
        record = json.loads(path.read_text())
        one = lines["evaluations"][record["fingerprint"]]
        assert one["record"] == path.as_posix()
        assert one["axes"] == record["content"]["axes"]
        assert one["seed"] == record["content"]["axes"]["seed"]
        assert (one["state"], one["reason"], one["pack"]) == ("measured", None, None)
        assert one["candidates"] == len(record["content"]["candidates"])
        assert one["run"]["fingerprint"] == record["content"]["winner"]
        measured = record_at(record["content"]["measurement"]["directory"], "measurement")
        assert one["measurement"]["fingerprint"] == measured["fingerprint"]
        assert one["measurement"]["seconds"] == measured["content"]["seconds"]
        assert one["measurement"]["images"] == measured["content"]["images"]
        for told, expected in ((one["made"], record), (one["measurement"]["made"], measured)):
            assert (told["started"], told["ended"]) == (
                expected["time"]["started"],
                expected["time"]["ended"],
            )
            assert lines["codes"][told["code"]]["digest"] == expected["content"]["code"]["digest"]


def test_a_winner_is_told_down_to_its_bytes(folder: Path) -> None:
    lines = lines_here()
    for one in lines["evaluations"].values():
        run = one["run"]
        record = record_at(run["directory"], "run")
        content = record["content"]
        assert run["here"]
        assert lines["specs"][run["spec"]] | {"seed": run["seed"]} == content["spec"]
        assert (run["state"], run["reason"]) == tuple(
            content["status"][name] for name in ("state", "reason")
        )
        assert {
            "best_validation_bound": run["validation_bound"],
            "best_step": run["best_step"],
            "steps": run["steps"],
            "parameter_count": run["parameters"],
            "device_seconds": run["device_seconds"],
        } == content["result"]
        assert run["device"] == "cpu"
        assert run["bank"] == len(content["circumstances"]["bank"])
        path = f"{run['directory']}/{CHECKPOINT}"
        assert run["checkpoint"] == {
            "path": path,
            "sha256": sha256(path),
            "bytes": Path(path).stat().st_size,
            "kept": True,
        }
        made = run["made"]
        assert made["peak_host_bytes"] == record["peak_memory"]["host_bytes"]
        assert made["seconds"] == record["time"]["seconds"]
        assert made["threads"] == record["threads"]
        assert lines["machines"][made["machine"]]["host"] == record["machine"]["host"]
        environment = lines["environments"][made["environment"]]
        assert environment["python"] == record["environment"]["python"]
        assert environment["torch"] == record["environment"]["packages"]["torch"]
        assert lines["commits"][made["commit"]]["commit"] == COMMIT


def test_data_are_told_down_to_the_published_files(folder: Path) -> None:
    lines = lines_here()
    _, one = judged_line(lines)
    data = lines["data"][one["run"]["data"]]
    assert Path(data["record"]).parent.name.endswith(one["run"]["data"])
    record = json.loads(Path(data["record"]).read_text())
    assert (data["data_set"], data["images"]) == ("digits_class_3", record["content"]["images"])
    assert data["split_sha256"] == sha256(Path(data["record"]).parent / "split_indices.npz")
    raw = json.loads(Path("data/raw/digits/record.json").read_text())
    assert data["licence"] == raw["content"]["licence"]
    # They come with scikit-learn.
    assert data["files"] == []


def test_files_that_were_fetched_have_digest_and_source(folder: Path) -> None:
    for path in Path("data/prepared").glob("*/record.json"):
        record = json.loads(path.read_text())
        record["content"]["recipe"]["files"] = {"images.gz": "b" * 32}
        rewrite(path, record)
    path = Path("data/raw/digits/record.json")
    raw = json.loads(path.read_text())
    raw["content"]["origins"] = {"images.gz": "https://example.org/images.gz"}
    raw["outputs"] = {"images.gz": {"sha256": "c" * 64, "bytes": 3}}
    rewrite(path, raw)
    told = {"name": "images.gz", "digest": "c" * 64, "source": "https://example.org/images.gz"}
    assert all(one["files"] == [told] for one in lines_here()["data"].values())
    shutil.rmtree("data/raw")
    told |= {"digest": "b" * 32, "source": None}
    assert all(one["files"] == [told] for one in lines_here()["data"].values())


def test_judges_are_told_once_and_with_their_bytes(folder: Path) -> None:
    lines = lines_here()
    _, one = judged_line(lines)
    judges = record_at(Path(one["record"]).parent, "evaluation")["content"]["judges"]
    assert one["judges"] == [judge["fingerprint"] for judge in judges]
    assert sorted(lines["judges"]) == sorted(one["judges"])
    for told in lines["judges"].values():
        assert told["checkpoint"]["sha256"] == sha256(f"{told['directory']}/{CHECKPOINT}")


def test_commands_are_those_of_trace_but_for_where_the_clone_comes_from(folder: Path) -> None:
    lines = lines_here()
    assert len(lines["commands"]) == 1
    for name, one in lines["evaluations"].items():
        told = [*lines["commands"][one["commands"]["shared"]], *one["commands"]["own"]]
        traced = commands_for_evaluations(Ground(Path("results")), [name])
        clone = f"density-bench-{COMMIT[:8]}"
        place = f'"$REPOSITORY/../{clone}"'
        top = 'REPOSITORY="$(git rev-parse --show-toplevel)"'
        mine = {top, f'git clone "$REPOSITORY" {place}', f"cd {place}"}
        (start,) = [place for place, line in enumerate(told) if line.startswith("# To be started")]
        (address,) = [line for line in traced if line.startswith("git clone ")]
        others = {address, f"cd ./{clone}"}
        assert [line for line in told if line not in {*mine, told[start]}] == [
            line for line in traced if line not in others and not line.startswith("# Python ")
        ]
        assert mine < set(told)
        # What is told must be the same wherever the results lie.
        assert str(folder) not in "\n".join(told)
        text = "\n".join(told)
        assert f"git checkout --quiet {COMMIT}" in told
        assert f"{one['run']['checkpoint']['sha256']}  {one['run']['checkpoint']['path']}" in text
        assert one["record"] in text
        assert one["run"]["directory"] not in "\n".join(next(iter(lines["commands"].values())))


def test_seeds_share_all_but_what_is_their_own(folder: Path) -> None:
    lines = lines_here()
    judges = lines["judges"].values()
    assert sorted(judge["seed"] for judge in judges) == [0, 1]
    assert len({judge["spec"] for judge in judges}) == 1
    assert len(lines["machines"]) == len(lines["environments"]) == len(lines["commits"]) == 1


def test_what_the_choice_was_about_is_told(folder: Path) -> None:
    path = next(Path("results/evaluations/vae").glob("*/*/evaluation.json"))
    record = json.loads(path.read_text())
    (candidate,) = record["content"]["candidates"]
    other = {**candidate, "fingerprint": "0" * 16, "spec": {**candidate["spec"], "batch_size": 7}}
    record["content"]["candidates"].append(other)
    rewrite(path, record)
    _, one = judged_line(lines_here())
    assert one["candidates"] == 2
    assert one["chosen"] == {"batch_size": candidate["spec"]["batch_size"]}


def test_interruptions_are_told(folder: Path) -> None:
    path = next(Path("results/runs/vae").glob("*/*/run.json"))
    record = json.loads(path.read_text())
    interrupted = {"resumed_from_step": 64, "host": "node7", "at": "2024-01-02T03:04:05+00:00"}
    record["content"]["circumstances"]["interruptions"] = [interrupted]
    rewrite(path, record)
    _, one = judged_line(lines_here())
    assert one["run"]["interruptions"] == [
        {"step": 64, "host": "node7", "at": "2024-01-02T03:04:05+00:00"}
    ]


def test_packed_results_are_told_as_loose_ones(folder: Path) -> None:
    loose = lines_here()
    Path("config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0]\n")
    assert main(["pack", "--remove-loose"]) == 0
    assert not list(Path("results/runs").glob("*/*/*/run.json"))
    packed = lines_here()
    packs = set()
    for one in packed["evaluations"].values():
        for part in (one, one["run"], one["measurement"]):
            packs.add(part["pack"])
            part["pack"] = None
    for judge in packed["judges"].values():
        judge["pack"] = None
    assert None not in packs
    assert all(Path("results/packed", pack).is_file() for pack in packs)
    assert packed == loose


def test_a_checkpoint_that_was_not_kept_is_told(folder: Path) -> None:
    path = next(Path("results/runs/vae").glob(f"*/*/{CHECKPOINT}"))
    expected = sha256(path)
    path.unlink()
    _, one = judged_line(lines_here())
    assert (one["run"]["checkpoint"]["sha256"], one["run"]["checkpoint"]["kept"]) == (
        expected,
        False,
    )


def test_a_run_without_record_is_told_by_what_others_remember(folder: Path) -> None:
    before = judged_line(lines_here())[1]["run"]
    shutil.rmtree(before["directory"])
    lines = lines_here()
    _, one = judged_line(lines)
    assert not one["run"]["here"]
    assert (one["run"]["made"], one["run"]["checkpoint"], one["run"]["data"]) == (None, None, None)
    for name in ("fingerprint", "directory", "spec", "seed", "steps", "validation_bound"):
        assert one["run"][name] == before[name]
    assert one["commands"]["own"] == []
    assert f"there is no record of {before['fingerprint']}" in one["commands"]["reason"]


def test_an_evaluation_that_is_not_there_has_its_reason(folder: Path) -> None:
    name, one = judged_line(lines_here())
    shutil.rmtree(Path(one["record"]).parent)
    missing = lines_here()["evaluations"][name]
    assert (missing["state"], missing["reason"]) == ("missing", "not evaluated yet")
    assert (missing["axes"], missing["record"]) == (one["axes"], one["record"])
    assert (missing["run"], missing["measurement"], missing["made"]) == (None, None, None)
    assert missing["commands"] == {"shared": None, "own": [], "reason": "not evaluated yet"}


def test_code_in_no_repository_is_told(folder: Path) -> None:
    for path in Path("results/evaluations").glob("*/*/*/evaluation.json"):
        record = json.loads(path.read_text())
        record["git"] = {"commit": None, "reason": "not a git work tree"}
        rewrite(path, record)
    lines = lines_here()
    for one in lines["evaluations"].values():
        told = lines["commits"][one["made"]["commit"]]
        assert (told["commit"], told["reason"]) == (None, "not a git work tree")
        assert "no clone has it (not a git work tree)" in one["commands"]["reason"]


def test_uncommitted_changes_are_told(folder: Path) -> None:
    for path in Path("results/runs").glob("*/*/*/run.json"):
        record = json.loads(path.read_text())
        changed = {"changed_files": [f"f{n:02}" for n in range(30)], "new_files": ["new"]}
        copy = {"changes_digest": "d" * 64, "difference_file": f"{'d' * 64}.patch"}
        record["git"] = {"commit": COMMIT, "dirty": True, **changed, **copy}
        rewrite(path, record)
    lines = lines_here()
    _, one = judged_line(lines)
    commit = lines["commits"][one["run"]["made"]["commit"]]
    assert commit["dirty"]
    assert commit["file_count"] == 31
    assert commit["files"][:2] == ["f00", "f01"]
    assert commit["copy"] == f"results/sources/{'d' * 64}.patch"


@pytest.mark.parametrize("kind", ["runs", "measurements"])
def test_a_record_that_was_changed_is_refused(folder: Path, kind: str) -> None:
    path = next(Path("results", kind, "vae").glob("*/*/*.json"))
    record = json.loads(path.read_text())
    record["threads"] = 99
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match="changed after it was written") as refused:
        lines_here()
    assert path.as_posix() in str(refused.value)


def test_every_record_is_read_once_for_a_whole_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: Counter[tuple[str, str]] = Counter()
    read = Results.read

    def counted(self: Results, directory: str, name: str) -> bytes:
        reads[directory, name] += 1
        return read(self, directory, name)

    monkeypatch.setattr(Results, "read", counted)
    evidence = evidence_here()
    for _ in range(2):
        for study in evidence.studies:
            provenance_lines(evidence, study.name)
            training_costs(evidence, study.name)
        total_costs(evidence)
    records = {key: count for key, count in reads.items() if key[1].endswith(".json")}
    kinds = Counter(directory.partition("/")[0] for directory, _ in records)
    assert kinds == {"evaluations": 2, "measurements": 2, "runs": 3}
    assert set(records.values()) == {1}
