"""Hours left: the plan's expectation, corrected by what finished runs took, on devices at work."""

from __future__ import annotations

import pytest
from support.progress import RUNS, SHARDS, Folder

from workflow_src.status.expectation import Left
from workflow_src.status.scanning import Scanner
from workflow_src.status.status import look


def left_of(folder: Folder) -> Left:
    return look(Scanner(folder.results)).left


def test_before_anything_ran_the_plan_is_believed(folder: Folder) -> None:
    left = left_of(folder)
    assert left.device_seconds == pytest.approx(600)
    assert left.wall_seconds is None
    assert left.devices == 0
    assert left.factor is None


def test_finished_runs_correct_it(folder: Folder) -> None:
    folder.finish_runs(RUNS[0], seconds=150.0)
    folder.finish_runs(RUNS[1], seconds=350.0)
    left = left_of(folder)
    assert left.factor == pytest.approx(2.5)
    assert left.compared == 2
    assert left.device_seconds == pytest.approx(4 * 250)


def test_a_family_is_corrected_by_its_own_runs_and_others_by_all(folder: Folder) -> None:
    runs = folder.overview["runs"]
    for run, family in ((RUNS[2], "spvae/x"), (RUNS[3], "spvae/x"), (RUNS[4], "spvae/y")):
        runs[run][0] = f"runs/{family}/100pct-seed0-{run}"
    folder.plan()
    folder.finish_runs(RUNS[0], seconds=200.0)
    content = {"status": {"state": "completed", "reason": "-"}, "result": {"device_seconds": 400}}
    folder.write(f"{runs[RUNS[2]][0]}/run.json", {"content": content})
    # vae 2 times as long, spvae/x 4 times, all together 3 times.
    expected = {RUNS[1]: 200, RUNS[3]: 400, RUNS[4]: 300, RUNS[5]: 200}
    assert left_of(folder).device_seconds == pytest.approx(sum(expected.values()))


def test_runs_that_the_plan_found_finished_correct_nothing(folder: Folder) -> None:
    folder.finish_runs(RUNS[0], seconds=900.0)
    del folder.overview["shards"][SHARDS[0]]
    folder.plan()
    assert left_of(folder).factor is None


def test_shards_go_to_the_device_that_is_free_first(folder: Folder) -> None:
    seconds = [100.0, 200.0, 50.0, 50.0, 300.0, 100.0]
    for run, one in zip(RUNS, seconds, strict=True):
        folder.overview["runs"][run][1] = one
    folder.plan()
    folder.say(SHARDS[0], "running")
    folder.say(SHARDS[1], "running")
    left = left_of(folder)
    assert left.devices == 2
    assert left.device_seconds == pytest.approx(800)
    # 300 on one device; 100 and then 400 on the other.
    assert left.wall_seconds == pytest.approx(500)


def test_what_a_bank_has_behind_it_is_not_left(folder: Folder) -> None:
    # 50 seconds were spent, however many steps the runs might have.
    progress = {"step": 250, "steps_per_second": 5.0, "active_runs": 2, "maximum_steps": 100_000}
    folder.say(SHARDS[0], "running", progress=progress)
    assert left_of(folder).of_shards[SHARDS[0]] == pytest.approx(150)


@pytest.mark.parametrize(("active", "left"), [(2, 0.0), (1, 100.0), (0, 200.0)])
def test_runs_that_take_longer_than_expected_take_nothing_off_the_others(
    active: int, left: float, folder: Folder
) -> None:
    progress = {"step": 5000, "steps_per_second": 5.0, "active_runs": active}
    folder.say(SHARDS[0], "running", progress=progress)
    assert left_of(folder).of_shards[SHARDS[0]] == pytest.approx(left)


@pytest.mark.parametrize(
    "progress",
    [
        {},
        {"step": 10},
        {"step": 10, "active_runs": 1},
        {"step": 10, "steps_per_second": None, "active_runs": 1},
        {"step": 10, "steps_per_second": 0.0, "active_runs": 1},
        {"step": 10, "steps_per_second": 2.0},
        {"step": "ten", "steps_per_second": 2.0, "active_runs": 1},
        {"step": -3, "steps_per_second": 2.0, "active_runs": 1},
    ],
)
def test_progress_that_says_little_is_no_progress(
    progress: dict[str, object], folder: Folder
) -> None:
    folder.say(SHARDS[0], "running", progress=progress)
    assert left_of(folder).of_shards[SHARDS[0]] == pytest.approx(200)


def test_unexpected_runs_count_as_the_mean_of_the_others(folder: Folder) -> None:
    folder.overview["runs"][RUNS[0]][1] = None
    folder.overview["runs"][RUNS[1]][1] = 600.0
    folder.plan()
    # Four of 100, one of 600, and one of their mean, 200.
    assert left_of(folder).device_seconds == pytest.approx(1200)


def test_without_any_expectation_no_hours_are_made_up(folder: Folder) -> None:
    for facts in folder.overview["runs"].values():
        facts[1] = None
    folder.plan()
    assert left_of(folder).device_seconds is None


def test_a_run_of_no_shard_is_left_as_well(folder: Folder) -> None:
    folder.overview["shards"].pop(SHARDS[2])
    folder.plan()
    assert left_of(folder).device_seconds == pytest.approx(600)


def test_a_run_in_two_shards_is_counted_once(folder: Folder) -> None:
    folder.overview["shards"][SHARDS[1]]["runs"] = list(RUNS[1:4])
    folder.plan()
    folder.say(SHARDS[1], "running")
    left = left_of(folder)
    assert left.device_seconds == pytest.approx(600)
    assert left.of_shards[SHARDS[0]] == pytest.approx(100)
    assert left.of_shards[SHARDS[1]] == pytest.approx(300)
