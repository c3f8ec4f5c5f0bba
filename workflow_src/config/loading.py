"""From config.yaml, or Snakemake's merged settings, to checked `Settings`.

Every refusal names the file, the line and the key, or the command line where a value was overridden
there. Nothing is run or written.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.config.complaints import validate
from workflow_src.config.settings import Settings
from workflow_src.config.settings_checks import complaints_about
from workflow_src.config.yaml_lines import Document, KeyPath, dotted, read_yaml

MIRROR_VARIABLE = "DENSITY_BENCH_MIRROR"


def load_settings(path: Path, overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read a settings file; ``overrides`` go before it, key by key.

    Raises
    ------
    UserError
        The first thing wrong: missing file, bad YAML, unknown or repeated key, wrong type, empty
        list, or a study, experiment, data set, likelihood or protocol that does not exist.
    """
    document = read_yaml(path)
    return _checked(_merged(document.value, overrides or {}), [document])


def load_layered(paths: Sequence[Path]) -> Settings:
    """Read several settings files, each laid over those before it, as Snakemake does.

    Snakemake takes config.yaml first and lays every ``--configfile`` over it.
    """
    documents = [read_yaml(path) for path in paths]
    merged: dict[str, Any] = {}
    for document in documents:
        merged = _merged(merged, document.value)
    return _checked(merged, documents)


def settings_from_mapping(mapping: Mapping[str, Any], sources: Iterable[Path] = ()) -> Settings:
    """As `load_settings`, for settings merged elsewhere from the files ``sources``.

    The files are read again for their lines and repeated keys; a value that is in none of them
    comes from the command line.
    """
    return _checked(_merged({}, mapping), [read_yaml(path) for path in sources])


@dataclass(frozen=True)
class _Places:
    """Finds where a key of merged settings was given; later files go before earlier ones."""

    merged: dict[str, Any]
    documents: Sequence[Document]

    def __call__(self, key: KeyPath) -> str:
        for document in reversed(self.documents):
            found = document.nearest_key(key)
            if found and _at(document.value, found) == _at(self.merged, found):
                return document.place(key)
        if not key and self.documents:
            return self.documents[-1].place(key)
        return f"command line, key {dotted(key)}" if key else "settings"


def _checked(merged: dict[str, Any], documents: Sequence[Document]) -> Settings:
    places = _Places(merged, documents)
    settings = validate(Settings, merged, places)
    for complaint in complaints_about(settings):
        raise complaint.error(places)
    mirror = os.environ.get(MIRROR_VARIABLE)
    return settings.model_copy(update={"mirror": Path(mirror).expanduser()}) if mirror else settings


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``, mapping by mapping, as plain dictionaries."""
    result = {key: _plain(value) for key, value in below.items()}
    for key, value in above.items():
        under: Any = result.get(key)
        both = isinstance(under, dict) and isinstance(value, Mapping)
        result[key] = _merged(under, value) if both else _plain(value)
    return result


def _plain(value: Any) -> Any:
    return _merged({}, value) if isinstance(value, Mapping) else value


def _at(value: Any, key: KeyPath) -> Any:
    for part in key:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return None
    return value
