"""Drawing again finds what no digest can: a figure that its measurements do not give."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.checkout import Checkout
from support.forging import forge, settle
from support.spoiling import World

from workflow_src.audit.findings import Repetition, Report
from workflow_src.audit.redrawing import redraw

pytestmark = pytest.mark.workflow

MANIFEST = "results/report/manifest-*.json"


def redrawn(world: World) -> Repetition:
    return redraw(world.plan(), Report((), (), {}))


def swap_two_figures(world: World) -> Path:
    """Have a figure show another one, with every digest right; the place of the forged one."""
    forged, other = world.files("results/figures/*.png")[:2]
    assert forged.read_bytes() != other.read_bytes()
    forged.write_bytes(other.read_bytes())
    settle()
    return forged


def test_every_figure_is_equal_byte_for_byte(world: World) -> None:
    told = Checkout(world.folder).must("python -m workflow_src audit --recompute 1 --seed 0")
    count = sum(path.is_file() for path in Path("results/figures").glob("*.*"))
    assert count > 3
    assert f"figures: {count} files drawn again, equal byte for byte" in told
    assert "every number stands" in told


def test_a_figure_that_its_arrays_do_not_give_is_found(world: World) -> None:
    forged = swap_two_figures(world)
    found = redrawn(world)
    (finding,) = found.report.findings
    assert finding.place == str(forged)
    assert "expected equal bytes" in finding.text
    assert found.lines[0].endswith("1 of them differ")


@pytest.mark.parametrize("library", ["matplotlib", "kiwisolver"])
def test_elsewhere_it_is_told_and_not_judged(world: World, library: str) -> None:
    forged = swap_two_figures(world)
    forge(
        world.file(MANIFEST),
        lambda record: record["environment"]["packages"].update({library: "0.1"}),
    )
    found = redrawn(world)
    assert found.report.findings == ()
    (remark,) = found.report.remarks
    assert remark.place == str(forged)
    assert f"{library} " in remark.text
    assert "not 0.1" in remark.text


def test_what_was_found_before_stays(world: World) -> None:
    before = Report((), (), {"numbers": 3})
    assert redraw(world.plan(), before).report == before


def test_without_a_report_nothing_is_drawn(world: World) -> None:
    world.file(MANIFEST).unlink()
    found = redrawn(world)
    assert found.report == Report((), (), {})
    assert "not yet made" in found.lines[0]
