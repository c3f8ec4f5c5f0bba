"""Code's canonical text sees every change of meaning and none of looks, under every Python."""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import workflow_src
from workflow_src.plan.syntax import canonical_text

PACKAGE = Path(workflow_src.__file__).parent

CODE = '''\
"""What the module is."""
import math  # for pi


@decorate(1)
class Thing(Base, metaclass=Meta):
    """What the thing is."""

    size: int = 3

    def area(self, width, height=2.5, *rest, flag=True, **more):
        """What it returns."""
        if width > height and not flag:
            return -width * math.pi ** 2
        values = [x for x in rest if x]
        return f"{width:.2f} by {height!r}" + b"x".decode() + values[-1]


async def wait(a, /, b):
    async with a as c:
        return await (lambda: b + c)()
'''

TRICKY = r'''
def f(x, *, y: "int | None" = None) -> "str":
    a = f"{x!r:>{y}} {{}} {x = } \n" "tail" f"{x}"
    b = f"{x:}" + f"" + f"{'a' 'b'}{x}" f"{y}{{"
    c = f"""one
    {x
     + 1:%Y-%m-%d} two"""
    d = u"text", b"\x00", "\U0001F9FF", "\U0001FAE8", 1e999, -0.0, 3j, 0xFF, 1_000, ...
    match x:
        case {"k": [1, *rest], **more} | None if rest:
            pass
        case Point(a=1) as p:
            return p
    try:
        with (open(a) as g, open(b)):
            yield from g
    except* ValueError as e:
        raise e from None
    def inner[unused](): ...
    return x[1:2, ::3, *d], {**c, "a": 1}, (z := 3)
'''.replace("    def inner[unused](): ...\n", "")

LOOKS = {
    "a comment": ("import math  # for pi", "import math  # for the area"),
    "a module's docstring": ('"""What the module is."""\n', ""),
    "a class's docstring": ("What the thing is.", "What a thing was."),
    "a function's docstring": ('        """What it returns."""\n', ""),
    "quotes": ('b"x"', "b'x'"),
    "brackets": ("-width * math.pi ** 2", "(-width * (math.pi ** 2))"),
    "lines": ("width, height=2.5", "\n        width,\n        height=2.5"),
    "pass": ("    size: int = 3\n", "    size: int = 3\n    pass\n"),
    "a number's spelling": ("2.5", "25e-1"),
    "an empty line": ("import math", "\n\nimport math"),
}

MEANINGS = {
    "an operator": ("-width * math", "-width + math"),
    "a sign": ("return -width", "return +width"),
    "a comparison": ("width > height", "width >= height"),
    "a connective": (" and not", " or not"),
    "a constant": ("2.5", "2.25"),
    "a constant's type": ("size: int = 3", "size: int = 3.0"),
    "true for one": ("flag=True", "flag=1"),
    "a name": ("math.pi", "math.tau"),
    "a decorator": ("@decorate(1)\n", ""),
    "a decorator's argument": ("decorate(1)", "decorate(2)"),
    "a base": ("Thing(Base,", "Thing(Other,"),
    "a keyword's name": ("metaclass=Meta", "other=Meta"),
    "a default": ("height=2.5", "height"),
    "a parameter's kind": ("flag=True, **more", "**more"),
    "a positional parameter": ("a, /, b", "a, b"),
    "an annotation": ("size: int", "size: str"),
    "a conversion": ("height!r", "height!s"),
    "a format": (":.2f", ":.3f"),
    "an f-string's text": (" by ", " of "),
    "bytes for text": ('b"x".decode()', '"x".decode()'),
    "an import": ("import math", "import cmath"),
    "an alias": ("import math", "import math as math2"),
    "a condition": (" if x]", "]"),
    "a comprehension's kind": ("[x for x in rest if x]", "{x for x in rest if x}"),
    "a return": ("return await", "await"),
    "async": ("async with", "with"),
    "what a return gives": ("return await (lambda: b + c)()", "return"),
}


def text(code: str) -> str:
    return canonical_text(ast.parse(code))


def changed(change: tuple[str, str]) -> str:
    assert CODE.count(change[0]) == 1, change
    return CODE.replace(*change)


@pytest.mark.parametrize("change", LOOKS.values(), ids=LOOKS)
def test_looks_are_not_seen(change: tuple[str, str]) -> None:
    assert text(changed(change)) == text(CODE)


@pytest.mark.parametrize("change", MEANINGS.values(), ids=MEANINGS)
def test_meaning_is_seen(change: tuple[str, str]) -> None:
    assert text(changed(change)) != text(CODE)


def test_a_return_of_none_is_not_a_bare_return() -> None:
    # They do the same, but the text must not confuse a field that is None with a constant None.
    assert text("def f():\n return None") != text("def f():\n return")
    assert text("x = None") != text("x = ''")


@pytest.mark.parametrize(
    ("one", "other"),
    [("y = {**x}", "y = {None: x}"), ("def f(*, a): ...", "def f(*, a=None): ...")],
)
def test_an_absent_entry_is_not_the_constant_none(one: str, other: str) -> None:
    assert text(one) != text(other)


def test_the_order_of_statements_is_seen() -> None:
    assert text("a()\nb()") != text("b()\na()")


def test_nesting_is_seen() -> None:
    assert text("if a:\n b()\n c()") != text("if a:\n b()\nc()")


def test_a_body_that_only_documents_is_an_empty_one() -> None:
    assert text('class E(X):\n "an error"') == text("class E(X):\n pass")


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_text_is_the_same_under_python(version: str) -> None:
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    code = (
        "import ast, hashlib, pathlib, sys\n"
        "from workflow_src.plan.syntax import canonical_text\n"
        "paths = sorted(pathlib.Path(sys.argv[1]).rglob('*.py'))\n"
        "for code in [sys.stdin.read(), *(p.read_text() for p in paths)]:\n"
        "    text = canonical_text(ast.parse(code))\n"
        "    print(hashlib.sha256(text.encode()).hexdigest())\n"
    )
    done = subprocess.run(
        [*python, "-B", "-c", code, str(PACKAGE)],
        input=TRICKY + CODE,
        capture_output=True,
        text=True,
        check=True,
        cwd=PACKAGE.parent,
    )
    codes = [TRICKY + CODE, *(p.read_text() for p in sorted(PACKAGE.rglob("*.py")))]
    assert done.stdout.split() == [hashlib.sha256(text(c).encode()).hexdigest() for c in codes]


def _python(version: str) -> list[str] | None:
    """A command that starts that Python, where there is one."""
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        return [sys.executable]
    name = f"python{version}"
    folders = [*Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin")]
    for found in [shutil.which(name), *(shutil.which(name, path=str(f)) for f in folders)]:
        if found and _answers(found, version):
            return [found]
    return None


def _answers(python: str, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() == version
