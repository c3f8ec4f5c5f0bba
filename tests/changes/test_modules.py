"""Two versions of a module differ in the functions and classes that were changed, and no others."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from workflow_src.archive.results import Results
from workflow_src.changes.modules import ModuleChange, Texts, changed_names, module_changes
from workflow_src.plan.closure import meaning
from workflow_src.plan.fingerprints import ENVIRONMENT

TEXT = '''"""A module."""

import math

RATE = 0.9


class Bank:
    """Networks."""

    width: int = 3

    def forward(self, x):
        return x + 1

    def backward(self, x):
        return x - 1


def build(x):
    return Bank()
'''


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        ("", "", ()),
        ("x + 1", "1 + x", ("Bank.forward",)),
        ("x - 1", "x - 2  # a comment", ("Bank.backward",)),
        ("Bank()", "Bank  ( )", ()),
        ('"""Networks."""', '"""Other words."""', ()),
        ("RATE = 0.9", "RATE = 0.8", ("RATE",)),
        ("width: int = 3", "width: int = 4", ("Bank.width",)),
        ("class Bank:", "class Bank(dict):", ("Bank",)),
        ("import math", "import cmath", ("imports",)),
        ("def build(x)", "def make(x)", ("make (new)", "build (removed)")),
        ("RATE = 0.9", "if math:\n    RATE = 0.9", ("statements (new)", "RATE (removed)")),
        ("def build(x):", "@staticmethod\ndef build(x):", ("build",)),
    ],
)
def test_what_was_edited_is_named(before: str, now: str, names: tuple[str, ...]) -> None:
    assert changed_names(TEXT, TEXT.replace(before, now)) == names


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "code" / "pack"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "a.py").write_text(TEXT)
    return folder


def digest(text: str) -> str:
    return meaning(text.encode())


def changes(
    package: Path, results: Path, now: str, commit: str | None = None
) -> tuple[ModuleChange, ...]:
    (package / "a.py").write_text(now)
    texts = Texts(Results(results), package)
    return module_changes({"pack.a": digest(TEXT)}, {"pack.a": digest(now)}, texts, commit)


def test_the_earlier_text_is_found_beside_the_results(package: Path, tmp_path: Path) -> None:
    sources = tmp_path / "results" / "sources"
    sources.mkdir(parents=True)
    (sources / f"{digest(TEXT)}.py").write_text(TEXT)
    (change,) = changes(package, tmp_path / "results", TEXT.replace("x + 1", "x + 2"))
    assert change.line() == "pack.a: Bank.forward"


def test_the_earlier_text_is_found_in_the_commit(package: Path, tmp_path: Path) -> None:
    root = package.parent
    person = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*person, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    now = TEXT.replace("x + 1", "x + 2")
    (change,) = changes(package, tmp_path / "results", now, "HEAD")
    assert change.names == ("Bank.forward",)


@pytest.mark.parametrize("other", ["OTHER = 1\n", "def"])
def test_a_commit_with_another_text_is_not_believed(
    other: str, package: Path, tmp_path: Path
) -> None:
    root = package.parent
    (package / "a.py").write_text(other)
    person = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    for words in (["init", "-q"], ["add", "-A"], [*person, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(root), *words], check=True)
    (change,) = changes(package, tmp_path / "results", TEXT + "\nX = 1\n", "HEAD")
    assert change.line() == "pack.a"


def test_without_the_earlier_text_the_module_is_named(package: Path, tmp_path: Path) -> None:
    (change,) = changes(package, tmp_path / "results", TEXT + "\nX = 1\n")
    assert change == ModuleChange("pack.a", "changed")


def test_modules_come_and_go(package: Path, tmp_path: Path) -> None:
    texts = Texts(Results(tmp_path), package)
    found = module_changes({"pack.gone": "0"}, {"pack.a": "1"}, texts, None)
    assert [one.line() for one in found] == ["pack.a (new)", "pack.gone (removed)"]


def test_the_environment_is_no_module(package: Path, tmp_path: Path) -> None:
    texts = Texts(Results(tmp_path), package)
    (change,) = module_changes({ENVIRONMENT: "0"}, {ENVIRONMENT: "1"}, texts, "HEAD")
    assert change.line() == "installed versions: changed"
