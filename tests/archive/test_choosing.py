"""Of two that a directory may be, loose and packed, the one that was evaluated is packed."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from workflow_src.archive.choosing import settled
from workflow_src.archive.loose import remove_loose
from workflow_src.archive.references import References
from workflow_src.archive.results import Results
from workflow_src.errors import UserError

A, B, E = ("a" * 16, "b" * 16, "e" * 16)
RUN_A = f"runs/vae/digits-gaussian/100pct-seed0-{A}"
RUN_B = f"runs/vae/digits-gaussian/100pct-seed0-{B}"
EVALUATION = f"evaluations/vae/digits-gaussian/100pct-seed0-authors-full-{E}"


def checkpoint(tree: Any) -> bytes:
    """What the pack has of the first run."""
    return Results(tree.root, from_packs=[RUN_A]).read(RUN_A, "checkpoint.safetensors")


def test_a_run_trained_elsewhere_does_not_replace_the_one_that_was_evaluated(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    tree.remove_loose()
    tree.run(A, note=", trained elsewhere")
    tree.run(B, time="later")
    done = tree.pack()
    assert done.outvoted == (RUN_A, RUN_B)
    assert tree.packed() == before


def test_loose_copies_that_were_outvoted_stay(tree: Any) -> None:
    tree.pack()
    tree.run(A, note=", trained elsewhere")
    tree.pack()
    remove_loose(tree.root)
    assert b"trained elsewhere" in Results(tree.root).read(RUN_A, "checkpoint.safetensors")


def test_a_loose_run_that_was_evaluated_replaces_the_packed_one(tree: Any) -> None:
    tree.pack()
    runs = [tree.run(A, note=", trained again"), RUN_B]
    tree.evaluation(E, runs, RUN_A)
    tree.report(EVALUATION)
    assert tree.pack().outvoted == ()
    tree.remove_loose()
    assert b"trained again" in checkpoint(tree)


def test_of_equal_results_the_packed_one_stays_whichever_is_named(tree: Any) -> None:
    tree.pack()
    before = tree.packed()
    tree.evaluation(E, [tree.run(A, time="later"), RUN_B], RUN_A)
    tree.report(EVALUATION)
    assert tree.pack().outvoted == (EVALUATION, RUN_A)
    assert tree.packed() == before


def test_where_neither_was_evaluated_both_are_named(tree: Any) -> None:
    tree.run(A, note=", third")
    tree.pack(References(frozenset({RUN_A}), frozenset({RUN_A})))
    before = tree.packed()
    tree.run(A, note=", fourth")
    with pytest.raises(UserError, match="a loose directory and a packed one differ") as caught:
        tree.pack()
    assert RUN_A in str(caught.value)
    assert f"pack --forget {A}" in str(caught.value)
    assert tree.packed() == before


def test_what_nothing_names_stays_as_it_was_packed(empty: Any) -> None:
    empty.run(A)
    wanted = References(frozenset({RUN_A}), frozenset())
    empty.pack(wanted, all_checkpoints=True)
    before = empty.packed()
    empty.run(A, note=", trained again")
    # Also its checkpoint: another one lies where it could be put.
    empty.pack(wanted)
    assert empty.packed() == before
    empty.pack(References(frozenset(), frozenset()))
    assert empty.packed() == before


def test_without_two_of_anything_nothing_is_chosen(tree: Any) -> None:
    tree.pack()
    assert settled(tree.root, [EVALUATION]).from_packs == frozenset()
    shutil.rmtree(tree.root / "runs")
    assert settled(tree.root, [EVALUATION]).from_packs == frozenset()
