"""The closure holds every module that the roots can reach, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_src.errors import UserError
from workflow_src.plan.closure import code_closure


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes modules of a package named pack and returns its folder."""

    def make(**modules: str) -> Path:
        folder = tmp_path / "pack"
        for name, text in modules.items():
            path = folder / (name.replace("__in__", "/").replace("START", "__init__") + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return folder

    return make


def reached(folder: Path, *roots: str) -> set[str]:
    return set(code_closure([f"pack.{root}" for root in roots], folder).modules)


@pytest.mark.parametrize(
    "statement",
    [
        "import pack.b",
        "import pack.b as other",
        "from pack.b import something",
        "from pack import b",
        "from . import b",
        "from .b import something",
        "def f():\n    from pack import b",
        "if False:\n    import pack.b",
        "class C:\n    def m(self):\n        import pack.b",
        "import importlib\nimportlib.import_module('pack.b')",
    ],
)
def test_every_form_of_import_is_followed(write: Callable[..., Path], statement: str) -> None:
    folder = write(START="", a=statement, b="x = 1", c="")
    assert reached(folder, "a") == {"pack", "pack.a", "pack.b"}


def test_imports_are_followed_through_modules_and_in_circles(write: Callable[..., Path]) -> None:
    folder = write(START="", a="import pack.b", b="import pack.c", c="import pack.a", d="")
    assert reached(folder, "a") == {"pack", "pack.a", "pack.b", "pack.c"}


def test_packages_on_the_way_run_too(write: Callable[..., Path]) -> None:
    folder = write(START="import pack.z", sub__in__START="", sub__in__a="", z="", y="")
    assert reached(folder, "sub.a") == {"pack", "pack.sub", "pack.sub.a", "pack.z"}


def test_relative_imports_climb(write: Callable[..., Path]) -> None:
    folder = write(
        START="",
        sub__in__START="from .a import x",
        sub__in__a="from ..other import y\nfrom .. import third",
        other="",
        third="",
    )
    expected = {"pack", "pack.sub", "pack.sub.a", "pack.other", "pack.third"}
    assert reached(folder, "sub") == expected


def test_a_folder_without_init_is_a_package(write: Callable[..., Path]) -> None:
    folder = write(START="", sub__in__a="from pack.sub import b", sub__in__b="")
    assert reached(folder, "sub.a") == {"pack", "pack.sub", "pack.sub.a", "pack.sub.b"}


def test_other_packages_and_computed_names_stay_out(write: Callable[..., Path]) -> None:
    code = "import os, packages.b\nimport importlib\nimportlib.import_module('pack.' + name)"
    assert reached(write(START="", a=code, b=""), "a") == {"pack", "pack.a"}


def test_what_lies_beyond_is_not_entered(write: Callable[..., Path]) -> None:
    folder = write(
        START="", a="import pack.b\nimport pack.sub.c", b="", sub__in__START="", sub__in__c=""
    )
    closure = code_closure(["pack.a"], folder, beyond=["pack.sub", "pack.b"])
    assert set(closure.modules) == {"pack", "pack.a"}


def test_the_digest_follows_the_code_that_is_reached(write: Callable[..., Path]) -> None:
    folder = write(START="", a="import pack.b", b="x = 1", c="y = 1")
    before = code_closure(["pack.a"], folder)
    write(c="y = 2", b="x = 1  # one")
    assert code_closure(["pack.a"], folder) == before
    write(b="x = 2")
    after = code_closure(["pack.a"], folder)
    assert after.digest != before.digest
    assert {name for name in after.modules if after.modules[name] != before.modules[name]} == {
        "pack.b"
    }


def test_where_the_package_lies_does_not_matter(write: Callable[..., Path], tmp_path: Path) -> None:
    folder = write(START="", a="import pack.b", b="")
    (tmp_path / "elsewhere").mkdir()
    moved = folder.rename(tmp_path / "elsewhere" / "pack")
    assert code_closure(["pack.a"], moved) == code_closure(
        ["pack.a"], write(START="", a="import pack.b", b="")
    )


def test_code_that_does_not_parse_is_named_with_its_line(write: Callable[..., Path]) -> None:
    folder = write(START="", a="import pack.b", b="x = 1\ndef f(:\n")
    with pytest.raises(UserError, match=r"b\.py:2: .*parse"):
        code_closure(["pack.a"], folder)


@pytest.mark.parametrize(
    "code", ["\nimport pack.nothing", "\nfrom pack.nothing import x", "\nfrom .nothing import x"]
)
def test_an_import_of_nothing_is_named_with_its_line(write: Callable[..., Path], code: str) -> None:
    with pytest.raises(UserError, match=r"a\.py:2: there is no module pack\.nothing"):
        code_closure(["pack.a"], write(START="", a=code))


def test_a_root_that_is_not_there_is_named(write: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=r"pack\.model"):
        code_closure(["pack.model"], write(START=""))
