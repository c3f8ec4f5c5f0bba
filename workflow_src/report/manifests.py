"""Manifests of earlier reports: they go before anything is overwritten, and with them what they
alone had written, so that a manifest that is there always vouches for all that lies beside it.
"""

from __future__ import annotations

import contextlib
import logging
import re
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.storage import explain, read_json_object, sha256_file

log = logging.getLogger(__name__)

SNAKEMAKE_MARK = ".snakemake_timestamp"
FIGURES, TABLES = "figures", "tables"

_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_DEPTH = 3
"""Folders above a figure, up to that of its report."""

Manifests = Mapping[Path, Mapping[str, Any]]


def older_manifests(manifest: Path) -> Manifests:
    """The outputs, by file name, of every manifest beside the one to be written (and its own)."""
    found: dict[Path, Mapping[str, Any]] = {}
    for path in sorted(manifest.parent.glob("manifest-*.json")):
        try:
            found[path] = read_json_object(path).get("outputs", {})
        except UserError as error:
            log.warning("%s; it is removed", error)
            found[path] = {}
    return found


def retire(manifest: Path, earlier: Manifests) -> None:
    """Remove them."""
    for path in earlier:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise explain(error, manifest) from error


def discard_stale(manifest: Path, earlier: Manifests, keep: Collection[Path]) -> None:
    """Remove what earlier reports had written and this one does not, unless it was changed since.

    Files that a person put there, or edited, are not ours to remove.
    """
    kept = {path.resolve() for path in keep}
    results = manifest.parent.parent.resolve()
    for outputs in earlier.values():
        for name, facts in outputs.items():
            path = (manifest.parent / name).resolve()
            if path in kept or not path.is_relative_to(results) or not path.is_file():
                continue
            if sha256_file(path) == facts["sha256"]:
                log.info("removed %s, which belonged to an earlier report", path)
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
                    _remove_empty_folders(path.parent, results)


def discard_unvouched(manifest: Path, earlier: Manifests, fingerprint: str) -> None:
    """Remove folders of figures and tables of other reports than ``fingerprint``'s that no manifest
    names: reports that waited for evaluations left them.
    """
    named = {
        (manifest.parent / name).resolve().parents[depth]
        for outputs in earlier.values()
        for name in outputs
        for depth in range(_DEPTH)
    }
    for place in (manifest.parent / FIGURES, manifest.parent.parent / TABLES):
        for folder in sorted(place.glob("*")):
            is_of_a_report = folder.is_dir() and _FINGERPRINT.fullmatch(folder.name)
            if is_of_a_report and folder.name != fingerprint and folder.resolve() not in named:
                log.info("removed %s, which belonged to an interim report", folder)
                shutil.rmtree(folder, ignore_errors=True)


def _remove_empty_folders(folder: Path, results: Path) -> None:
    """Remove the folder, and those above it within the results, as far as nothing is in them.

    Snakemake's mark of the time in a folder that it knows as an output is nothing.
    """
    while folder != results and all(path.name == SNAKEMAKE_MARK for path in folder.iterdir()):
        (folder / SNAKEMAKE_MARK).unlink(missing_ok=True)
        folder.rmdir()
        folder = folder.parent
