"""Where runs, shards and other jobs stand follows from files alone."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from support.progress import DATA, EVALUATIONS, REPORT, RUNS, SHARDS, Folder, name, run_directory

from workflow_src.archive.packs import Index, PackedDirectory, PackedFile, index_content
from workflow_src.status import scanning
from workflow_src.status.scanning import Scanner, moment_in
from workflow_src.status.standing import Progress, Standing, conclude
from workflow_src.status.status import counts, look


def progress_of(folder: Folder) -> Progress:
    return conclude(Scanner(folder.results).scan())


def shards_of(progress: Progress) -> dict[str, Standing]:
    return {shard.digest: shard.standing for shard in progress.shards}


def test_at_first_everything_is_missing(folder: Folder) -> None:
    progress = progress_of(folder)
    assert set(progress.runs.values()) == {Standing.MISSING}
    assert shards_of(progress) == dict.fromkeys(SHARDS, Standing.MISSING)
    assert not progress.is_complete
    assert not progress.has_failures


def test_at_the_end_everything_is_done(folder: Folder) -> None:
    folder.finish_everything()
    progress = progress_of(folder)
    assert progress.is_complete
    assert set(progress.runs.values()) == {Standing.DONE}
    assert set(progress.evaluations.values()) == {Standing.DONE}
    assert shards_of(progress) == dict.fromkeys(SHARDS, Standing.DONE)


@pytest.mark.parametrize(
    "place",
    [
        f"{run_directory(RUNS[0])}/run.json",
        f"evaluations/vae/digits-gaussian/100pct-seed0-authors-main-{EVALUATIONS[0]}/evaluation.json",
        f"report/manifest-{REPORT}.json",
    ],
)
def test_one_missing_result_is_not_the_end(place: str, folder: Folder) -> None:
    folder.finish_everything()
    (folder.results / place).unlink()
    if not place.startswith("report"):
        (folder.results / place).parent.rmdir()
    assert not progress_of(folder).is_complete


@pytest.mark.parametrize(
    ("state", "standing"),
    [
        ("queued", Standing.QUEUED),
        ("running", Standing.RUNNING),
        ("failed", Standing.FAILED),
        ("interrupted", Standing.INTERRUPTED),
        ("finished", Standing.MISSING),
    ],
)
def test_unfinished_runs_stand_as_their_job(state: str, standing: Standing, folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    folder.say(SHARDS[0], state)
    progress = progress_of(folder)
    assert progress.runs[RUNS[0]] is Standing.DONE
    assert progress.runs[RUNS[1]] is standing
    assert progress.runs[RUNS[2]] is Standing.MISSING
    assert shards_of(progress)[SHARDS[0]] is standing


def test_counts_add_up(folder: Folder) -> None:
    folder.finish_shard(SHARDS[0])
    folder.finish_runs(RUNS[2])
    folder.say(SHARDS[1], "running")
    folder.say(SHARDS[2], "queued")
    found = counts(progress_of(folder).runs)
    assert found == {
        "all": 6,
        "done": 3,
        "running": 1,
        "silent": 0,
        "queued": 2,
        "interrupted": 0,
        "failed": 0,
        "missing": 0,
    }


@pytest.mark.parametrize(
    ("quiet", "standing"), [(60.0, Standing.RUNNING), (3600.0, Standing.SILENT)]
)
def test_a_job_without_a_sign_is_told(quiet: float, standing: Standing, folder: Folder) -> None:
    folder.say(SHARDS[0], "running", quiet=quiet)
    progress = progress_of(folder)
    assert shards_of(progress)[SHARDS[0]] is standing
    assert progress.runs[RUNS[0]] is standing


def test_clocks_of_nodes_do_not_matter(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.say(SHARDS[0], "running", updated="2001-01-01T00:00:00+00:00")
    wrong = time.time() + 7200
    monkeypatch.setattr(time, "time", lambda: wrong)
    assert shards_of(progress_of(folder))[SHARDS[0]] is Standing.RUNNING


def test_the_probe_of_the_file_systems_clock_leaves_nothing(tmp_path: Path) -> None:
    later = tmp_path / "later"
    moment = moment_in(tmp_path)
    later.touch()
    assert abs(later.stat().st_mtime - moment) < 60
    assert os.listdir(tmp_path) == ["later"]


def test_a_half_written_run_is_not_there(folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    whole = folder.results / run_directory(RUNS[0])
    whole.rename(whole.with_name(f".{whole.name}.partial-here-1-2"))
    assert progress_of(folder).runs[RUNS[0]] is Standing.MISSING


def test_a_packed_run_is_done_and_is_looked_at_no_further(folder: Folder) -> None:
    file = PackedFile(hashlib.sha256(b"{}").hexdigest(), 2)
    packed = PackedDirectory("runs.zip", {"run.json": file}, {})
    index = index_content(Index({run_directory(RUNS[0]): packed}, {"runs.zip": file}))
    folder.write("packed/index.json", index)
    assert progress_of(folder).runs[RUNS[0]] is Standing.DONE


def test_a_job_of_an_earlier_plan_counts_while_it_is_at_work(folder: Folder) -> None:
    earlier = name(0xE)
    runs = [{"fingerprint": RUNS[0]}, {"fingerprint": RUNS[4]}]
    folder.write(f"plan/shards/{earlier}.json", {"digest": earlier, "runs": runs})
    folder.say(earlier, "running")
    progress = progress_of(folder)
    assert shards_of(progress)[earlier] is Standing.RUNNING
    assert progress.runs[RUNS[0]] is Standing.RUNNING
    assert progress.runs[RUNS[4]] is Standing.RUNNING
    assert progress.runs[RUNS[1]] is Standing.MISSING


@pytest.mark.parametrize(("state", "quiet"), [("running", 3600.0), ("failed", 0.0)])
def test_what_a_job_of_an_earlier_plan_left_is_not_told(
    state: str, quiet: float, folder: Folder
) -> None:
    earlier = name(0xE)
    folder.write(f"plan/shards/{earlier}.json", {"runs": [{"fingerprint": RUNS[0]}]})
    folder.say(earlier, state, quiet=quiet)
    progress = progress_of(folder)
    assert shards_of(progress).keys() == set(SHARDS)
    assert progress.other_jobs == ()
    assert not progress.has_failures


def test_finished_shards_of_earlier_plans_count_where_their_runs_are_planned(
    folder: Folder,
) -> None:
    folder.finish_shard(SHARDS[0])
    foreign = {"fingerprint": name(0xF), "status": {"state": "completed", "reason": "-"}}
    folder.write(f"shards/{name(0xE)}.json", {"runs": [foreign]})
    del folder.overview["shards"][SHARDS[0]]
    folder.plan()
    assert shards_of(progress_of(folder)).keys() == set(SHARDS)


def test_a_manifest_of_an_earlier_plan_whose_runs_were_removed_is_no_shard(folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    rows = [{"fingerprint": run, "status": {"state": "completed", "reason": "-"}} for run in RUNS]
    folder.write(f"shards/{name(0xE)}.json", {"runs": rows[:2]})
    assert shards_of(progress_of(folder)) == dict.fromkeys(SHARDS, Standing.MISSING)
    folder.finish_runs(RUNS[1])
    # Its two runs are there now, and so are those of the plan's shard.
    done = {name(0xE): Standing.DONE, SHARDS[0]: Standing.DONE}
    assert shards_of(progress_of(folder)) == dict.fromkeys(SHARDS, Standing.MISSING) | done


def test_runs_that_are_planned_no_more_take_nothing_from_a_finished_shard(folder: Folder) -> None:
    rows = [
        {"fingerprint": run, "status": {"state": "completed", "reason": "-"}}
        for run in (RUNS[0], name(0xF))
    ]
    folder.finish_runs(RUNS[0])
    folder.write(f"shards/{name(0xE)}.json", {"runs": rows})
    assert shards_of(progress_of(folder))[name(0xE)] is Standing.DONE


@pytest.mark.parametrize(
    ("state", "quiet", "is_under_way"),
    [("running", 0.0, True), ("queued", 9e5, True), ("running", 9e5, False), ("failed", 0, False)],
)
def test_what_is_under_way_gives_signs_or_waits(
    state: str, quiet: float, is_under_way: bool, folder: Folder
) -> None:
    assert not progress_of(folder).is_under_way
    folder.say(SHARDS[0], state, quiet=quiet)
    assert progress_of(folder).is_under_way is is_under_way


def test_a_failure_counts_until_its_result_is_there(folder: Folder) -> None:
    folder.say(EVALUATIONS[0], "failed", rule="evaluate_group", reason="no memory")
    progress = progress_of(folder)
    assert progress.evaluations[EVALUATIONS[0]] is Standing.FAILED
    assert progress.has_failures
    place = folder.overview["evaluations"][EVALUATIONS[0]]
    folder.write(f"{place}/evaluation.json", {})
    assert not progress_of(folder).has_failures


@pytest.mark.parametrize(
    ("rule", "of", "counts_as_failure"),
    [
        ("prepare", DATA, True),
        ("report", REPORT, True),
        ("fetch", "digits", True),
        ("fetch", "mnist", False),
        ("prepare", name(0xF), False),
        ("evaluate_group", name(0xF), False),
    ],
)
def test_other_jobs_fail_as_well_if_they_are_of_this_plan(
    rule: str, of: str, counts_as_failure: bool, folder: Folder
) -> None:
    folder.say(of, "failed", rule=rule)
    assert progress_of(folder).has_failures is counts_as_failure


def test_nothing_has_failed_when_all_is_there(folder: Folder) -> None:
    folder.finish_everything()
    folder.say("digits", "failed", rule="fetch")
    assert not progress_of(folder).has_failures


def test_a_damaged_journal_entry_is_as_none(folder: Folder) -> None:
    folder.say(SHARDS[0], "running").write_text("{")
    assert shards_of(progress_of(folder))[SHARDS[0]] is Standing.MISSING


def test_divergence_is_known_from_manifests_alone(folder: Folder) -> None:
    folder.finish_shard(SHARDS[0], diverged=[RUNS[1]])
    for run in RUNS[:2]:
        (folder.results / run_directory(run) / "run.json").write_text("{")
    found = Scanner(folder.results).scan()
    assert found.diverged == {RUNS[1]: "diverged for a reason"}
    assert found.unknown == 0


def test_divergence_is_known_from_records_where_there_is_no_manifest(folder: Folder) -> None:
    folder.finish_runs(RUNS[2], state="diverged")
    folder.finish_runs(RUNS[3])
    found = Scanner(folder.results).scan()
    assert found.diverged == {RUNS[2]: "diverged for a reason"}
    assert found.unknown == 0


def test_what_cannot_be_read_is_counted_as_not_looked_at(folder: Folder) -> None:
    folder.finish_runs(RUNS[0])
    (folder.results / run_directory(RUNS[0]) / "run.json").write_text("{")
    found = Scanner(folder.results).scan()
    assert found.unknown == 1
    assert found.diverged == {}


def test_the_same_scanner_sees_what_changes(folder: Folder) -> None:
    scanner = Scanner(folder.results)
    seen = []
    for step in (
        lambda: folder.say(SHARDS[0], "running"),
        lambda: folder.finish_runs(RUNS[0]),
        lambda: folder.finish_shard(SHARDS[0]),
        lambda: (folder.overview["runs"].pop(RUNS[5]), folder.plan()),
    ):
        step()
        found = counts(look(scanner).progress.runs)
        seen.append((found["all"], found["done"], found["running"]))
    assert seen == [(6, 0, 2), (6, 1, 1), (6, 2, 0), (5, 2, 0)]


def test_one_scan_opens_few_records_and_the_next_goes_on(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "_LOOKED_AT", 2)
    folder.finish_runs(*RUNS[:5], state="diverged")
    scanner = Scanner(folder.results)
    seen = [(len(found.diverged), found.unknown) for found in (scanner.scan() for _ in range(4))]
    assert seen == [(2, 3), (4, 1), (5, 0), (5, 0)]


def test_finished_runs_are_opened_once(folder: Folder) -> None:
    folder.finish_runs(RUNS[0], state="diverged")
    scanner = Scanner(folder.results)
    first = scanner.scan().diverged
    (folder.results / run_directory(RUNS[0]) / "run.json").write_text(json.dumps({}))
    assert scanner.scan().diverged == first == {RUNS[0]: "diverged for a reason"}
