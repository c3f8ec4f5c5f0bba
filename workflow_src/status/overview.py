"""What the last start of Snakemake planned, as it wrote it down in results/plan/overview.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.plan.layout import Layout
from workflow_src.plan.overview_format import SCHEMA_VERSION
from workflow_src.storage import read_json_object, refuse_newer

_SLASHES = 3
"""In a result directory's name relative to the results: kind, model, data, name."""


@dataclass(frozen=True)
class PlannedRun:
    """One run: its directory relative to the results, and how long it was expected to take."""

    directory: str
    seconds: float | None

    @property
    def family(self) -> str:
        """Model and data, within which expectations err alike."""
        return self.directory.split("/", 1)[1].rpartition("/")[0]


@dataclass(frozen=True)
class Overview:
    """The plan as far as progress needs it; runs and evaluations by fingerprint.

    Attributes
    ----------
    planned:
        When, in UTC.
    shards:
        The runs of every shard that was to be trained, by the shard's digest.
    evaluations:
        Directories relative to the results.
    data:
        Names of data sets, and fingerprints of the prepared ones.
    report:
        Fingerprint of the report.
    """

    planned: datetime
    scale: str
    device: str
    runs: Mapping[str, PlannedRun]
    shards: Mapping[str, tuple[str, ...]]
    evaluations: Mapping[str, str]
    data: frozenset[str]
    report: str


def read_overview(results: Path) -> Overview:
    """The overview of a results directory.

    Raises
    ------
    UserError
        Where nothing was planned yet, or the file is damaged or of a newer version.
    """
    path = overview_path(results)
    if not path.is_file():
        raise UserError(
            "there is no plan yet",
            place=str(path),
            remedy="start `snakemake --profile local` or `snakemake --profile slurm`, or name "
            "another folder of results with --results",
        )
    content = read_json_object(path)
    refuse_newer(content, SCHEMA_VERSION, "overview of the plan", path)
    try:
        return _overview(content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise UserError(
            f"the overview of the plan is damaged ({type(error).__name__}: {error})",
            place=str(path),
            remedy="remove it; the next start of snakemake writes it anew",
        ) from None


def overview_path(results: Path) -> Path:
    """Where the overview of a results directory lies."""
    return Layout(Path(), results).overview()


def _overview(content: Mapping[str, Any]) -> Overview:
    return Overview(
        planned=datetime.fromisoformat(content["planned"]).astimezone(UTC),
        scale=str(content["scale"]),
        device=str(content["device"]),
        runs={name: _run(*facts) for name, facts in content["runs"].items()},
        shards={name: tuple(facts["runs"]) for name, facts in content["shards"].items()},
        evaluations={name: _checked(place) for name, place in content["evaluations"].items()},
        data=frozenset(_data(content["prepared"])),
        report=str(content["report"]),
    )


def _data(prepared: Mapping[str, Sequence[str]]) -> Iterable[str]:
    for fingerprint, (data_set, _) in prepared.items():
        yield from (data_set, fingerprint)


def _run(directory: str, seconds: float | None) -> PlannedRun:
    return PlannedRun(_checked(directory), None if seconds is None else float(seconds))


def _checked(directory: str) -> str:
    if directory.count("/") != _SLASHES:
        raise ValueError(f"{directory} is no result directory")
    return directory
