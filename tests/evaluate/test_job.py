"""The job of a group loads all code that it checks before it waits for a device."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.shards import REPOSITORY

from workflow_src.plan.fingerprints import Closures

# Ends where the job would wait for a device, and says which modules would be loaded later.
WAITING = """
import json, sys
from pathlib import Path
from workflow_src.evaluate import job

def wait(*words):
    needed = json.loads(Path(sys.argv[1]).read_text())["code"]["modules"]
    print(sorted(set(needed) - set(sys.modules)))
    sys.exit()

job.open_job_device = wait
job.evaluate(Path(sys.argv[1]), device="cuda", threads=1, memory_megabytes=1)
"""


@pytest.mark.parametrize("model", ["spvae", "vae"])
def test_while_it_waits_for_a_device_no_code_is_left_to_load(model: str, tmp_path: Path) -> None:
    code = Closures(REPOSITORY / "workflow_src").of_evaluation(model)
    assert f"workflow_src.models.{model}.drawing" in code.modules
    group = {"axes": {"model": model}, "code": {"digest": code.digest, "modules": code.modules}}
    (tmp_path / "group.json").write_text(json.dumps(group))
    done = subprocess.run(
        [sys.executable, "-c", WAITING, str(tmp_path / "group.json")],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[]", done.stderr
