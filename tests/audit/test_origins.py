"""Origins of numbers are compared as far as they do not depend on where they are read."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from typing import Any

import pytest

from workflow_src.audit.origins import disagreement, origins_in

TOLD: dict[str, Any] = {
    "study": "tiny",
    "commands": {"a": ["git clone /there"]},
    "data": {"d": {"images": {"train": 5}, "here": True, "files": [{"digest": "1"}]}},
    "evaluations": {
        "e": {
            "seed": 0,
            "pack": None,
            "commands": {"shared": "a", "own": ["snakemake"]},
            "run": {
                "fingerprint": "r",
                "here": True,
                "steps": 16,
                "interruptions": [],
                "checkpoint": {"sha256": "c", "kept": True},
            },
        }
    },
}


@pytest.fixture
def told() -> dict[str, Any]:
    return copy.deepcopy(TOLD)


def test_the_same_agrees(told: dict[str, Any]) -> None:
    assert disagreement(told, TOLD) is None


def test_where_records_lie_is_not_compared(told: dict[str, Any]) -> None:
    evaluation = told["evaluations"]["e"]
    evaluation["pack"] = "results/packed/evaluations.zip"
    evaluation["run"]["here"] = False
    evaluation["run"]["checkpoint"]["kept"] = False
    told["commands"]["b"] = told["commands"].pop("a")
    evaluation["commands"]["shared"] = "b"
    assert disagreement(told, TOLD) is None
    assert disagreement(TOLD, told) is None


def test_what_is_unknown_here_disagrees_with_nothing(told: dict[str, Any]) -> None:
    told["evaluations"]["e"]["run"]["steps"] = None
    assert disagreement(TOLD, told) is None
    assert disagreement(told, TOLD) == (
        "evaluations.e.run.steps is None; expected 16, as the records have it"
    )


def test_data_that_were_elsewhere_are_no_finding(told: dict[str, Any]) -> None:
    told["data"]["d"] |= {"images": None, "files": [{"digest": "2"}]}
    assert disagreement(told, TOLD) is None
    told["data"]["d"]["images"] = {"train": 6}
    assert disagreement(told, TOLD) == (
        "data.d.images.train is 6; expected 5, as the records have it"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("seed",), 1),
        (("run", "fingerprint"), "s"),
        (("run", "checkpoint", "sha256"), "d"),
        (("run", "interruptions"), [{"step": 3}]),
    ],
)
def test_what_records_do_not_say_is_told(
    told: dict[str, Any], path: tuple[str, ...], value: Any
) -> None:
    place = told["evaluations"]["e"]
    for name in path[:-1]:
        place = place[name]
    before = place[path[-1]]
    place[path[-1]] = value
    assert disagreement(told, TOLD) == (
        f"evaluations.e.{'.'.join(path)} is {value!r}; expected {before!r}, as the records have it"
    )


def test_what_is_left_out_or_made_up_is_told(told: dict[str, Any]) -> None:
    line = told["evaluations"].pop("e")
    assert disagreement(told, TOLD) == "evaluations.e is left out"
    told["evaluations"] |= {"e": line, "f": line}
    assert disagreement(told, TOLD) == "evaluations.f is not in the records"


def test_other_files_have_no_origins() -> None:
    text = json.dumps(TOLD)
    packed = base64.b64encode(gzip.compress(text.encode()))
    call = b'densityBench.provenance("%s");\n'
    assert origins_in(call % packed) == TOLD
    assert origins_in(call % packed[:-8]) is None
    assert origins_in(call % b"AAAA") is None
    assert origins_in(call % base64.b64encode(gzip.compress(b"{broken"))) is None
    assert origins_in(call % packed + b"alert(1);") is None
    assert origins_in(f"densityBench.provenance({text});\n".encode()) is None
    assert origins_in(b"<!doctype html>") is None
