"""A results folder as a workflow under way leaves it, written by hand file by file."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAMILY = "vae/digits-gaussian"


def name(number: int) -> str:
    """A fingerprint or digest: sixteen hexadecimal digits."""
    return f"{number:016x}"


RUNS = tuple(name(number) for number in range(6))
SHARDS = (name(0xA), name(0xB), name(0xC))
EVALUATIONS = (name(0x100), name(0x101))
REPORT = name(0x200)
DATA = name(0x300)


@dataclass
class Folder:
    """Six runs in three shards, each expected to take 100 seconds; two evaluations, one report."""

    results: Path
    overview: dict[str, Any] = field(
        default_factory=lambda: {
            "schema_version": 1,
            "planned": "2026-01-02T03:04:05+00:00",
            "scale": "demo",
            "device": "cpu",
            "runs": {run: [run_directory(run), 100.0] for run in RUNS},
            "shards": {
                shard: {"runs": list(RUNS[2 * place : 2 * place + 2]), "seconds": 200.0}
                for place, shard in enumerate(SHARDS)
            },
            "evaluations": {
                one: f"evaluations/{FAMILY}/100pct-seed0-authors-main-{one}" for one in EVALUATIONS
            },
            "prepared": {DATA: ["digits", "gaussian"]},
            "report": REPORT,
        }
    )

    def plan(self) -> None:
        self.write("plan/overview.json", self.overview)

    def finish_runs(self, *runs: str, state: str = "completed", seconds: float = 100.0) -> None:
        for run in runs:
            content = {
                "status": {"state": state, "reason": f"{state} for a reason"},
                "result": {"device_seconds": seconds},
            }
            self.write(f"{run_directory(run)}/run.json", {"content": content})

    def finish_shard(self, shard: str, diverged: Collection[str] = ()) -> None:
        """Every run of a shard is there, and its manifest."""
        rows = []
        for run in self.overview["shards"][shard]["runs"]:
            state = "diverged" if run in diverged else "completed"
            self.finish_runs(run, state=state)
            status = {"state": state, "reason": f"{state} for a reason"}
            rows.append({"fingerprint": run, "status": status})
        self.write(f"shards/{shard}.json", {"schema": 1, "digest": shard, "runs": rows})

    def finish_everything(self) -> None:
        for shard in SHARDS:
            self.finish_shard(shard)
        for directory in self.overview["evaluations"].values():
            self.write(f"{directory}/evaluation.json", {})
        self.write(f"report/manifest-{REPORT}.json", {})

    def say(
        self, of: str, state: str, *, rule: str = "train_shard", quiet: float = 0.0, **facts: Any
    ) -> Path:
        """A job's journal entry, last changed ``quiet`` seconds ago."""
        moment = "2026-01-02T03:04:05+00:00"
        entry = {"schema_version": 1, "rule": rule, "name": of, "state": state}
        place = f"jobs/{rule}-{of}.json"
        path = self.write(place, entry | {"since": moment, "updated": moment} | facts)
        changed = time.time() - quiet
        os.utime(path, (changed, changed))
        return path

    def write(self, place: str, value: Any) -> Path:
        path = self.results / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value))
        return path


def run_directory(run: str) -> str:
    return f"runs/{FAMILY}/100pct-seed0-{run}"
