"""The text of all code behind a fingerprint is kept, once, under the digest of its meaning."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow_src.archive.results import Results
from workflow_src.config.settings import Settings
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.syntax import canonical_text


@pytest.fixture
def plan(package: Path, root: Path, settings: Callable[..., Settings]) -> Callable[[], Plan]:
    chosen = settings(seeds=[0], experiments=["table1"])
    return lambda: build_plan(chosen, package_root=package, root=root)


def meaning(text: str) -> str:
    return hashlib.sha256(canonical_text(ast.parse(text)).encode()).hexdigest()


def test_every_module_of_every_step_can_be_read_again(plan: Callable[[], Plan]) -> None:
    new = plan()
    write_memberships(new)
    results = Results(new.root / new.layout.results)
    digests = {one for code in new.closures.known for one in code.modules.values()}
    assert digests
    for one in digests:
        text = results.source(one)
        # A folder without __init__.py has no text, and the digest of no text.
        assert text is not None
        assert one in (meaning(text), hashlib.sha256(b"").hexdigest())


def test_earlier_texts_stay_and_a_comment_adds_none(
    plan: Callable[[], Plan], package: Path
) -> None:
    first = plan()
    write_memberships(first)
    folder = first.root / first.layout.sources
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    model = package / "models/vae/model.py"
    model.write_text(f"# A comment.\n{model.read_text()}")
    write_memberships(plan())
    assert {path.name for path in folder.iterdir()} == before.keys()
    model.write_text(f"{model.read_text()}\nEDITED = True\n")
    write_memberships(plan())
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 1
