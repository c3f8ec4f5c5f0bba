"""The files that pages load: style, script, the library that sorts tables, origins of numbers.

Pages are opened from disk, where a browser imports no module and fetches no data. So all scripts
are classic ones: the library, which itables ships as one module, is put into a function that hands
out what the module exports, and data calls a function with itself. The library and the data, most
of a report, are packed; the library's style is not needed beside the report's own.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.report.page.addresses import SCRIPT, STYLE, TABLES_SCRIPT

ASSETS = Path(__file__).parent / "assets"

_EXPORTS = re.compile(r"\bexport\s*\{([^{}]*)\}\s*;?")
_DEFAULT = re.compile(r"\b([\w$]+)\s+as\s+default\b")
_PACKED = re.compile(rb'densityBench\.library\("([\w+/=]*)"\);')


def asset_files() -> dict[str, bytes]:
    """The files that all pages share, by name within the folder.

    Raises
    ------
    UserError
        The installed itables ships another kind of module than this was written for.
    """
    module = (resources.files("itables") / "html" / "dt_bundle.js").read_text("utf-8")
    return {
        STYLE: (ASSETS / "style.css").read_bytes(),
        SCRIPT: (ASSETS / "report.js").read_bytes(),
        TABLES_SCRIPT: library_script(module, metadata.version("itables")).encode(),
    }


def library_script(module: str, version: str) -> str:
    """A module with one list of exports, packed into a script that hands it to the page's own.

    What stands behind the exports, the notices of licences, is kept as it is.

    Raises
    ------
    UserError
        There is no such list, or it has no default.
    """
    exports = _EXPORTS.search(module)
    default = exports and _DEFAULT.search(exports[1])
    if exports is None or default is None or _EXPORTS.search(module, exports.end()):
        raise UserError(
            "the library for sortable tables is no module with one list of exports",
            place=f"dt_bundle.js of itables {version}",
            expected="a text that ends in export{... as default ...}",
            remedy="install the version of itables that requirements.lock names",
        )
    body, notices = module[: exports.start()], module[exports.end() :].strip()
    handed = f"densityBench.tables({default[1]});"
    script = f'(function () {{ "use strict";\n{body}\n{handed}\n}})();\n'
    return (
        f"/* DataTables with its extensions as itables {version} ships them, packed. */\n"
        f'{notices}\ndensityBench.library("{_packed(script)}");\n'
    )


def _packed(text: str) -> str:
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def unpacked(script: bytes) -> bytes:
    """A script that `library_script` made with what is packed in it, which tells whether two are
    the same whatever packed them; any other bytes as they are.
    """
    found = _PACKED.search(script)
    if found is None:
        return script
    try:
        inside = gzip.decompress(base64.b64decode(found[1]))
    except (ValueError, OSError, EOFError, zlib.error):
        return script
    return script[: found.start(1)] + inside + script[found.end(1) :]


def provenance_file(lines: Mapping[str, Any]) -> bytes:
    """The origins of a study's numbers as a script that hands them, packed, to the page's own."""
    text = json.dumps(lines, separators=(",", ":"), sort_keys=True)
    return f'densityBench.provenance("{_packed(text)}");\n'.encode()
