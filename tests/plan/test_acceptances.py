"""An accepted change keeps the names of what the earlier code made; every other one does not."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workflow_src.config.settings import Settings
from workflow_src.errors import UserError
from workflow_src.plan.acceptances import (
    FILE,
    Acceptance,
    Acceptances,
    append_acceptance,
    identifier_of,
    read_acceptances,
)
from workflow_src.plan.fingerprints import Closures, identity_of
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.storage import digest


def accepted(steps: dict[str, tuple[str, str]], **more: Any) -> Acceptance:
    values: dict[str, Any] = {
        "why": "a name was changed",
        "by": "nobody",
        "at": "2026-01-01T00:00:00+00:00",
        "since": "a" * 40,
        "until": "b" * 40,
        "steps": {step: {"old": old, "new": new} for step, (old, new) in steps.items()},
        "evidence": [],
    } | more
    return Acceptance(**values, identifier=identifier_of(values))


def code(letter: str) -> str:
    return digest(letter)


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Callable[[], Plan]:
    chosen = settings(seeds=[0], experiments=["table1"])
    return lambda: build_plan(chosen, package_root=package, root=root)


def edit(package: Path, module: str, line: str = "EDITED = True") -> None:
    path = package / f"{module}.py"
    path.write_text(f"{path.read_text()}\n{line}\n")


def accept_now(package: Path, before: Closures, *names: str) -> None:
    now = Closures(package)
    steps = {}
    for name in names:
        old, new = (getattr(c, f"of_{name}")("vae") for c in (before, now))
        steps[new.step] = (old.digest, new.digest)
    append_acceptance(package, accepted(steps))


def known(package: Path) -> Closures:
    closures = Closures(package)
    for model in ("vae", "spvae"):
        closures.of_model(model), closures.of_measurement(model), closures.of_evaluation(model)
    return closures


def test_without_a_file_every_code_is_its_own_identity(package: Path) -> None:
    assert read_acceptances(package).entries == ()
    one = Closures(package).of_model("vae")
    assert one.identity == one.digest


def test_the_project_s_own_file_is_read() -> None:
    assert isinstance(read_acceptances(Path(__file__).parents[2] / "workflow_src"), Acceptances)


def test_an_accepted_edit_keeps_the_names_of_that_step_alone(
    package: Path, plan: Callable[[], Plan]
) -> None:
    before, closures = plan(), known(package)
    edit(package, "models/shared")
    assert not before.runs.keys() & plan().runs.keys()
    accept_now(package, closures, "model")
    after = plan()
    kept = {after.runs[name].spec.model for name in before.runs.keys() & after.runs.keys()}
    assert kept == {"vae"}
    # The evaluation of that model reads its code too, and was not accepted.
    assert not {e.fingerprint for e in before.evaluations} & {
        e.fingerprint for e in after.evaluations
    }


def test_acceptances_follow_each_other_and_an_edit_after_them_counts(
    package: Path, plan: Callable[[], Plan]
) -> None:
    before = plan()
    vaes = {name for name, run in before.runs.items() if run.spec.model == "vae"}
    for number in range(3):
        closures = known(package)
        edit(package, "models/vae/model", f"EDIT = {number}")
        accept_now(package, closures, "model")
        assert vaes <= plan().runs.keys()
    chain = read_acceptances(package).chain(
        "training of vae", Closures(package).of_model("vae").digest
    )
    assert len(chain) == 3
    edit(package, "models/vae/model", "EDIT = 'not accepted'")
    assert not vaes & plan().runs.keys()


def test_taking_the_edit_back_finds_the_same_names(package: Path, plan: Callable[[], Plan]) -> None:
    before, closures = plan(), known(package)
    path = package / "models/vae/model.py"
    text = path.read_text()
    edit(package, "models/vae/model")
    accept_now(package, closures, "model")
    path.write_text(text)
    assert plan().runs.keys() == before.runs.keys()


def test_the_environment_counts_beside_an_accepted_identity(package: Path) -> None:
    closures = known(package)
    bare = closures.of_model("vae")
    before = Closures(package, environment=True).of_model("vae")
    edit(package, "models/vae/model")
    accept_now(package, closures, "model")
    with_environment = Closures(package, environment=True).of_model("vae")
    assert with_environment.digest != before.digest
    assert with_environment.identity == before.identity
    assert with_environment.identity != bare.identity
    acceptances = read_acceptances(package)
    for one in (with_environment, Closures(package).of_model("vae")):
        assert identity_of(one.step, one.modules, acceptances) == one.identity


def test_a_changed_entry_is_noticed(package: Path) -> None:
    append_acceptance(package, accepted({"training of vae": (code("a"), code("b"))}))
    path = package / "plan" / FILE
    path.write_text(path.read_text().replace("nobody", "somebody"))
    with pytest.raises(UserError, match="was changed after it was written") as refused:
        read_acceptances(package)
    assert "line" in str(refused.value)


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ([("a", "b"), ("c", "b")], "disagree"),
        ([("a", "b"), ("b", "a")], "circle"),
    ],
)
def test_entries_that_contradict_each_other_are_refused(
    entries: list[tuple[str, str]], problem: str, package: Path
) -> None:
    first, second = (accepted({"report": (code(old), code(new))}) for old, new in entries)
    append_acceptance(package, first)
    text = (package / "plan" / FILE).read_text()
    with pytest.raises(UserError, match=problem):
        append_acceptance(package, second)
    assert (package / "plan" / FILE).read_text() == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("acceptances: 3\n", "acceptances"),
        ("accepted: []\n", "accepted"),
        ("acceptances:\n- why: no more\n", "identifier"),
    ],
)
def test_a_file_that_says_something_else_is_refused(text: str, problem: str, package: Path) -> None:
    path = package / "plan" / FILE
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    with pytest.raises(UserError, match=problem):
        read_acceptances(package)


def test_an_installed_package_brings_the_file(package: Path, tmp_path: Path) -> None:
    append_acceptance(package, accepted({"report": (code("a"), code("b"))}))
    elsewhere = tmp_path / "elsewhere" / "workflow_src"
    shutil.copytree(package, elsewhere)
    assert read_acceptances(elsewhere).identity("report", code("b")) == code("a")
