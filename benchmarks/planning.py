"""Planning the SPVAE paper grid: plan and packing, `snakemake -n`, half done, and nothing to do.

    python benchmarks/planning.py [--seeds 3] [--device cpu] [--rounds 3]

Everything happens in a temporary folder. For "nothing to do", empty files stand in for results:
what is measured is how long it takes to see that they exist. For "half of it there", every second
run has a record of a real one's size, which the expected costs of the others come from.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pairing import median_of

from workflow_src.config.loading import load_settings
from workflow_src.plan.closure import _parse
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.overview import write_overview
from workflow_src.plan.packing import packing
from workflow_src.plan.plan import Plan, build_plan

ROOT = Path(__file__).resolve().parents[1]


def pretend_finished(plan: Plan, root: Path) -> None:
    records = [run.record for run in plan.runs.values()]
    records += [data.record for data in plan.prepared]
    records += [evaluation.path for evaluation in plan.evaluations]
    records.append(plan.layout.report_manifest(plan.report))
    for record in records:
        path = root / record
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}\n")


def finish_half(plan: Plan, root: Path) -> None:
    """Records of every second run; only what costs are read from is as in a real one."""
    code = plan.closures.of_model("spvae").modules
    for run in list(plan.runs.values())[::2]:
        content = {"spec": run.spec.canonical(), "code": {"modules": code}}
        record = {
            "content": content | {"result": {"device_seconds": 100.0 + run.spec.seed}},
            "machine": {"gpu": None},
        }
        path = root / run.record
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record, indent=1))


def told(plan: Plan) -> str:
    packed = packing(plan.shards, plan.expected, plan.costs)
    sizes, hours = packed.runs_per_job, packed.hours_per_job
    if sizes is None or hours is None:
        return "no jobs"
    return (
        f"{len(plan.missing)} runs in {packed.jobs} jobs of {sizes.least} to {sizes.most} runs "
        f"(median {sizes.median}) and {hours.least:.1f} to {hours.most:.1f} expected hours "
        f"(median {hours.median:.1f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        config = root / "config.yaml"
        seeds = list(range(arguments.seeds))
        config.write_text(
            f"studies: [spvae]\nscale: paper\nseeds: {seeds}\ndevice: {arguments.device}\n"
        )
        snakemake = [sys.executable, "-m", "snakemake", "-n", "--quiet", "all", "--cores", "2"]
        snakemake += ["--snakefile", str(ROOT / "Snakefile"), "--configfile", str(config)]
        snakemake += ["--rerun-triggers", "mtime", "--directory", folder]

        def dry_run() -> None:
            subprocess.run(snakemake, check=True, capture_output=True, cwd=folder)

        def plan() -> Plan:
            # Parsed modules are kept within a process; a new one reads and hashes them all.
            _parse.cache_clear()
            return build_plan(load_settings(config), root=root)

        planned = plan()
        started = time.perf_counter()
        write_memberships(planned)
        written = time.perf_counter() - started
        started = time.perf_counter()
        write_overview(planned)
        overview = time.perf_counter() - started
        print(f"{told(planned)}; {len(planned.evaluations)} evaluations")
        print(f"plan, with all fingerprints {median_of(plan, arguments.rounds)}")
        print(f"writing the memberships     {written:.2f} s, once")
        print(f"writing the overview        {overview:.2f} s")
        print(f"snakemake -n                {median_of(dry_run, arguments.rounds)}")
        finish_half(planned, root)
        print(f"plan, half of it there      {median_of(plan, arguments.rounds)}: {told(plan())}")
        pretend_finished(planned, root)
        print(f"plan, all there             {median_of(plan, arguments.rounds)}")
        print(f"snakemake -n, nothing to do {median_of(dry_run, arguments.rounds)}")


if __name__ == "__main__":
    main()
