"""What the report was made from, read again: as it lay when the report was made, and as it lies."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from workflow_src.plan.memberships import membership_text, report_membership
from workflow_src.plan.plan import Plan

_DEPTH = 5
"""Parts of an evaluation's path from its kind on."""


@contextlib.contextmanager
def membership_of(plan: Plan) -> Iterator[Path]:
    """The membership file of the plan's report; meanwhile, paths begin at the plan's root."""
    with contextlib.chdir(plan.root), tempfile.TemporaryDirectory() as folder:
        membership = Path(folder) / "report.json"
        membership.write_text(membership_text(report_membership(plan)))
        yield membership


def as_then(evidence: Any, manifest: Mapping[str, Any]) -> Any:
    """The evidence with the places that the results had when the report was made of them."""
    places = [PurePosixPath(one["path"]) for one in manifest["parents"]]
    results = Path(*places[0].parts[:-_DEPTH]) if places else evidence.results
    groups = (
        dataclasses.replace(
            group,
            evaluation=dataclasses.replace(
                group.evaluation, path=results.joinpath(*group.evaluation.path.parts[-_DEPTH:])
            ),
        )
        for group in evidence.groups
    )
    place = results.joinpath(*evidence.manifest.parts[-2:])
    return dataclasses.replace(evidence, manifest=place, groups=tuple(groups))


def as_here(evidence: Any) -> Any:
    """The evidence with its measurements where they lie now, to read their arrays."""
    groups = []
    for group in evidence.groups:
        one = group.evaluation
        if one.measurement is not None:
            here = evidence.results.joinpath(*one.measurement.parts[1 - _DEPTH :])
            one = dataclasses.replace(one, measurement=here)
        groups.append(dataclasses.replace(group, evaluation=one))
    return dataclasses.replace(evidence, groups=tuple(groups))
