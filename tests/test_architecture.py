"""The house stands as docs/architecture.md says: one direction, no circles, light planning."""

from __future__ import annotations

import ast
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from support import architecture

HEAVY = {"torch", "torchvision", "numpy", "pandas", "scipy", "sklearn", "matplotlib", "pyarrow"}
TRAINERS = ("workflow_src.train.annealed", "workflow_src.train.gradient")
HOUSEKEEPING = {"config", "errors", "provenance", "storage"}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    return architecture.imports()


def test_every_part_has_its_level(graph: dict[str, set[str]]) -> None:
    levels = {name for names in architecture.LEVELS for name in names}
    assert {architecture.part(module) for module in graph} - {"__init__"} == levels


def test_dependencies_point_one_way(graph: dict[str, set[str]]) -> None:
    assert architecture.wrong_directions(graph) == []


def test_no_modules_import_each_other_in_a_circle(graph: dict[str, set[str]]) -> None:
    assert architecture.cycle(graph) == []


def test_only_writers_of_results_know_provenance(graph: dict[str, set[str]]) -> None:
    users = {
        architecture.part(module)
        for module, targets in graph.items()
        if any(architecture.part(target) == "provenance" for target in targets)
    }
    writers = {"data", "train", "evaluate", "report", "commands", "__main__"}
    assert users <= {*writers, "audit", "changes", "lineage", "provenance", "release", "trace"}


def test_what_decides_numbers_knows_no_housekeeping(graph: dict[str, set[str]]) -> None:
    roots = [m for m in graph if m.startswith(("workflow_src.models.", *TRAINERS))]
    roots += ["workflow_src.data.preparation", "workflow_src.evaluate.leaf_models.measurement"]
    reached = {architecture.part(module) for module in architecture.reachable(roots, graph)}
    assert not reached & HOUSEKEEPING


def test_the_report_knows_files_and_no_model(graph: dict[str, set[str]]) -> None:
    reached = {architecture.part(m) for m in architecture.reachable(["workflow_src.report"], graph)}
    assert not reached & {"models", "train", "evaluate", "compute"}


def test_the_page_is_as_the_code_is() -> None:
    text = architecture.PAGE.read_text()
    assert architecture.BEGIN in text
    assert text == architecture.page(text), "run `make architecture`"


def test_the_picture_is_as_the_code_is() -> None:
    drawn = architecture.PICTURE.read_text()
    assert drawn == architecture.picture(), "run `make architecture`"
    texts = [
        text.text for text in ElementTree.fromstring(drawn).iter() if text.tag.endswith("}text")
    ]
    assert set(texts) >= {name for names in architecture.LEVELS for name in names}


def test_the_picture_has_every_arrow_of_the_diagram_and_the_heavy_parts_in_their_colour() -> None:
    drawn = architecture.PICTURE.read_text()
    arrows = re.findall(r"^  \w+ --> \w+$", architecture.PAGE.read_text(), flags=re.MULTILINE)
    assert drawn.count("marker-end") == len(arrows) > 20
    assert {"models", "train", "evaluate"} <= architecture.numerical_parts()
    assert not architecture.numerical_parts() & {"config", "plan", "report", "status", "storage"}


def test_boxes_of_the_picture_do_not_overlap() -> None:
    boxes = [
        [float(one.attrib[key]) for key in ("x", "y", "width", "height")]
        for one in ElementTree.fromstring(architecture.PICTURE.read_text()).iter()
        if one.tag.endswith("}rect") and "x" in one.attrib
    ]
    for (x, y, width, height), (left, top, wide, high) in itertools.combinations(boxes, 2):
        apart = x + width < left or left + wide < x or y + height < top or top + high < y
        assert apart


def test_every_module_says_what_it_is() -> None:
    silent = [
        name
        for name, path in architecture.modules().items()
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []


def test_packages_hold_a_docstring_alone() -> None:
    full = [
        name
        for name, path in architecture.modules().items()
        if path.name == "__init__.py" and len(ast.parse(path.read_text()).body) != 1
    ]
    assert full == []


def test_planning_and_the_snakefile_load_nothing_heavy(tmp_path: Path) -> None:
    program = """
import json, sys
from workflow_src.plan.workflow import workflow_plan, workflow_plan_of_job
import workflow_src.__main__, workflow_src.commands.plan, workflow_src.commands.show
import workflow_src.commands.train, workflow_src.commands.evaluate
workflow_plan({})
workflow_plan_of_job({})
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    environment = {"PYTHONPATH": str(architecture.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    assert not HEAVY & set(json.loads(done.stdout))


def test_the_report_loads_no_torch(tmp_path: Path) -> None:
    program = """
import json, sys
import workflow_src.report.report, workflow_src.report.provenance_lines
import workflow_src.report.training_costs, workflow_src.report.figures.training_curves
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(architecture.ROOT)},
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = set(json.loads(done.stdout))
    assert "matplotlib" in loaded
    assert not loaded & {"torch", "torchvision", "sklearn"}


def test_a_wrong_direction_and_a_circle_are_noticed(tmp_path: Path) -> None:
    package = tmp_path / "workflow_src"
    for name, text in {
        "__init__.py": "",
        "plan/__init__.py": "",
        "plan/one.py": "def later():\n    from ..data import two\n",
        "data/__init__.py": "",
        "data/two.py": "from workflow_src.plan.one import later\n",
    }.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    graph = architecture.imports(package)
    assert "workflow_src.plan.one imports workflow_src.data.two" in (
        architecture.wrong_directions(graph)
    )
    assert set(architecture.cycle(graph)) == {"workflow_src.plan.one", "workflow_src.data.two"}
