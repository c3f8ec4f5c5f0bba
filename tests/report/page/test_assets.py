"""Files that pages load: the library as a script that works from disk, with its licences."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from workflow_src.errors import UserError
from workflow_src.report.page.assets import (
    asset_files,
    library_script,
    provenance_file,
    unpacked,
)

MODULE = 'var a=1,b$="export {";export{b$ as table,a as default};\n/*! one licence */\n'


def inside(script: bytes, call: bytes = b"library") -> str:
    """What is packed in a script."""
    (packed,) = re.findall(
        rb'^densityBench\.%s\("([A-Za-z0-9+/=]*)"\);$' % call, script, flags=re.MULTILINE
    )
    return gzip.decompress(base64.b64decode(packed)).decode()


def test_a_module_becomes_a_script_that_hands_out_its_default() -> None:
    text = library_script(MODULE.replace("export {", "text"), "9.9")
    assert "itables 9.9" in text.splitlines()[0]
    assert "/*! one licence */" in text
    code = inside(text.encode())
    assert "export" not in code
    head, rest = code.split("densityBench.tables(a);")
    assert 'var a=1,b$="text";' in head
    assert '"use strict";' in head
    assert rest.split() == ["})();"]


def test_what_is_packed_is_compared_whatever_packed_it() -> None:
    one = library_script(MODULE.replace("export {", "text"), "9.9").encode()
    code = inside(one).encode()
    packed, otherwise = (
        base64.b64encode(gzip.compress(text, level, mtime=0))
        for text, level in ((code, 9), (code, 1))
    )
    assert packed != otherwise
    again = one.replace(packed, otherwise)
    assert again != one
    assert unpacked(again) == unpacked(one)
    forged = base64.b64encode(gzip.compress(code.replace(b"a=1", b"a=2"), mtime=0))
    assert unpacked(one.replace(packed, forged)) != unpacked(one)
    assert unpacked(one.replace(packed, packed[:-8])) != unpacked(one)
    assert unpacked(b"anything else") == b"anything else"


@pytest.mark.parametrize(
    "module",
    ["var a=1;", "var a=1;export{a as table};", "export{a as default};export{b as default};"],
)
def test_another_kind_of_module_is_refused(module: str) -> None:
    with pytest.raises(UserError, match=r"itables 9\.9") as refused:
        library_script(module, "9.9")
    assert "requirements.lock" in str(refused.value)


def test_the_library_is_whole_and_keeps_its_licences() -> None:
    files = asset_files()
    assert files.keys() == {"assets/style.css", "assets/report.js", "assets/tables.js"}
    script = files["assets/tables.js"]
    for name in (b"MIT", b"SpryMedia", b"jQuery", b"JSZip"):
        assert name in script.split(b"densityBench.library(")[0]
    code = inside(script)
    assert len(code) > 500_000
    assert len(script) < len(code) / 2
    assert "DataTable" in code
    assert all(files.values())


def test_origins_are_one_call_with_text_that_no_page_reads_as_markup() -> None:
    lines = {"study": "one", "reason": "</script> \u2028 <b>"}
    script = provenance_file(lines)
    assert script.count(b"\n") == 1
    assert json.loads(inside(script, b"provenance")) == lines
    assert provenance_file(lines) == script


def test_origins_that_repeat_themselves_take_little_room() -> None:
    lines = {f"{number:016x}": {"path": "results/evaluations/one"} for number in range(1000)}
    assert len(provenance_file(lines)) < len(json.dumps(lines)) / 4
