"""What command lines say about settings: our ``--configfile``, and Snakemake's ``--config``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

MAIN_FILE = Path("config.yaml")


def add_configfile(parser: argparse.ArgumentParser) -> None:
    """Declare ``--configfile``, which every command that reads settings has."""
    parser.add_argument(
        "--configfile",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help=f"laid over {MAIN_FILE}, as by snakemake's option of this name",
    )


def settings_files(arguments: argparse.Namespace) -> list[Path]:
    """The settings files of a command, each laid over those before it."""
    return [MAIN_FILE, *arguments.configfile]


def with_types(merged: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The merged settings, with every text that ``given`` on the command line read as YAML.

    Snakemake turns single numbers and booleans after ``--config`` into such, but leaves ``null``
    and everything inside lists and mappings as text: ``seeds='[0, 1]'`` arrives as ``["0", "1"]``.
    Settings are strict, so the types are put back here.

    ``given`` holds the command line's keys alone; what came from files keeps its type.
    """
    typed = dict(merged)
    for key, value in given.items():
        if isinstance(value, Mapping) and isinstance(merged.get(key), Mapping):
            typed[key] = with_types(merged[key], value)
        else:
            typed[key] = _typed(value)
    return typed


def _typed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _typed(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_typed(one) for one in value]
    if isinstance(value, str):
        try:
            read = yaml.safe_load(value)
        except yaml.YAMLError:
            return value
        # Only what one word can be: a text such as "a: b" was meant as it stands.
        return value if isinstance(read, dict | list) else read
    return value
