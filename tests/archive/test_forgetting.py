"""What is forgotten is gone with all that was made from it, whenever it was interrupted."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workflow_src.archive.forgetting import forget
from workflow_src.archive.loose import remove_loose
from workflow_src.archive.packs import read_index
from workflow_src.archive.references import refuse_incomplete
from workflow_src.archive.results import KINDS, Results
from workflow_src.errors import UserError

A, B, C, E, F, M = (letter * 16 for letter in "abcefm")
FAMILY = "vae/digits-gaussian"
RUN_A, RUN_B, RUN_C = (f"runs/{FAMILY}/100pct-seed0-{name}" for name in (A, B, C))
EVALUATION = f"evaluations/{FAMILY}/100pct-seed0-authors-full-{E}"


@pytest.fixture
def two(tree: Any) -> Any:
    """The tree, packed, with a second evaluation of another run, which stays."""
    tree.evaluation(F, [tree.run(C)], RUN_C)
    tree.report(EVALUATION)
    tree.pack()
    return tree


def kinds(names: list[str]) -> set[str]:
    return {name.split("/")[0] for name in names}


def test_a_forgotten_run_goes_with_what_was_made_from_it(two: Any) -> None:
    shutil.rmtree(two.root / RUN_B)
    assert kinds(forget(two.root, A)) == {"runs", "evaluations", "measurements"}
    results = Results(two.root)
    assert results.directories("runs") == [RUN_B, RUN_C]
    assert [name[-16:] for name in results.directories("evaluations")] == [F]
    assert list((two.root / "report").iterdir()) == []
    assert results.read(RUN_B, "run.json")


def test_forgetting_works_without_packs_and_names_what_it_does_not_know(tree: Any) -> None:
    forget(tree.root, B)
    assert Results(tree.root).directories("runs") == [RUN_A]
    assert not (tree.root / "packed").exists()
    for name in ("0123456789abcdef", "", A[:8]):
        with pytest.raises(UserError, match=f"there is no run.* {name}"):
            forget(tree.root, name)
    assert Results(tree.root).directories("runs") == [RUN_A]


def test_an_evaluation_goes_alone_and_a_measurement_with_its_evaluations(two: Any) -> None:
    assert forget(two.root, E) == [EVALUATION]
    assert kinds(forget(two.root, M)) == {"evaluations", "measurements"}
    assert Results(two.root).directories("runs") == [RUN_A, RUN_B, RUN_C]


def test_what_was_made_from_a_run_that_is_gone_can_be_forgotten(tree: Any) -> None:
    shutil.rmtree(tree.root / RUN_B)
    with pytest.raises(UserError, match=f"start Snakemake.*pack --forget {B}"):
        refuse_incomplete(Results(tree.root), [EVALUATION])
    assert forget(tree.root, B) == [EVALUATION]
    refuse_incomplete(Results(tree.root), [EVALUATION])


def test_what_was_made_from_a_measurement_that_is_gone_can_be_forgotten(tree: Any) -> None:
    shutil.rmtree(tree.root / "measurements")
    with pytest.raises(UserError, match=f"`dvc pull`.*, or drop .*pack --forget {M}"):
        refuse_incomplete(Results(tree.root), [EVALUATION])
    assert forget(tree.root, M) == [EVALUATION]


def test_what_a_release_refers_to_is_not_forgotten(two: Any) -> None:
    before = two.packed(), two.loose()
    with pytest.raises(UserError, match="a release refers to"):
        forget(two.root, A, released=[EVALUATION])
    assert (two.packed(), two.loose()) == before
    forget(two.root, C, released=[EVALUATION])


@pytest.mark.parametrize("text", ["{}", "[]", "", '{"content": []}', '{"content": {"winner": 1}}'])
def test_a_damaged_evaluation_is_named_and_can_be_forgotten(tree: Any, text: str) -> None:
    (tree.root / EVALUATION / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=f"damaged.*pack --forget {E}"):
        forget(tree.root, A)
    assert forget(tree.root, E) == [EVALUATION]
    assert kinds(forget(tree.root, A)) == {"measurements", "runs"}


def test_a_damaged_report_does_not_keep_a_run(two: Any) -> None:
    (two.root / "report" / f"manifest-{'9' * 16}.json").write_text("[]")
    forget(two.root, A)


class Killer:
    """Kills at the change of the file system with this number, as if the process had ended."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.count = itertools.count()
        self.dead = False

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patched:
            for owner, name in ((Path, "replace"), (Path, "rename"), (Path, "unlink")):
                patched.setattr(owner, name, self.watched(getattr(owner, name)))
            patched.setattr(shutil, "rmtree", self.watched(shutil.rmtree))
            try:
                yield
            except KeyboardInterrupt:
                assert self.dead

    def watched(self, change: Any) -> Any:
        def now(*arguments: Any, **options: Any) -> Any:
            self.dead = self.dead or next(self.count) == self.at
            if self.dead:
                raise KeyboardInterrupt
            return change(*arguments, **options)

        return now


def changes_of_forgetting(tree: Any) -> int:
    killer = Killer(-1)
    with killer.at_work():
        forget(tree.root, A)
    return next(killer.count)


@pytest.mark.parametrize("loose", [("runs",), ("evaluations",), KINDS, ()])
def test_whenever_it_is_killed_everything_goes_on(two: Any, loose: tuple[str, ...]) -> None:
    kept = two.root.with_name("kept")
    for kind in set(KINDS) - set(loose):
        shutil.rmtree(two.root / kind)
    shutil.copytree(two.root, kept)
    number = changes_of_forgetting(two)
    assert number > 5
    for at in range(number):
        shutil.rmtree(two.root)
        shutil.copytree(kept, two.root)
        killer = Killer(at)
        with killer.at_work():
            forget(two.root, A)
        assert killer.dead
        goes_on(two, kept)


def goes_on(tree: Any, kept: Path) -> None:
    """Everything is readable, packing works, forgetting works, and the rest is as it was."""
    index = read_index(tree.root)
    assert index.packs.keys() <= set(os.listdir(tree.root / "packed"))
    results = Results(tree.root)
    for kind in KINDS:
        for directory in results.directories(kind):
            for name in results.names(directory):
                results.read(directory, name)
    refuse_incomplete(results, tree.evaluations)
    tree.pack()
    with contextlib.suppress(UserError):
        forget(tree.root, A)
    tree.pack()
    remove_loose(tree.root)
    after, before = Results(tree.root), Results(kept)
    assert [name[-16:] for name in after.directories("runs")] in ([B, C], [C])
    assert [name[-16:] for name in after.directories("evaluations")] == [F]
    for name in ("run.json", "checkpoint.safetensors"):
        assert after.read(RUN_C, name) == before.read(RUN_C, name)
    assert json.loads(after.read(RUN_C, "run.json"))["fingerprint"] == C
