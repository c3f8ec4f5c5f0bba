"""README.md says what works: every command and every query on it is run here.

What needs only some results runs on the tests' small study. What makes the environment or runs the
tests themselves is run in the long form, block by block in a clone (DENSITY_BENCH_LONG=1, half an
hour and more). Jobs go to a SLURM in tests/slurm, by the README's own command.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pandas as pd
import pytest
from support import cluster_checkout
from support.checkout import NOT_TYPED, Checkout
from support.markdown_pages import ROOT, blocks
from support.spoiling import World
from support.studies import nothing_joins

from workflow_src.config.loading import load_layered
from workflow_src.plan.plan import build_plan

README = ROOT / "README.md"
BLOCKS = blocks(README)
COMMANDS = [command for block in BLOCKS if block.language == "sh" for command in block.commands]
PYTHON = [block for block in BLOCKS if block.language == "python"]

ACTIVATE = "source .venv/bin/activate"
IN_THE_LONG_FORM = {"make demo", "make test", ACTIVATE}
ON_SLURM = {"snakemake --profile slurm"}
NOT_HERE = set() if shutil.which("sbatch") else {"snakemake --profile slurm -n"}
ELSEWHERE = IN_THE_LONG_FORM | ON_SLURM | NOT_HERE
IN_A_SMALL_WORLD = [command for command in COMMANDS if command not in ELSEWHERE]


def of_the_tiny_study(text: str) -> str:
    """A line of the README for the tests' study, which has other names and fewer samples."""
    text = text.replace("spvae/table1", "tiny/comparison").replace("'table1'", "'comparison'")
    return text.replace("'spvae'", "'tiny'").replace("5000", "4")


def answers() -> list[pd.DataFrame]:
    """What each query of the README prints, by likelihood and model."""
    found = []
    for block in PYTHON:
        shown: list[Any] = []
        exec(of_the_tiny_study(block.text), {"print": shown.append})
        (table,) = shown
        frame = table.reset_index() if isinstance(table, pd.DataFrame) else table.df()
        found.append(frame.set_index(["likelihood", "model"]).sort_index())
    return found


def bounds_of_the_records(samples: int, evaluations: Path) -> dict[tuple[str, str], list[float]]:
    """The bounds of all evaluations by likelihood and model, read as plain JSON."""
    found: dict[tuple[str, str], list[float]] = {}
    for path in sorted(evaluations.glob("*/*/*/evaluation.json")):
        content = json.loads(path.read_text())["content"]
        for metric in content["metrics"]:
            if (metric["metric"], metric.get("importance_samples")) == ("test_bound", samples):
                key = content["axes"]["likelihood"], content["axes"]["model"]
                found.setdefault(key, []).append(metric["value"])
    return found


def test_every_block_is_of_a_language_that_is_run() -> None:
    assert {block.language for block in BLOCKS} == {"sh", "python"}
    assert len(PYTHON) == 2
    assert not [line for line in COMMANDS if line.endswith("\\")]


def test_every_command_is_run_once_in_some_form() -> None:
    assert set(COMMANDS) >= ELSEWHERE
    assert len(IN_A_SMALL_WORLD) > 10


def test_no_command_puts_a_copy_into_the_checkout() -> None:
    # Untracked files make every later record one "with uncommitted changes".
    copies = [command.split()[-1] for command in COMMANDS if command.startswith("cp ")]
    assert copies == ["../before"]


def test_jobs_are_sent_to_slurm_by_the_command_of_the_readme() -> None:
    assert cluster_checkout.SNAKEMAKE in ON_SLURM


def test_commands_in_the_text_exist() -> None:
    said = set(re.findall(r"`python -m workflow_src\s+(\w+)", README.read_text()))
    said |= {command.split()[3] for command in COMMANDS if "workflow_src" in command}
    assert {"plan", "audit", "trace", "compare", "fetch"} <= said
    for name in said:
        assert (ROOT / "workflow_src" / "commands" / f"{name}.py").is_file()


def test_the_demo_trains_as_many_models_as_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (said,) = re.findall(r"trains (\d+) small models", README.read_text())
    monkeypatch.chdir(tmp_path)
    with nothing_joins():
        plan = build_plan(load_layered([ROOT / "config.yaml"]))
    assert len(plan.runs) == int(said)


@pytest.mark.workflow
def test_every_command_works_in_the_order_of_the_page(world: World) -> None:
    checkout = Checkout(world.folder)
    copy = world.folder.parent / "before"
    for command in IN_A_SMALL_WORLD:
        done = checkout.shell(of_the_tiny_study(command))
        assert done.returncode == 0, f"{command}\n{done.stdout}"
    assert (copy / "metrics.parquet").is_file()
    shutil.rmtree(copy)


@pytest.mark.workflow
def test_both_queries_find_what_the_records_hold(world: World) -> None:
    expected = bounds_of_the_records(4, Path("results/evaluations"))
    assert len(expected) == 4
    for found in answers():
        assert set(found.index) == expected.keys()
        for key, values in expected.items():
            assert found["mean"][key] == pytest.approx(fmean(values), rel=1e-12)
            assert found["count"][key] == len(values)
            spread = stdev(values) if len(values) > 1 else math.nan
            assert found["std"][key] == pytest.approx(spread, nan_ok=True)


@pytest.mark.workflow
@pytest.mark.skipif("DENSITY_BENCH_LONG" not in os.environ, reason="long: DENSITY_BENCH_LONG=1")
@pytest.mark.timeout(4 * 3600)
def test_the_readme_from_top_to_bottom_in_a_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    outside = {"PYTHONPATH", "VIRTUAL_ENV", "DENSITY_BENCH_LONG", *NOT_TYPED}
    environment = {name: text for name, text in os.environ.items() if name not in outside}
    for block in blocks(clone / "README.md"):
        if set(block.commands) & (ON_SLURM | NOT_HERE):
            continue
        active = (clone / ".venv").exists()
        lines = [ACTIVATE] * active + (
            [f"python - <<'END'\n{block.text}END"] if block.language == "python" else block.commands
        )
        done = subprocess.run(
            ["bash", "-e", "-c", "\n".join(lines)],
            cwd=clone,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, f"line {block.line}\n{done.stdout}\n{done.stderr}"
    assert (clone / "results" / "report" / "index.html").is_file()
    shutil.rmtree(tmp_path / "before")
    status = ["git", "-C", str(clone), "status", "--porcelain"]
    assert subprocess.run(status, check=True, capture_output=True, text=True).stdout == ""
