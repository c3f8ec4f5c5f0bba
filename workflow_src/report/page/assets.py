"""The files that pages load: style, script, the library that sorts tables, origins of numbers.

Pages are opened from disk, where a browser imports no module and fetches no data. So all scripts
are classic ones: the library, which itables ships as one module, is put into a function that hands
out what the module exports, and data calls a function with itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.report.page.addresses import SCRIPT, STYLE, TABLES_SCRIPT, TABLES_STYLE

ASSETS = Path(__file__).parent / "assets"

_EXPORTS = re.compile(r"\bexport\s*\{([^{}]*)\}\s*;?")
_DEFAULT = re.compile(r"\b([\w$]+)\s+as\s+default\b")


def asset_files() -> dict[str, bytes]:
    """The files that all pages share, by name within the folder.

    Raises
    ------
    UserError
        The installed itables ships another kind of module than this was written for.
    """
    library = resources.files("itables") / "html"
    version = metadata.version("itables")
    script = classic_script((library / "dt_bundle.js").read_text("utf-8"), version)
    style = (library / "dt_bundle.css").read_text("utf-8")
    return {
        STYLE: (ASSETS / "style.css").read_bytes(),
        SCRIPT: (ASSETS / "report.js").read_bytes(),
        TABLES_SCRIPT: script.encode(),
        # In a layer, so that the report's own style counts before it.
        TABLES_STYLE: f"{_notice(version)}@layer tables {{\n{style}\n}}\n".encode(),
    }


def classic_script(module: str, version: str) -> str:
    """A module with one list of exports as a script that hands its default to the page's own.

    What stands behind the exports, the notices of licences, is kept.

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
    body, rest = module[: exports.start()], module[exports.end() :]
    handed = f"densityBench.tables({default[1]});"
    return f'{_notice(version)}(function () {{ "use strict";\n{body}\n{handed}\n}})();\n{rest}'


def provenance_file(lines: Mapping[str, Any]) -> bytes:
    """The origins of a study's numbers as a script that hands them to the page's own."""
    text = json.dumps(lines, separators=(",", ":"), sort_keys=True)
    return f"densityBench.provenance({text});\n".encode()


def _notice(version: str) -> str:
    return f"/* DataTables with its extensions, as itables {version} ships them (MIT licence). */\n"
