"""From evaluations and releases to all that they refer to."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow_src.archive.references import (
    References,
    directory_name,
    follow,
    released,
    sources_of,
)
from workflow_src.archive.results import Results
from workflow_src.errors import UserError

A, B = "a" * 16, "b" * 16
FAMILY = "vae/digits-gaussian"
RUN_A = f"runs/{FAMILY}/100pct-seed0-{A}"
RUN_B = f"runs/{FAMILY}/100pct-seed0-{B}"
EVALUATION = f"evaluations/{FAMILY}/100pct-seed0-authors-full-{'e' * 16}"
MEASUREMENT = f"measurements/{FAMILY}/{A}-{'m' * 16}"


def test_an_evaluation_leads_to_its_candidates_and_its_measurement(tree: Any) -> None:
    found = follow(Results(tree.root), [EVALUATION])
    assert found.directories == {EVALUATION, RUN_A, RUN_B, MEASUREMENT}
    assert found.needs_checkpoint == {RUN_A}


def test_what_does_not_exist_is_not_referred_to(tree: Any) -> None:
    nowhere = f"runs/{FAMILY}/100pct-seed1-{'0' * 16}"
    found = follow(Results(tree.root), [f"evaluations/{FAMILY}/none"], [nowhere], [nowhere])
    assert found == References(frozenset(), frozenset())


def test_a_group_without_a_winner_needs_no_checkpoint(empty: Any) -> None:
    run = empty.run(A)
    evaluation = empty.evaluation("e" * 16, [run], None)
    assert follow(Results(empty.root), [evaluation]).needs_checkpoint == frozenset()


def test_runs_of_evaluations_to_come_keep_their_checkpoints(tree: Any) -> None:
    found = follow(Results(tree.root), [EVALUATION], [RUN_B], [RUN_B])
    assert found.needs_checkpoint == {RUN_A, RUN_B}


def test_a_release_refers_to_what_it_lists_and_its_winners_checkpoints(tree: Any) -> None:
    folder = tree.root.parent / "releases" / "first"
    folder.mkdir(parents=True)
    (folder / "release.json").write_text(json.dumps({"directories": [EVALUATION]}))
    found = released(tree.root.parent, Results(tree.root))
    assert found == follow(Results(tree.root), [EVALUATION])


def test_without_releases_nothing_is_released(tree: Any) -> None:
    assert released(tree.root.parent, Results(tree.root)) == References(frozenset(), frozenset())


def test_a_damaged_evaluation_is_named(tree: Any) -> None:
    tree.write(EVALUATION, "evaluation.json", {}, content={"candidates": [{}]})
    with pytest.raises(UserError, match="the evaluation is damaged"):
        follow(Results(tree.root), [EVALUATION])


def test_a_directory_has_one_name_wherever_its_results_lie() -> None:
    assert directory_name(f"/somewhere/else/{RUN_A}") == RUN_A
    assert directory_name(f"results/{RUN_A}") == RUN_A
    with pytest.raises(UserError, match="no directory of a result"):
        directory_name("results/tables/spvae_table1.md")


def test_sources_are_named_by_digest_and_the_environment_has_none() -> None:
    digest = "0" * 64
    record = {
        "content": {"code": {"modules": {"a": digest, "(environment)": "versions"}}},
        "git": {"difference_file": "1.patch"},
    }
    assert sources_of(record) == {f"{digest}.py", "1.patch"}
    assert sources_of({"content": {}, "git": {"commit": None}}) == set()
