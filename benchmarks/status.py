"""One look of `status` at a large results folder: the first, and those of `--watch` after it.

    python benchmarks/status.py [--runs 15000] [--shards 400] [--jobs 100] [--rounds 5]

The folder is temporary and of the real shape: every run has a directory with a record as large as
real ones, half of the shards are done, 100 jobs say that they run. The files are in the page cache,
as they have just been written.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pairing import median_of

from workflow_src.jobs.journal import Entry, State, entry_path, now, write_entry
from workflow_src.status.scanning import Scanner
from workflow_src.status.status import look
from workflow_src.status.telling import page

FAMILIES = 16
RECORD_BYTES = 16_000
ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def make(results: Path, runs: int, shards: int, jobs: int) -> None:
    names = [f"{number:016x}" for number in range(runs)]
    places = {
        name: f"runs/model{at % FAMILIES % 4}/data{at % FAMILIES // 4}-gaussian/100pct-seed0-{name}"
        for at, name in enumerate(names)
    }
    members = {f"{0xA << 60 | at:016x}": names[at::shards] for at in range(shards)}
    evaluations = {f"{0xE << 60 | at:016x}": at for at in range(runs // 20)}
    overview = {
        "schema_version": 1,
        "planned": now(),
        "scale": "paper",
        "device": "cuda",
        "runs": {name: [place, 300.0] for name, place in places.items()},
        "shards": {digest: {"runs": own} for digest, own in members.items()},
        "evaluations": {n: f"evaluations/m/d-g/100pct-{n}" for n in evaluations},
        "prepared": {},
        "report": "0" * 16,
    }
    write(results / "plan" / "overview.json", overview)
    record = {
        "content": {
            "status": {"state": "completed", "reason": "eleven validations below the best"},
            "result": {"device_seconds": 310.0},
        },
        "padding": ["a line of a record"] * (RECORD_BYTES // 22),
    }
    for at, (digest, own) in enumerate(members.items()):
        done = own if at < shards // 2 else own[: len(own) // 2] if at < shards // 2 + jobs else []
        for name in done:
            write(results / places[name] / "run.json", record)
        if at < shards // 2:
            rows = [{"fingerprint": n, "status": record["content"]["status"]} for n in own]  # type: ignore[index]
            write(results / "shards" / f"{digest}.json", {"runs": rows})
        elif at < shards // 2 + jobs:
            progress = {"step": 100, "maximum_steps": 20_000, "active_runs": 8, "bank": "a bank"}
            entry = Entry("train_shard", digest, State.RUNNING, now(), now(), progress=progress)
            write_entry(entry_path(results, "train_shard", digest), entry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15_000)
    parser.add_argument("--shards", type=int, default=400)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder)
        make(results, arguments.runs, arguments.shards, arguments.jobs)
        scanner = Scanner(results)
        print(f"{arguments.runs} runs, {arguments.shards} shards, {arguments.jobs} jobs at work")
        print(f"first look          {median_of(lambda: look(Scanner(results)), arguments.rounds)}")
        print(f"next look           {median_of(lambda: look(scanner), arguments.rounds)}")
        status = look(scanner)
        print(f"page                {median_of(lambda: page(status), arguments.rounds)}")
        words = [sys.executable, "-m", "workflow_src", "status", "--results", folder]

        def command() -> None:
            subprocess.run(words, check=True, capture_output=True, cwd=ROOT)

        print(f"the command whole   {median_of(command, arguments.rounds)}")


if __name__ == "__main__":
    main()
