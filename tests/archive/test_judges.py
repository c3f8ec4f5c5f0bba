"""Judges among what evaluations lead to: kept with checkpoints, and gone with what they judged."""

from __future__ import annotations

from support.judged_world import JudgedWorld

from workflow_src.archive.forgetting import forget
from workflow_src.archive.references import follow, parts_of
from workflow_src.archive.results import Results


def directories(world: JudgedWorld) -> tuple[str, list[str]]:
    """The evaluation that has judges, and these."""
    one = world.judged(world.plan())
    judges = [judge.directory.relative_to("results").as_posix() for judge in one.judges]
    return one.directory.relative_to("results").as_posix(), judges


def test_an_evaluation_leads_to_its_judges_and_their_checkpoints(
    finished_judged: JudgedWorld,
) -> None:
    results = Results(finished_judged.root / "results")
    evaluation, judges = directories(finished_judged)
    parts = parts_of(results, evaluation)
    assert list(parts.judges) == judges
    assert not set(judges).intersection(parts.candidates)
    found = follow(results, [evaluation])
    assert set(judges) <= found.directories
    assert found.needs_checkpoint == {*judges, parts.winner}


def test_what_a_judge_judged_goes_with_it(judged: JudgedWorld) -> None:
    root = judged.root / "results"
    evaluation, judges = directories(judged)
    measurement = parts_of(Results(root), evaluation).measurement
    dropped = forget(root, judges[1].rpartition("-")[2])
    assert {evaluation, measurement, judges[1]} <= set(dropped)
    assert judges[0] not in dropped
    assert not (root / str(measurement)).exists()
    plan = judged.plan()
    assert list(plan.missing) == [judges[1].rpartition("-")[2]]
    assert not judged.judged(plan).exists
