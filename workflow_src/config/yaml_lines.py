"""YAML files as plain values together with the line of every key.

Built from PyYAML's node graph, since its plain loader forgets lines and lets the last of two equal
keys win silently. It knows nothing about what the keys mean.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from workflow_src.config.conflicts import refuse_conflict
from workflow_src.errors import UserError
from workflow_src.storage import explain

KeyPath = tuple[str | int, ...]

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# YAML 1.1, which PyYAML follows, reads 1e-3 (no dot) as text.
_SCIENTIFIC = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")
_LINE_BREAKS = re.compile("[\x85\u2028\u2029\ufeff]")


@dataclass(frozen=True)
class Document:
    """A YAML mapping: the file it came from, its plain value, and the line of each key path."""

    path: Path
    value: dict[str, Any]
    lines: dict[KeyPath, int]

    def place(self, key: KeyPath) -> str:
        """Where ``key`` stands, for an error: file, line and the key as written with dots."""
        line = self.lines[self.nearest_key(key)]
        return f"{self.path}, line {line}" + (f", key {dotted(key)}" if key else "")

    def nearest_key(self, key: KeyPath) -> KeyPath:
        """The longest beginning of ``key`` that is in the file."""
        while key not in self.lines:
            key = key[:-1]
        return key


def dotted(key: KeyPath) -> str:
    """A key path as people write it: ``experiments.table1.fractions[2]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in key)
    return text.removeprefix(".")


def read_yaml(path: Path) -> Document:
    """Read a YAML file whose top level is a mapping.

    Raises
    ------
    UserError
        Missing or unreadable file, an unresolved merge conflict, bad YAML, a key given twice, a key
        that is no text, a merge key (``<<``), an anchor inside itself, or a top level that is no
        mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError("the file does not exist", place=str(path)) from None
    except UnicodeDecodeError:
        raise UserError("the file is no text", place=str(path), expected="YAML in UTF-8") from None
    except OSError as error:
        raise explain(error, path) from error
    refuse_conflict(text, str(path))
    return parse_yaml(text, path)


def parse_yaml(text: str, path: Path) -> Document:
    """As `read_yaml`, for text already in memory; ``path`` is what errors name."""
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        reader = _Reader(path, loader)
        value = {} if root is None else reader.read(root, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(
            f"not valid YAML ({error.problem or error.context})", place=f"{path}{line}"
        ) from None
    except yaml.YAMLError as error:
        raise UserError(f"not valid YAML ({error})", place=str(path)) from None
    if not isinstance(value, dict):
        raise UserError(
            "the file is no mapping", place=f"{path}, line 1", expected="lines like 'key: value'"
        )
    return Document(path, value, {(): 1, **reader.lines})


def dump_yaml(value: Any) -> str:
    """YAML text that `parse_yaml` reads as ``value`` again, in the order of its keys."""
    return yaml.dump(value, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=100)


class _Writer(yaml.SafeDumper):
    """Quotes also text that PyYAML writes bare and that is not read as it was."""


def _represent_text(writer: _Writer, text: str) -> yaml.Node:
    style = '"' if _SCIENTIFIC.fullmatch(text) or _LINE_BREAKS.search(text) else None
    return writer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Writer.add_representer(str, _represent_text)


class _Reader:
    """Walks one node graph, collecting plain values and lines."""

    def __init__(self, path: Path, loader: Any) -> None:
        self.path = path
        self.loader = loader
        self.lines: dict[KeyPath, int] = {}
        self._open: set[int] = set()

    def read(self, node: yaml.Node, key: KeyPath) -> Any:
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if id(node) in self._open:
            raise self._refuse(node, "an anchor contains itself")
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, key)
            return self._sequence(node, key)
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, key: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name_node, value_node in node.value:
            name = self._key(name_node)
            if name in result:
                first = self.lines[(*key, name)]
                raise self._refuse(
                    name_node,
                    f"the key {dotted((*key, name))!r} is given twice, first in line {first}",
                    remedy="keep one of the two",
                )
            self.lines[(*key, name)] = name_node.start_mark.line + 1
            result[name] = self.read(value_node, (*key, name))
        return result

    def _sequence(self, node: Any, key: KeyPath) -> list[Any]:
        result = []
        for position, item in enumerate(node.value):
            self.lines[(*key, position)] = item.start_mark.line + 1
            result.append(self.read(item, (*key, position)))
        return result

    def _key(self, node: yaml.Node) -> str:
        if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:merge":
            raise self._refuse(node, "merge keys (<<) are not read", remedy="write the keys out")
        name = self._plain(node) if isinstance(node, yaml.ScalarNode) else None
        if not isinstance(name, str):
            raise self._refuse(node, f"the key {getattr(node, 'value', '')!r} is no text")
        return name

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if not node.style and _SCIENTIFIC.fullmatch(node.value):
            return float(node.value)
        return self._plain(node)

    def _plain(self, node: yaml.ScalarNode) -> Any:
        try:
            return self.loader.construct_object(node)
        except ValueError:
            raise self._refuse(node, f"{node.value!r} cannot be read") from None

    def _refuse(self, node: yaml.Node, problem: str, remedy: str | None = None) -> UserError:
        place = f"{self.path}, line {node.start_mark.line + 1}"
        return UserError(problem, place=place, remedy=remedy)
