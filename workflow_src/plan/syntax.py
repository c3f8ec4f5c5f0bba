"""A module's meaning as text: its syntax without comments, docstrings, layout and positions.

The text is equal under Python 3.11 to 3.13, which differ in the fields of their syntax trees and
in how they cut f-strings; so is every digest made from it. It names what code says, not what it
does: two spellings of one computation differ.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

_WITH_BODY = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_WITHOUT_MEANING = frozenset({"type_comment", "type_ignores", "kind", "ctx"})


def canonical_text(tree: ast.AST) -> str:
    """The text of a syntax tree; equal text means the same code up to comments and layout."""
    parts: list[str] = []
    _write(tree, parts)
    return "".join(parts)


def _write(node: ast.AST, parts: list[str]) -> None:
    if isinstance(node, ast.Constant):
        parts.append(_constant(node.value))
        return
    parts.append(type(node).__name__)
    parts.append("(")
    for name in node._fields:
        value = getattr(node, name, None)
        # Fields that only a newer Python has are None or empty in code that an older one can read.
        if value is None or value == [] or name in _WITHOUT_MEANING or _is_empty_format(value):
            continue
        parts.append(name)
        parts.append("=")
        if isinstance(value, ast.AST):
            _write(value, parts)
        elif isinstance(value, list):
            _write_list(_meaningful(node, name, value), parts)
        else:
            parts.append(ascii(value))
        parts.append(",")
    parts.append(")")


def _write_list(values: Sequence[object], parts: list[str]) -> None:
    parts.append("[")
    for value in values:
        if isinstance(value, ast.AST):
            _write(value, parts)
        else:
            # An entry that is absent, as in {**x} or def f(*, a), is not the constant None.
            parts.append("-" if value is None else ascii(value))
        parts.append(",")
    parts.append("]")


def _constant(value: object) -> str:
    # Decimal digits of a huge integer are refused by Python; hexadecimal ones are not. repr of a
    # string shows the letters that this Python's Unicode tables know; ascii shows the same always.
    return hex(value) if type(value) is int else ascii(value)


def _is_empty_format(value: object) -> bool:
    return isinstance(value, ast.JoinedStr) and value.values == []


def _meaningful(node: ast.AST, name: str, values: list[ast.AST]) -> Sequence[object]:
    if isinstance(node, ast.JoinedStr):
        return _joined(values)
    if name in ("body", "orelse", "finalbody"):
        return [value for value in values if not says_nothing(value)]
    return values


def says_nothing(statement: ast.AST) -> bool:
    """A docstring, another bare constant, or ``pass``."""
    if isinstance(statement, ast.Expr):
        return isinstance(statement.value, ast.Constant)
    return isinstance(statement, ast.Pass)


def _joined(values: list[ast.AST]) -> list[ast.AST]:
    """An f-string's parts with neighbouring literal pieces as one and empty ones left out."""
    merged: list[ast.AST] = []
    for value in values:
        if isinstance(value, ast.Constant):
            if value.value == "":
                continue
            if merged and isinstance(merged[-1], ast.Constant):
                merged[-1] = ast.Constant(str(merged[-1].value) + str(value.value))
                continue
        merged.append(value)
    return merged
