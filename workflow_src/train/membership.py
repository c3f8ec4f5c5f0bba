"""What a shard's membership file tells the job: its runs, their data, code and directories."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.storage import read_json_object


@dataclass(frozen=True)
class ShardRun:
    """One run as the plan wrote it down."""

    fingerprint: str
    spec: dict[str, Any]
    directory: Path
    state: Path
    prepared: Path
    prepared_fingerprint: str
    code: dict[str, Any]
    settings: dict[str, Any]
    sources: Path


@dataclass(frozen=True)
class Shard:
    """The runs that one job trains on one device."""

    digest: str
    runs: tuple[ShardRun, ...]


def read_shard(path: Path) -> Shard:
    """Read a membership file; a damaged one is a `UserError`."""
    content = read_json_object(path)
    try:
        runs = tuple(
            ShardRun(
                fingerprint=run["fingerprint"],
                spec=run["spec"],
                directory=Path(run["directory"]),
                state=Path(run["state"]),
                prepared=Path(run["prepared"]["directory"]),
                prepared_fingerprint=run["prepared"]["fingerprint"],
                code=content["code"],
                settings=content["settings"],
                sources=Path(content["sources"]),
            )
            for run in content["runs"]
        )
        return Shard(content["digest"], runs)
    except (KeyError, TypeError) as error:
        raise UserError(
            f"the membership file is damaged ({error!r})",
            place=str(path),
            remedy="remove it; the next start of snakemake writes it anew",
        ) from None
