"""The runs that judge what a winner draws, as the membership of an evaluation names them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from workflow_src.archive.references import directory_name
from workflow_src.archive.results import CHECKPOINT, Results
from workflow_src.data.arrays import PreparedData
from workflow_src.data.prepared import open_verified
from workflow_src.evaluate.judging import JudgedBy
from workflow_src.evaluate.selection import choose_among
from workflow_src.plan.layout import PREPARED_RECORD, RUN_RECORD
from workflow_src.provenance.record import parent
from workflow_src.storage import read_json_object
from workflow_src.train.checkpoints import tensors_of
from workflow_src.train.run_directory import read_parameters, read_run

log = logging.getLogger(__name__)

COMPLETED = "completed"
"""The state of a run whose training came to an end with a finite bound."""

ROLE = "judge"
"""What tells a judge from other runs among a record's parents."""


@dataclass(frozen=True)
class JudgeRun:
    """A judge's finished run.

    Attributes
    ----------
    named:
        What the membership says of it: fingerprint, spec, directory, prepared data.
    state, reason:
        How its training ended.
    judges:
        Whether it can judge: it completed, with a finite bound.
    """

    named: Mapping[str, Any]
    state: str
    reason: str
    judges: bool

    @property
    def directory(self) -> Path:
        """Where it lies."""
        return Path(self.named["directory"])

    def described(self) -> dict[str, Any]:
        """What records say of it."""
        names = ("fingerprint", "spec", "directory")
        return {
            **{name: self.named[name] for name in names},
            "data": self.named["prepared"]["fingerprint"],
            "state": self.state,
            "reason": self.reason,
        }


def read_judges(group: Mapping[str, Any]) -> list[JudgeRun]:
    """All judges of a membership, after every byte of them was checked.

    Raises
    ------
    UserError
        If a file of one is missing or changed.
    """
    found = []
    for named in group.get("judges", ()):
        record = read_run(Path(named["directory"]))
        status = record["content"]["status"]
        judge = JudgeRun(named, status["state"], status["reason"], can_judge(record))
        if not judge.judges:
            log.warning("%s is left out as a judge: %s", judge.directory, judge.reason)
        found.append(judge)
    return found


def can_judge(record: Mapping[str, Any]) -> bool:
    """Whether a run's training came to something: as for candidates, a finite bound at its end."""
    winner, _ = choose_among([record])
    return winner is not None


def loaded_judges(judges: Iterable[JudgeRun], device: torch.device) -> list[JudgedBy]:
    """Those that can judge, with their parameters on the device and their data.

    Raises
    ------
    UserError
        If their data are missing or damaged, or a checkpoint was not kept.
    """
    data: dict[str, Any] = {}
    found = []
    for judge in judges:
        if not judge.judges:
            continue
        prepared = judge.named["prepared"]
        name = prepared["fingerprint"]
        if name not in data:
            data[name] = open_verified(Path(prepared["directory"]), name)
        parameters = read_parameters(judge.directory)
        placed = {key: value.to(device) for key, value in parameters.items()}
        found.append(JudgedBy(judge.named["fingerprint"], judge.named["spec"], placed, data[name]))
    return found


def judges_of_record(
    content: Mapping[str, Any],
    results: Results,
    data_of: Callable[[Mapping[str, Any]], PreparedData],
    device: torch.device,
) -> list[JudgedBy]:
    """The judges that a measurement's record names, to measure again.

    Parameters
    ----------
    results:
        Where their runs lie, loose or packed.
    data_of:
        The prepared data of what a record says of a judge.

    Raises
    ------
    UserError
        If a checkpoint is not there.
    """
    found = []
    for judge in content.get("judges", ()):
        if judge["state"] != COMPLETED:
            continue
        tensors = tensors_of(results.read(directory_name(judge["directory"]), CHECKPOINT))
        placed = {name: value.to(device) for name, value in tensors.items()}
        found.append(JudgedBy(judge["fingerprint"], judge["spec"], placed, data_of(judge)))
    return found


def lacking_judges(content: Mapping[str, Any], results: Results) -> list[str]:
    """The judges that a measurement's record names and whose checkpoints are not here."""
    there = {}
    for judge in content.get("judges", ()):
        if judge["state"] == COMPLETED:
            directory = directory_name(judge["directory"])
            is_here = results.is_loose(directory) or results.is_packed(directory)
            there[judge["fingerprint"]] = is_here and CHECKPOINT in results.names(directory)
    return [name for name, is_there in there.items() if not is_there]


def parents_of(judges: Sequence[JudgeRun], *, with_data: str | None = None) -> list[dict[str, str]]:
    """A record's entries for judges, and for the data that they were tested on.

    ``with_data`` is the fingerprint of data that the record names already; None leaves all data
    out.
    """
    entries = [
        parent("run", judge.named["fingerprint"], judge.directory / RUN_RECORD, role=ROLE)
        for judge in judges
    ]
    if with_data is None:
        return entries
    data = {one.named["prepared"]["fingerprint"]: one.named["prepared"] for one in judges}
    data.pop(with_data, None)
    return entries + [
        parent("prepared", name, Path(one["directory"]) / PREPARED_RECORD, role=ROLE)
        for name, one in data.items()
    ]


def are_as_named(measurement: Mapping[str, Any], directories: Mapping[str, Path]) -> bool:
    """Whether a measurement is of the results that its runs have now.

    ``directories`` are those of the run that was measured and of its judges, by fingerprint.
    """
    return all(
        one["result_digest"]
        == read_json_object(directories[one["fingerprint"]] / RUN_RECORD)["result_digest"]
        for one in measurement["parents"]
        if one["kind"] == "run"
    )
