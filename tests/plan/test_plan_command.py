"""`plan` prints counts that add up, and planning stays free of what computes."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from workflow_src.commands import plan as command
from workflow_src.plan.plan import build_plan


def printed(capsys: pytest.CaptureFixture[str], config: Path) -> dict[str, list[str]]:
    assert command.run(argparse.Namespace(configfile=[config], json=False)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == list(command._HEADINGS)
    rows = [line.removeprefix("all  each once").split() for line in lines[1:5]]
    return {row[1] if len(row) == 8 else "all": row[-6:] for row in rows}


def test_shared_runs_are_counted_once(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    package: Path,
    root: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(root)
    monkeypatch.setattr(
        command, "build_plan", lambda settings: build_plan(settings, package_root=package)
    )
    # Laid over config.yaml, as Snakemake does.
    (root / "config.yaml").write_text("seeds: [5]\nthreads: 2\n")
    config = tmp_path / "more.yaml"
    config.write_text("seeds: [0, 1]\n")
    rows = printed(capsys, config)
    # runs, done, missing, shards, evaluated; hours are 1920 guessed steps of 20 ms each.
    assert rows["table1"] == ["16", "0", "16", "4", "0/8", "0.2"]
    assert rows["table2"] == rows["table1"]
    assert rows["figure3"] == ["2", "0", "2", "1", "0/2", "0.0"]
    assert rows["all"] == ["16", "0", "16", "4", "0/10", "0.2"]


def test_planning_imports_nothing_that_computes() -> None:
    code = (
        "import sys, workflow_src.plan.workflow, workflow_src.commands.plan\n"
        "heavy = {'torch', 'numpy', 'pandas', 'scipy', 'matplotlib', 'sklearn', 'pyarrow'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
