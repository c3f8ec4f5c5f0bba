"""One small shard on digits, planned and prepared as the workflow does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.studies import tiny_study
from workflow_src.train.shard import ShardOptions, train_shard

REPOSITORY = Path(__file__).parents[2]
STUDY = tiny_study(spvae=[{"hidden_units": [2, 3], "latent_dimensions": [1]}])


@dataclass(frozen=True)
class Planned:
    """One shard of four runs in two banks of two; paths are relative to ``root``."""

    root: Path
    membership: Path
    manifest: Path

    @property
    def runs(self) -> list[dict[str, Any]]:
        runs: list[dict[str, Any]] = json.loads(self.membership.read_text())["runs"]
        return runs

    def directories(self) -> list[Path]:
        return [self.root / run["directory"] for run in self.runs]

    def train(self, **options: Any) -> dict[str, Any]:
        train_shard(self.membership, self.manifest, ShardOptions(**options))
        manifest: dict[str, Any] = json.loads(self.manifest.read_text())
        return manifest

    def start(self, *words: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
