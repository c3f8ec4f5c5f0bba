"""docs/provenance.md says what is so: its commands work, its fields are those of the records."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from support.checkout import Checkout
from support.spoiling import World

pytestmark = pytest.mark.workflow

PAGE = Path(__file__).parents[2] / "docs" / "provenance.md"


def test_every_command_of_the_page_works(world: World) -> None:
    blocks = PAGE.read_text().split("```")[1::2]
    commands = [c for block in blocks if block.startswith("sh\n") for c in block.splitlines()[1:]]
    assert len(commands) > 10
    checkout = Checkout(world.folder)
    for command in commands:
        # The page speaks of the study that comes with the project.
        tiny = command.replace("spvae/table1", "tiny/comparison").replace("table1", "comparison")
        done = checkout.shell(tiny)
        assert done.returncode == 0, f"{command}\n{done.stdout}"


def test_every_field_of_the_records_is_on_the_page(world: World) -> None:
    said = set(re.findall(r"`([a-z0-9_]+)`", PAGE.read_text()))
    kinds = {
        "raw": "data/raw/*/record.json",
        "prepared": "data/prepared/*gaussian*/record.json",
        "run": "results/runs/*/*/*/run.json",
        "measurement": "results/measurements/*/*/*/measurement.json",
        "evaluation": "results/evaluations/*/*/*/evaluation.json",
        "report": "results/report/manifest-*.json",
    }
    for kind, pattern in kinds.items():
        record = json.loads(world.file(pattern).read_text())
        assert record["kind"] == kind
        assert record.keys() <= said
        (row,) = re.findall(rf"^\| {kind} \| (`.*) \|$", PAGE.read_text(), flags=re.MULTILINE)
        told = set(re.findall(r"`([a-z0-9_]+)`", row))
        assert record["content"].keys() <= told, kind
