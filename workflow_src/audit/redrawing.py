"""Draws every figure again from the arrays and histories of the results, and compares the files.

With the versions of the libraries and the kind of processor that the report was made with, files
must be equal byte for byte. Elsewhere lines may be set a little apart, and what differs is told
without a verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workflow_src.audit.findings import Notes, Repetition, Report
from workflow_src.audit.report_evidence import as_here, membership_of
from workflow_src.plan.plan import Plan
from workflow_src.provenance.environment import describe_environment
from workflow_src.provenance.machine import describe_machine
from workflow_src.storage import read_json_object

LIBRARIES = ("contourpy", "kiwisolver", "matplotlib", "numpy", "pillow", "scipy")
"""What the bytes of a figure may depend on among the installed packages."""

log = logging.getLogger(__name__)


def redraw(plan: Plan, report: Report) -> Repetition:
    """Draw the figures of the plan's report again; ``report`` is the audit's, to be added to."""
    notes = Notes(list(report.findings), list(report.remarks))
    notes.counted.update(report.counted)
    manifest = plan.root / plan.layout.report_manifest(plan.report)
    if not manifest.is_file():
        return Repetition(report, ("figures: not drawn again, the report is not yet made",))
    compared, differing = 0, []
    log.info("drawing the figures again")
    with membership_of(plan) as membership, notes.reading(plan.layout.report_manifest(plan.report)):
        for place, data in _drawn(membership):
            if place.is_file():
                compared += 1
                if place.read_bytes() != data:
                    differing.append(place)
        made = read_json_object(manifest)
        _tell(differing, _difference(plan.root, made), notes)
    said = f"{len(differing)} of them differ" if differing else "equal byte for byte"
    return Repetition(notes.report(), (f"figures: {compared} files drawn again, {said}",))


def _drawn(membership: Path) -> Iterator[tuple[Path, bytes]]:
    """The files of all figures, as the report's code draws them now."""
    from workflow_src.report.evidence import read_evidence
    from workflow_src.report.page.chapters import drawn_chapter, undrawn_chapter

    evidence = as_here(read_evidence(membership))
    for study in evidence.studies:
        for figure in drawn_chapter(evidence, undrawn_chapter(evidence, study)).figures:
            for suffix, data in figure.images.items():
                yield evidence.results / "figures" / f"{figure.name}{suffix}", data


def _difference(root: Path, manifest: Mapping[str, Any]) -> str | None:
    """How this machine and its libraries differ from those that drew; None where they do not."""
    packages = describe_environment(root)["packages"]
    then = manifest["environment"]["packages"]
    facts = {name: (packages.get(name), then.get(name)) for name in LIBRARIES}
    facts["processor"] = (describe_machine()["cpu"], manifest["machine"]["cpu"])
    return "; ".join(f"{name} {a}, not {b}" for name, (a, b) in facts.items() if a != b) or None


def _tell(differing: list[Path], difference: str | None, notes: Notes) -> None:
    if difference is None:
        for place in differing:
            notes.find("number", place, "drawn again it differs; expected equal bytes")
    elif differing:
        notes.remark(
            differing[0],
            f"{len(differing)} figures differ when they are drawn again, this one first, as they "
            f"may elsewhere ({difference})",
        )
