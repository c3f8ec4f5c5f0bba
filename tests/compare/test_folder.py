"""Where comparisons are written, the audit knows of them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from workflow_src.audit.findings import Notes
from workflow_src.audit.manifest import _check_listing
from workflow_src.compare.files import FOLDER


@pytest.mark.parametrize(("folder", "finds"), [(FOLDER, False), ("comparisons2", True)])
def test_the_audit_knows_the_folder_of_comparisons(
    tmp_path: Path, folder: str, finds: bool
) -> None:
    page = tmp_path / "results" / folder / "v1..now" / "index.html"
    page.parent.mkdir(parents=True)
    page.write_text("a page")
    notes = Notes()
    plan = SimpleNamespace(root=tmp_path, layout=SimpleNamespace(results=Path("results")))
    _check_listing(plan, (), notes, interim=False)  # type: ignore[arg-type]
    assert bool(notes.findings) == finds
