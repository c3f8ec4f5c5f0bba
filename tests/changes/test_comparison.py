"""What a change costs, from the plans before and after it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console
from support.world import World

from workflow_src.changes.comparison import Comparison, compared
from workflow_src.changes.description import described
from workflow_src.changes.revisions import Since
from workflow_src.changes.telling_comparison import tell_comparison

Change = Callable[[], None]


def compare(world: World, change: Change) -> Comparison:
    """The comparison across ``change``, when everything had been made before it."""
    world.finish()
    before: dict[str, Any] = json.loads(json.dumps(described(world.plan())))
    change()
    return compared(Since("HEAD", "c0ffee", before, world.plan()))


def test_no_change(world: World) -> None:
    found = compare(world, lambda: None)
    assert found.steps == found.settings == found.values == found.recipes == ()
    assert len(found.runs.same) == 4
    assert found.runs.renamed == found.runs.added == found.runs.gone == ()


def test_an_edit_of_one_model(world: World) -> None:
    found = compare(world, lambda: world.edit("models/vae/model.py", "return z", "return z + 0"))
    (step,) = found.steps
    assert step.step == "training of vae"
    assert [one.line() for one in step.modules] == ["workflow_src.models.vae.model: Vae.decode"]
    assert not step.accepted
    assert len(found.runs.same) == 2
    assert len(found.runs.renamed) == len(found.runs.again) == 2
    assert len(found.evaluations.again) == 1
    assert sum(found.seconds[name] for name in found.runs.again) == 720.0


def test_what_was_not_there_is_not_made_again(world: World) -> None:
    before = json.loads(json.dumps(described(world.plan())))
    world.edit("models/shared.py", "2 * a", "a + a")
    found = compared(Since("HEAD", "c0ffee", before, world.plan()))
    assert len(found.runs.renamed) == 4
    assert found.runs.again == ()


def test_a_seed_more(world: World) -> None:
    found = compare(world, lambda: world.settings.update(seeds=[0, 1]))
    assert found.settings == ("seeds [0] -> [0, 1]",)
    assert found.values == ("spvae: seed none -> 1", "vae: seed none -> 1")
    assert (len(found.runs.same), len(found.runs.added)) == (4, 4)


def test_another_value_of_the_study(world: World) -> None:
    def change() -> None:
        world.study["training"]["batch_size"] = 8

    found = compare(world, change)
    assert found.steps == ()
    assert found.values == ("spvae: batch_size 16 -> 8", "vae: batch_size 16 -> 8")
    assert (len(found.runs.gone), len(found.runs.added)) == (4, 4)


def test_places_of_files_are_no_change(world: World) -> None:
    found = compare(world, lambda: world.settings.update(directories={"results": "elsewhere"}))
    assert found.settings == ()


def test_it_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(world, lambda: world.edit("models/vae/model.py", "return z", "return z + 0"))
    tell_comparison(found, Console())
    told = capsys.readouterr().out
    assert told.startswith("the change since HEAD (c0ffee)\n")
    assert "code of training of vae (results are made again)\n" in told
    assert "  workflow_src.models.vae.model: Vae.decode\n" in told
    rows = {line.split("  ")[0]: line.split() for line in told.splitlines()[3:]}
    assert rows["runs"] == ["runs", "2", "2", "0", "0", "2", "0.20"]
    assert rows["prepared data"][2:] == ["1", "0", "0", "0", "0", "-"]
    assert rows["report"] == ["report", "0", "1", "-", "-", "1", "-"]
    assert told.endswith(
        "of what is there, 2 runs, 1 evaluation and the report would be made again: 0.20 device "
        "hours of training (cpu)\n"
    )


def test_the_report_alone_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(world, lambda: world.edit("report/report.py", "Report", "A report"))
    tell_comparison(found, Console())
    told = capsys.readouterr().out
    assert "code of report (the report is made again)\n" in told
    assert told.endswith("of what is there, the report would be made again\n")


def test_prepared_data_are_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    found = compare(world, lambda: world.edit("data/preparation.py", "x / 255", "x / 256"))
    assert len(found.prepared.again) == 1
    tell_comparison(found, Console())
    assert ", 1 prepared data set and the report would be made" in capsys.readouterr().out
