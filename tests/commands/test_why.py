"""`why` says what would run and the reason, and of what is there since when."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.world import SOURCES, World

from workflow_src import __main__ as command_line
from workflow_src.commands import why
from workflow_src.plan.acceptances import (
    Acceptance,
    Replacement,
    append_acceptance,
    identifier_of,
)
from workflow_src.plan.plan import build_plan

Why = Callable[..., str]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    package = tmp_path / "code" / "workflow_src"
    for name, text in SOURCES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    monkeypatch.setattr(
        why, "build_plan", lambda settings: build_plan(settings, package_root=package)
    )
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    (root / "config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0]\n")
    made = World(package, root)
    made.plan()
    return made


@pytest.fixture
def asked(capsys: pytest.CaptureFixture[str]) -> Why:
    def ask(*words: str, code: int = 0) -> str:
        assert command_line.main(["why", *words]) == code
        told = capsys.readouterr()
        return told.err if code else told.out

    return ask


def test_counts_reasons_and_hours(world: World, asked: Why) -> None:
    world.finish()
    world.edit("models/vae/model.py", "return z", "return z + 0")
    told = asked().splitlines()
    assert told[0] == (
        "would be made: 2 runs, 1 evaluation, the report; 0.20 device hours of training (cpu)"
    )
    assert told[1].split() == ["reason", "what", "of", "runs", "evaluations", "hours"]
    row = ["code", "workflow_src.models.vae.model:", "Vae.decode", "vae", "2", "1", "0.20"]
    assert told[2].split() == row


def test_nothing_to_run(world: World, asked: Why) -> None:
    world.finish()
    assert asked() == "nothing to run: everything that the settings ask for is there\n"


def test_an_experiment_alone(world: World, asked: Why) -> None:
    told = asked("table1")
    assert told.startswith("tiny/table1: 4 runs, 2 evaluations\n")
    assert "spvae, digits, gaussian, 1.0, 0, authors, full" in told
    world.finish()
    assert "nothing to run" in asked("tiny/table1")


def test_a_missing_run(world: World, asked: Why) -> None:
    plan = world.plan()
    name = plan.missing[0]
    told = asked(name)
    assert "missing; training takes" in told
    assert "asked for by: tiny/table1" in told
    assert "  spvae: nothing of this model was trained yet" in told


def test_a_run_that_is_there(world: World, asked: Why) -> None:
    world.commit = "c0ffee"
    plan = world.finish()
    told = asked(next(iter(plan.runs.values())).directory.as_posix())
    assert "up to date" in told
    assert "since 2026-01-02T03:04:05.000+00:00, on somewhere" in told
    assert "made by commit c0ffee" in told
    assert "acceptance" not in told


def test_an_evaluation_that_is_there(world: World, asked: Why) -> None:
    plan = world.finish()
    told = asked(plan.evaluations[0].fingerprint)
    assert "chooses among 2 runs, of which 0 are missing\nup to date\n" in told


def test_a_run_that_counts_through_an_acceptance(world: World, asked: Why) -> None:
    before = world.finish()
    world.edit("models/vae/model.py", "return z", "return z + 0")
    code, after = before.closures.of_model("vae"), world.plan()
    entry = Acceptance(
        identifier="0" * 12,
        why="adding nothing",
        by="nobody",
        at="now",
        since="c0ffee",
        until="decaf",
        steps={code.step: Replacement(old=code.digest, new=after.closures.of_model("vae").digest)},
        evidence=(
            {"step": "training of vae", "family": "digits-gaussian, cpu", "equal": True},
            {"step": "training of vae", "family": "digits-binomial, cpu", "equal": True},
            {"step": "training of spvae", "family": "digits-gaussian, cpu", "equal": None},
        ),
    )
    identifier = identifier_of(entry.model_dump(mode="json"))
    append_acceptance(world.package, entry.model_copy(update={"identifier": identifier}))
    assert "nothing to run" in asked()
    by_model = {run.spec.model: name for name, run in before.runs.items()}
    told = asked(by_model["vae"])
    assert f"counts through acceptance {identifier} (now, nobody): adding nothing; 1 of 1" in told
    evaluation = next(one for one in before.evaluations if one.axes["model"] == "vae")
    said = "1 of 1 checks of training of vae on digits-gaussian ran again and were bit-equal"
    assert said in asked(evaluation.fingerprint)
    assert "acceptance" not in asked(by_model["spvae"])


def test_a_run_that_nothing_asks_for(world: World, asked: Why) -> None:
    plan = world.finish()
    world.edit("models/shared.py", "2 * a", "a + a")
    assert "nothing that the settings ask for refers to it" in asked(next(iter(plan.runs)))


def test_a_record_of_a_newer_schema_is_refused(world: World, asked: Why) -> None:
    plan = world.finish()
    name, run = next(iter(plan.runs.items()))
    record = json.loads((world.root / run.record).read_text())
    (world.root / run.record).write_text(json.dumps(record | {"schema_version": 99}))
    assert "schema 99" in asked(name, code=2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("tabel1",), "'tabel1'; did you mean table1?; to mend it: `plan`"),
        (("0000",), "there is no run"),
        (("table1", "--since", "HEAD"), "leave out either"),
        (("--since", "no-such-revision"), "git knows no revision 'no-such-revision'"),
        (("--since", "--all"), "git knows no revision"),
    ],
)
def test_what_is_unknown_is_one_line(
    words: tuple[str, ...], told: str, world: World, asked: Why
) -> None:
    if words == ("--since", "--all"):
        words = ("--since=--all",)
    said = asked(*words, code=2)
    assert told in said
    assert said.count("\n") == 1
