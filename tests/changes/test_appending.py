"""Acceptances that are written at the same time are all kept."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from workflow_src.errors import UserError
from workflow_src.plan.acceptances import (
    Acceptance,
    Replacement,
    append_acceptance,
    identifier_of,
    read_acceptances,
)

WRITERS = 6


def entry(number: int, why: str = "because") -> Acceptance:
    made = Acceptance(
        identifier="0" * 12,
        why=why,
        by="nobody",
        at="now",
        since="c0ffee",
        until="decaf",
        steps={f"training of model{number}": Replacement(old="a" * 64, new="b" * 64)},
    )
    return made.model_copy(update={"identifier": identifier_of(made.model_dump(mode="json"))})


def append_at_once(package: Path, number: int, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    append_acceptance(package, entry(number))


def test_none_of_many_writers_loses_its_entry(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    start = context.Barrier(WRITERS)
    writers = [
        context.Process(target=append_at_once, args=(tmp_path, number, start))
        for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    steps = {step for one in read_acceptances(tmp_path).entries for step in one.steps}
    assert steps == {f"training of model{number}" for number in range(WRITERS)}


def test_one_change_is_accepted_once(tmp_path: Path) -> None:
    append_acceptance(tmp_path, entry(1))
    with pytest.raises(UserError, match="was accepted meanwhile"):
        append_acceptance(tmp_path, entry(1, "another word"))
