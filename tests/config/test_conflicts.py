"""A checkout with conflicts is refused in one line that names the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.config.conflicts import conflict_line
from workflow_src.config.loading import load_settings
from workflow_src.errors import UserError
from workflow_src.plan.closure import code_closure

CONFLICT = "<<<<<<< HEAD\nseeds: [0]\n=======\nseeds: [1]\n>>>>>>> other\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", None),
        (CONFLICT, 1),
        (f"a: 1\n{CONFLICT}", 2),
        ("a = 1 <<<<<<< 2\n>>>>>>> b\n", None),
        ("<<<<<<< HEAD\nno end\n", None),
        ("title\n=======\n", None),
    ],
)
def test_a_conflict_is_its_two_outer_markers(text: str, line: int | None) -> None:
    assert conflict_line(text) == line


def test_settings_with_a_conflict(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"device: cpu\n{CONFLICT}")
    with pytest.raises(UserError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}, line 2: unresolved merge conflict; to mend it: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("before", ["", '"""', "x = 1\n"])
def test_code_with_a_conflict_also_inside_of_a_text(before: str, tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    quote = '"""' if before == '"""' else ""
    (package / "a.py").write_text(f"{before}\n{CONFLICT}{quote}\n")
    line = before.count("\n") + 2
    with pytest.raises(UserError, match=f"a.py:{line}: unresolved merge conflict"):
        code_closure(["pack.a"], package)
