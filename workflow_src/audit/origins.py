"""The origins of numbers as pages show them, compared with what the records here say.

They tell more than records do: where records lay when the report was made, loose or packed, here or
not. That is another place's truth where results have travelled, and of it the form alone is
compared. What records say that are not here now cannot be compared either.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SCRIPT = re.compile(rb'densityBench\.provenance\("([\w+/=]*)"\);\s*')
_OF_THE_PLACE: Mapping[str, re.Pattern[str]] = {
    "here": re.compile(r"True|False"),
    "kept": re.compile(r"True|False"),
    "pack": re.compile(r"None|'[\w.-]+\.zip'"),
}
"""What is told of the place where a report was made, and how Python writes what may stand there."""
_DATA = "data"
_EVALUATIONS = "evaluations"
_COMMANDS = "commands"
_FILES = "files"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN = 120

Published = Mapping[str, Mapping[str, str]]
"""Of prepared data, by fingerprint: the digests by which their published files are asked for."""

_Path = tuple[str, ...]


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


def disagreement(
    found: Mapping[str, Any], expected: Mapping[str, Any], published: Published
) -> str | None:
    """Where and how ``found`` says something else than the records; None where it does not.

    Of data, both may know what the other does not: a report can be made, and audited, where the
    data are elsewhere.
    """
    return next(_Comparison(expected, published).of_all(found), None)


class _Comparison:
    """Tells disagreements, and keeps the keys that stand where nothing can be compared."""

    def __init__(self, expected: Mapping[str, Any], published: Published) -> None:
        self._expected = expected
        self._published = published
        self._unknown: set[str] = set()

    def of_all(self, found: Mapping[str, Any]) -> Iterator[str]:
        # The tables that lines refer to come last: only lines tell which keys cannot be compared.
        for name in sorted(found.keys() | self._expected.keys(), key=_lines_first):
            yield from self._of_member(found, self._expected, name, ())

    def _of_member(
        self, found: Mapping[str, Any], expected: Mapping[str, Any], name: str, path: _Path
    ) -> Iterator[str]:
        place = ".".join((*path, name))
        if name not in found:
            yield f"{place} is left out"
        elif name not in expected:
            # Of tables, an entry may be referred to by a record alone that is not here.
            if len(path) != 1 or name not in self._unknown:
                yield f"{place} is not in the records"
            self._unknown.update(texts_in(found[name]))
        elif name in _OF_THE_PLACE:
            if not _OF_THE_PLACE[name].fullmatch(repr(found[name])):
                told = f"{_cut(found[name])}; expected whether, or where, it was there"
                yield f"{place} is {told}"
        elif path[:1] == (_DATA,) and len(path) == 2 and name == _FILES:
            yield from self._of_files(found[name], expected[name], path)
        elif path[:1] == (_EVALUATIONS,) and name == _COMMANDS and self._lacks_records(expected):
            yield from self._of_unknown_commands(found[name], expected[name], place)
        elif expected.get("here") is False and expected[name] in (None, [], {}):
            self._unknown.update(texts_in(found[name]))
        else:
            yield from self._of_value(found[name], expected[name], (*path, name))

    def _of_value(self, found: Any, expected: Any, path: _Path) -> Iterator[str]:
        if path[0] == _DATA and len(path) > 2 and (found is None or expected is None):
            return
        if isinstance(found, dict) and isinstance(expected, dict):
            for name in sorted(found.keys() | expected.keys()):
                yield from self._of_member(found, expected, name, path)
        elif _are_lists(found, expected) and len(found) == len(expected):
            for number, (one, other) in enumerate(zip(found, expected, strict=True)):
                yield from self._of_value(one, other, (*path, str(number)))
        elif repr(found) != repr(expected):
            # As text, 1 is neither true nor 1.0, and what is not a number is that.
            told = f"{_cut(found)}; expected {_cut(expected)}, as the records have it"
            yield f"{'.'.join(path)} is {told}"

    def _of_files(self, found: Any, expected: Any, path: _Path) -> Iterator[str]:
        """Published files: who fetched them knows their sha256, others what they are asked by."""
        asked = self._published.get(path[-1], {})
        place = ".".join((*path, _FILES))
        names = [one["name"] for one in expected]
        if not isinstance(found, list) or [_part(one, "name") for one in found] != names:
            yield f"{place} is {_cut(found)}; expected {', '.join(names) or 'none'}"
            return
        for one, other in zip(found, expected, strict=True):
            if one.keys() != other.keys():
                yield f"{place} has {sorted(one)}; expected {sorted(other)}"
            elif not _may_be(one["digest"], other["digest"], asked.get(other["name"])):
                yield (
                    f"{place}.{other['name']} has digest {_cut(one['digest'])}; expected "
                    f"{other['digest']!r}, as the records have it"
                )
            else:
                source = (*path, _FILES, other["name"], "source")
                yield from self._of_value(one["source"], other["source"], source)

    def _lacks_records(self, expected: Mapping[str, Any]) -> bool:
        """Whether an evaluation's commands need a record that is not here now."""
        judges = self._expected.get("judges", {})
        parts = [expected.get("run"), expected.get("measurement")]
        parts += [judges.get(judge) for judge in expected.get("judges", ())]
        reason = expected[_COMMANDS]["reason"] is not None
        return reason and any(_part(one, "here") is False for one in parts)

    def _of_unknown_commands(
        self, found: Any, expected: Mapping[str, Any], place: str
    ) -> Iterator[str]:
        """Commands of which nothing is known but their form."""
        form = {"shared": (str, type(None)), "own": (list,), "reason": (str, type(None))}
        if (
            not isinstance(found, dict)
            or found.keys() != expected.keys()
            or any(type(found[name]) not in types for name, types in form.items())
        ):
            yield f"{place} is {_cut(found)}; expected commands, or a reason for there being none"
        else:
            self._unknown.update(texts_in(found["shared"]))


def _may_be(found: Any, expected: Any, asked: str | None) -> bool:
    if found in (expected, asked):
        return True
    # Without the record of fetching here, a sha256 stands against a digest of another kind alone.
    of_another_kind = expected == asked and not _SHA256.fullmatch(str(asked))
    return of_another_kind and isinstance(found, str) and _SHA256.fullmatch(found) is not None


def _lines_first(name: str) -> tuple[bool, bool, str]:
    return name != _EVALUATIONS, name != "judges", name


def _are_lists(*values: Any) -> bool:
    return all(isinstance(value, list) for value in values)


def _part(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _cut(value: Any) -> str:
    """A value as Python writes it, or the beginning of that."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def texts_in(value: Any) -> Iterator[str]:
    """Every text within a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        inner: Sequence[Any] = list(value.values()) if isinstance(value, dict) else value
        for one in inner:
            yield from texts_in(one)
