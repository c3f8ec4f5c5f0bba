"""Of records that were made again, a page tells what the earlier ones said; nothing else passes."""

from __future__ import annotations

import copy
from typing import Any

from workflow_src.audit.made_again import as_remembered

RUN, MEASUREMENT, EVALUATION = "a" * 16, "b" * 16, "c" * 16


def lines(machine: str, seconds: float) -> dict[str, Any]:
    """Lines of one evaluation, whose run was made on ``machine``."""
    return {
        "evaluations": {
            EVALUATION: {
                "seed": 0,
                "made": {"machine": "m0"},
                "run": {"fingerprint": RUN, "steps": 8, "made": {"machine": machine}},
                "measurement": {"fingerprint": MEASUREMENT, "seconds": seconds, "made": None},
                "judges": [],
                "commands": {"shared": "k0", "own": ["make it"], "reason": None},
            }
        },
        "judges": {},
        "machines": {"m0": {"host": "one"}, machine: {"host": f"host of {machine}"}},
        "commands": {"k0": ["clone it"]},
    }


def test_without_such_records_nothing_is_taken_from_the_page() -> None:
    expected = lines("m1", 2.0)
    assert as_remembered(lines("m2", 3.0), expected, frozenset()) == lines("m1", 2.0)
    assert expected == lines("m1", 2.0)


def test_a_run_made_again_keeps_its_earlier_machine_and_no_other_word() -> None:
    found = lines("m2", 3.0)
    found["evaluations"][EVALUATION]["run"]["steps"] = 9
    remembered = as_remembered(found, lines("m1", 2.0), frozenset({RUN}))
    line = remembered["evaluations"][EVALUATION]
    assert line["run"] == {"fingerprint": RUN, "steps": 8, "made": {"machine": "m2"}}
    assert line["measurement"]["seconds"] == 2.0
    assert remembered["machines"] == {"m0": {"host": "one"}, "m2": {"host": "host of m2"}}


def test_a_measurement_made_again_keeps_its_earlier_time() -> None:
    remembered = as_remembered(lines("m1", 3.0), lines("m1", 2.0), frozenset({MEASUREMENT}))
    assert remembered["evaluations"][EVALUATION]["measurement"]["seconds"] == 3.0


def test_what_nothing_refers_to_does_not_come_in_beside_it() -> None:
    found = copy.deepcopy(lines("m2", 2.0))
    found["machines"]["m9"] = {"host": "invented"}
    assert "m9" not in as_remembered(found, lines("m1", 2.0), frozenset({RUN}))["machines"]
