"""`why` on a grid of some 12,000 runs: nothing to do, a shared layer edited, nothing made yet.

    python benchmarks/why.py [--seeds 4] [--rounds 3]

Everything happens in a temporary folder with a copy of the package. Records of the size of real
ones stand in for results; after the edit all of them are of earlier code and all runs are missing.
What is timed is the whole command, start of Python included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from workflow_src.config.loading import load_settings
from workflow_src.plan.fingerprints import Code
from workflow_src.plan.plan import Plan, build_plan
from workflow_src.plan.sources import write_sources
from workflow_src.storage import digest

ROOT = Path(__file__).resolve().parents[1]
SHARED_LAYER = "models/banks.py"
PACKAGES = {f"package-{number}": "1.2.3" for number in range(70)}


def code_facts(code: Code) -> dict[str, Any]:
    return {"digest": code.digest, "identity": code.identity, "modules": code.modules}


def record(content: dict[str, Any]) -> str:
    value = {
        "schema_version": 2,
        "content": content,
        "environment": {"python": "3.12.0", "packages": PACKAGES},
        "machine": {"gpu": None},
        "git": {"commit": None},
    }
    return json.dumps(value | {"record_digest": digest(value)}, sort_keys=True, indent=1)


def pretend_finished(plan: Plan) -> None:
    write_sources(plan)
    texts = {}
    for run in plan.runs.values():
        texts[run.record] = record(
            {
                "spec": run.spec.canonical(),
                "data": run.prepared.fingerprint,
                "data_recipe": run.prepared.recipe,
                "code": code_facts(plan.closures.of_model(run.spec.model)),
                "settings": plan.settings.model_dump(mode="json"),
                "result": {"device_seconds": 60.0},
            }
        )
    for one in plan.evaluations:
        texts[one.path] = record(
            {
                "axes": one.axes,
                "measures": one.measures,
                "candidates": [{"fingerprint": name} for name in one.runs],
                "code": code_facts(plan.closures.of_evaluation(str(one.axes["model"]))),
            }
        )
    texts[plan.layout.report_manifest(plan.report)] = record({})
    for path, text in texts.items():
        (plan.root / path).parent.mkdir(parents=True, exist_ok=True)
        (plan.root / path).write_text(text)


def timed(root: Path, rounds: int) -> str:
    walls, before = [], processor_seconds()
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "workflow_src", "why"],
            check=True,
            capture_output=True,
            cwd=root,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        walls.append(time.perf_counter() - started)
    processor = (processor_seconds() - before) / rounds
    spread = f"{min(walls):.2f} to {max(walls):.2f}"
    return f"median {statistics.median(walls):.2f} s, {spread}; processor {processor:.2f} s"


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        package = root / "workflow_src"
        shutil.copytree(
            ROOT / "workflow_src", package, ignore=shutil.ignore_patterns("__pycache__")
        )
        config = root / "config.yaml"
        config.write_text(
            f"studies: [spvae]\nscale: paper\nseeds: {list(range(arguments.seeds))}\n"
        )
        plan = build_plan(load_settings(config), package_root=package, root=root)
        print(f"{len(plan.runs)} runs, {len(plan.evaluations)} evaluations")
        print(f"nothing made yet       {timed(root, arguments.rounds)}")
        pretend_finished(plan)
        print(f"nothing to do          {timed(root, arguments.rounds)}")
        layer = package / SHARED_LAYER
        layer.write_text(layer.read_text() + "\n\ndef edited() -> int:\n    return 1\n")
        print(f"a shared layer edited  {timed(root, arguments.rounds)}")


if __name__ == "__main__":
    main()
