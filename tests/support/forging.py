"""A forger of results who knows how records work and makes every digest right again."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_src.provenance.record import describe_file, result_digest
from workflow_src.storage import digest, sha256_file, write_json

Edit = Callable[[dict[str, Any]], object]

# From what has no parents to what has no children.
_ORDER = (
    "data/raw/*/record.json",
    "data/prepared/*/record.json",
    "results/runs/*/*/*/run.json",
    "results/measurements/*/*/*/measurement.json",
    "results/evaluations/*/*/*/evaluation.json",
    "results/report/manifest-*.json",
)


def read(path: Path) -> dict[str, Any]:
    """The record in a file."""
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def forge(path: Path, edit: Edit) -> None:
    """Change a record, and make all digests right."""
    record = read(path)
    edit(record)
    write_json(path, record)
    settle()


def settle() -> None:
    """Give every record below the working directory the digests of what lies there now."""
    for pattern in _ORDER:
        for path in sorted(Path().glob(pattern)):
            record = read(path)
            for name in record["outputs"]:
                if (path.parent / name).is_file():
                    record["outputs"][name] = describe_file(path.parent / name)
            for parent in record["parents"]:
                if Path(parent["path"]).is_file():
                    parent["sha256"] = sha256_file(Path(parent["path"]))
                    parent["result_digest"] = read(Path(parent["path"]))["result_digest"]
            write_json(path, sealed(record | {"result_digest": result_digest(record)}))
    for path in sorted(Path("results/shards").glob("*.json")):
        manifest = read(path)
        for run in manifest["runs"]:
            run["record_sha256"] = sha256_file(Path(run["directory"]) / "run.json")
        write_json(path, manifest)


def sealed(record: dict[str, Any]) -> dict[str, Any]:
    """The record with a digest of what it says now."""
    rest = {name: value for name, value in record.items() if name != "record_digest"}
    return rest | {"record_digest": digest(rest)}


def drop_output(record: dict[str, Any], path: Path, folder: Path) -> None:
    """Have a record vouch for a file no longer."""
    del record["outputs"][os.path.relpath(path, folder)]
