"""Where everything lies, relative to the repository's root; the only place that spells a path.

Names carry the fingerprint of what they hold, so a path that exists is up to date. What the
fingerprints are made of is `workflow_src.plan.fingerprints`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workflow_src.archive.results import RECORDS, SOURCES
from workflow_src.plan.specs import RunSpec

RUN_RECORD = RECORDS["runs"]
RAW_RECORD = "record.json"
PREPARED_RECORD = "record.json"
EVALUATION_RECORD = RECORDS["evaluations"]
MEASUREMENT_RECORD = RECORDS["measurements"]
STATE_FILE = "state.safetensors"
OVERVIEW = "overview.json"


@dataclass(frozen=True)
class Layout:
    """The two directories of the settings, and every path below them."""

    data: Path
    results: Path

    @property
    def sources(self) -> Path:
        """The texts of code and of uncommitted changes, by digest."""
        return self.results / SOURCES

    def raw(self, data_set: str) -> Path:
        """The files of a data set as its makers publish them."""
        return self.data / "raw" / data_set

    def prepared(self, data_set: str, likelihood: str, fingerprint: str) -> Path:
        """The arrays of one data set, scaled for one likelihood."""
        return self.data / "prepared" / f"{data_set}-{likelihood}-{fingerprint}"

    def run(self, spec: RunSpec, fingerprint: str) -> Path:
        """The results of one training."""
        folder = f"{spec.model}/{spec.data_set}-{spec.likelihood}"
        name = f"{_percent(spec.fraction)}-seed{spec.seed}-{fingerprint}"
        return self.results / f"runs/{folder}/{name}"

    def state(self, fingerprint: str) -> Path:
        """What an interrupted run goes on from."""
        return self.results / "states" / fingerprint

    def evaluation(self, axes: Mapping[str, Any], fingerprint: str) -> Path:
        """The choice of a group's winner and what was measured on it."""
        family = f"{axes['data_set']}-{axes['likelihood']}"
        name = (
            f"{_percent(axes['fraction'])}-seed{axes['seed']}"
            f"-{axes['protocol']}-{axes['stream']}-{fingerprint}"
        )
        return self.results / "evaluations" / str(axes["model"]) / family / name

    def measurements(self, axes: Mapping[str, Any]) -> Path:
        """The folder of all measurements of one model on one data set."""
        family = f"{axes['data_set']}-{axes['likelihood']}"
        return self.results / "measurements" / str(axes["model"]) / family

    def measurement(self, axes: Mapping[str, Any], run: str, fingerprint: str) -> Path:
        """What was measured on one run; ``run`` is its fingerprint."""
        return self.measurements(axes) / f"{run}-{fingerprint}"

    def prepared_membership(self, fingerprint: str) -> Path:
        """What a preparation job needs to know."""
        return self.results / "plan" / "prepared" / f"{fingerprint}.json"

    def shard_membership(self, digest: str) -> Path:
        """What a training job needs to know."""
        return self.results / "plan" / "shards" / f"{digest}.json"

    def evaluation_membership(self, fingerprint: str) -> Path:
        """What an evaluation job needs to know."""
        return self.results / "plan" / "evaluations" / f"{fingerprint}.json"

    def report_membership(self, fingerprint: str) -> Path:
        """What the report job needs to know."""
        return self.results / "plan" / "reports" / f"{fingerprint}.json"

    def overview(self) -> Path:
        """What the latest plan has in all, for those who watch it being made."""
        return self.results / "plan" / OVERVIEW

    def shard_manifest(self, digest: str) -> Path:
        """What a training job leaves when all of its runs are there."""
        return self.results / "shards" / f"{digest}.json"

    def report_manifest(self, fingerprint: str) -> Path:
        """What the report leaves when it is whole."""
        return self.results / "report" / f"manifest-{fingerprint}.json"

    def report_figures(self, fingerprint: str) -> Path:
        """The figures of the report's pages, with their captions, for Snakemake's report too."""
        return self.results / "report" / "figures" / fingerprint

    def report_tables(self, fingerprint: str) -> Path:
        """The report's tables as plain pages, for Snakemake's report."""
        return self.results / "tables" / fingerprint


def _percent(fraction: float) -> str:
    # Ten digits, so that 0.07 reads 7pct although 0.07 * 100 is a little more than 7.
    return f"{fraction * 100:.10g}pct"
