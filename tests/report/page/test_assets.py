"""Files that pages load: the library as a script that works from disk, with its licences."""

from __future__ import annotations

import json
import re

import pytest

from workflow_src.errors import UserError
from workflow_src.report.page.assets import asset_files, classic_script, provenance_file

MODULE = 'var a=1,b$="export {";export{b$ as table,a as default};\n/*! one licence */\n'


def test_a_module_becomes_a_script_that_hands_out_its_default() -> None:
    text = classic_script(MODULE.replace("export {", "text"), "9.9")
    assert re.search(r"^export", text, flags=re.MULTILINE) is None
    head, rest = text.split("densityBench.tables(a);")
    assert 'var a=1,b$="text";' in head
    assert '"use strict";' in head
    assert "itables 9.9" in head.splitlines()[0]
    assert "/*! one licence */" in rest


@pytest.mark.parametrize(
    "module",
    ["var a=1;", "var a=1;export{a as table};", "export{a as default};export{b as default};"],
)
def test_another_kind_of_module_is_refused(module: str) -> None:
    with pytest.raises(UserError, match=r"itables 9\.9") as refused:
        classic_script(module, "9.9")
    assert "requirements.lock" in str(refused.value)


def test_the_library_is_whole_and_keeps_its_licences() -> None:
    files = asset_files()
    script, style = (files[f"assets/tables.{kind}"].decode() for kind in ("js", "css"))
    assert not re.search(r"\b(import|export)\s*[{(*\"']", script.split("/*! Bundled")[0])
    for name in ("MIT", "SpryMedia", "jQuery", "jszip"):
        assert name in script
    assert "MIT" in style
    assert style.count("{") == style.count("}")
    assert not re.search(r"url\(\s*[\"']?(?!data:)", style)
    assert all(files[f"assets/{name}"] for name in ("style.css", "report.js"))


def test_origins_are_one_call_with_text_that_no_page_reads_as_markup() -> None:
    lines = {"study": "one", "reason": "</script> \u2028 <b>"}
    text = provenance_file(lines).decode("ascii")
    assert text.startswith("densityBench.provenance(")
    assert json.loads(text.removeprefix("densityBench.provenance(").removesuffix(");\n")) == lines
