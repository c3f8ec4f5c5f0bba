"""Manifests of earlier reports: they go before anything is overwritten, and with them what they
alone had written, so that a manifest that is there always vouches for all that lies beside it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.storage import explain, read_json_object, sha256_file

log = logging.getLogger(__name__)

SNAKEMAKE_MARK = ".snakemake_timestamp"

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


def _remove_empty_folders(folder: Path, results: Path) -> None:
    """Remove the folder, and those above it within the results, as far as nothing is in them.

    Snakemake's mark of the time in a folder that it knows as an output is nothing.
    """
    while folder != results and all(path.name == SNAKEMAKE_MARK for path in folder.iterdir()):
        (folder / SNAKEMAKE_MARK).unlink(missing_ok=True)
        folder.rmdir()
        folder = folder.parent
