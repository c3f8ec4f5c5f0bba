"""The origins of numbers as pages show them, compared with what the records here say.

They tell more than records do: where records lay when the report was made (loose or packed, here or
not), and commands, whose first lines name the repository that was at hand. That is another place's
truth where results have travelled, and is not compared.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from typing import Any

_SCRIPT = re.compile(rb'densityBench\.provenance\("([\w+/=]*)"\);\s*')
_OF_THE_PLACE = frozenset({"pack", "here", "kept", "commands"})
_DATA = "data"


def origins_in(script: bytes) -> Mapping[str, Any] | None:
    """What a script hands to the page as the origins of a study's numbers; None of any other."""
    found = _SCRIPT.fullmatch(script)
    if found is None:
        return None
    try:
        told = json.loads(gzip.decompress(base64.b64decode(found[1])))
    except (ValueError, OSError, EOFError, zlib.error):
        return None
    return told if isinstance(told, dict) else None


def disagreement(found: Any, expected: Any, place: str = "") -> str | None:
    """Where and how ``found`` says something else than the records; None where it does not.

    What is unknown here is no disagreement. Of data, what was unknown there is none either: a
    report can be made of results whose data are elsewhere.
    """
    if expected is None or (found is None and place.startswith(_DATA)):
        return None
    if isinstance(found, dict) and isinstance(expected, dict):
        for name in sorted((found.keys() | expected.keys()) - _OF_THE_PLACE):
            if name not in found or name not in expected:
                words = "left out" if name not in found else "not in the records"
                return f"{place}{name} is {words}"
            told = disagreement(found[name], expected[name], f"{place}{name}.")
            if told is not None:
                return told
        return None
    # Of published files, who fetched them knows the digest and who did not that of the registry.
    if found == expected or (place.startswith(_DATA) and place.endswith(".files.")):
        return None
    return f"{place.removesuffix('.')} is {found!r}; expected {expected!r}, as the records have it"
