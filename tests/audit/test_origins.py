"""Origins of numbers are compared as far as they do not depend on where they are read."""

from __future__ import annotations

import base64
import copy
import gzip
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from workflow_src.audit.origins import disagreement, origins_in
from workflow_src.report import provenance_shape

MD5, SHA256 = "b" * 32, "c" * 64
PUBLISHED = {"d": {"images.gz": MD5, "labels.gz": SHA256}}
FORGED = "FORGED"
Told = dict[str, Any]


def made() -> Told:
    return {
        "commit": "g",
        "code": "c",
        "environment": "v",
        "machine": "m",
        "threads": 1,
        "slurm": {"job": "7"},
        "attempt": 1,
        "started": "2024-01-02T03:04:05+00:00",
        "ended": "2024-01-02T03:04:06+00:00",
        "seconds": 1.0,
        "peak_host_bytes": 1000,
        "peak_device_bytes": None,
    }


def run(name: str) -> Told:
    return {
        "fingerprint": name,
        "directory": f"results/runs/{name}",
        "pack": None,
        "here": True,
        "spec": "s",
        "seed": 0,
        "state": "completed",
        "reason": None,
        "validation_bound": -1.5,
        "best_step": 8,
        "steps": 16,
        "parameters": 1,
        "device_seconds": 0.5,
        "device": "cpu",
        "bank": 2,
        "interruptions": [{"step": 8, "host": "node7", "at": "2024-01-02T03:04:05+00:00"}],
        "checkpoint": {"path": "checkpoint", "sha256": SHA256, "bytes": 5, "kept": True},
        "data": "d",
        "made": made(),
    }


def origins() -> Told:
    """All that pages can tell of one number, with published files whose record is here."""
    return {
        "study": "tiny",
        "specs": {"s": {"hidden_units": 3}},
        "machines": {"m": {"host": "node7", "cpu": "A processor", "cores": 2, "gpu": None}},
        "environments": {
            "v": {
                "python": "3.11.7",
                "torch": "2.1",
                "platform": "Linux",
                "lock": "requirements.lock",
                "lock_sha256": SHA256,
            }
        },
        "commits": {
            "g": {
                "commit": "a" * 40,
                "reason": None,
                "dirty": True,
                "files": ["README.md"],
                "file_count": 1,
                "copy": "results/sources/changes.patch",
            }
        },
        "codes": {"c": {"digest": "c", "modules": 3, "counts_as": None}},
        "data": {
            "d": {
                "data_set": "digits",
                "likelihood": "gaussian",
                "record": "data/prepared/d/record.json",
                "here": True,
                "images": {"train": 5},
                "split_sha256": SHA256,
                "homepage": "https://example.org",
                "licence": "MIT",
                "files": [
                    {"name": "images.gz", "digest": "e" * 64, "source": "https://example.org/1"},
                    {"name": "labels.gz", "digest": SHA256, "source": None},
                ],
            }
        },
        "judges": {"j": run("j")},
        "commands": {"k": ["( set -e", "git clone"]},
        "evaluations": {
            "e": {
                "seed": 0,
                "axes": {"model": "vae"},
                "state": "measured",
                "reason": None,
                "record": "results/evaluations/e/evaluation.json",
                "pack": None,
                "candidates": 2,
                "chosen": {"hidden_units": 3},
                "run": run("r"),
                "measurement": {
                    "fingerprint": "n",
                    "directory": "results/measurements/n",
                    "pack": None,
                    "here": True,
                    "seconds": 2.0,
                    "images": 5,
                    "made": made(),
                },
                "judges": ["j"],
                "made": made(),
                "commands": {"shared": "k", "own": ["snakemake", ")"], "reason": None},
            }
        },
    }


def elsewhere(run_too: bool = True) -> Told:
    """The same where records of the run, of the measurement and of the data are not here."""
    told = origins()
    data, line = told["data"]["d"], told["evaluations"]["e"]
    data |= {"here": False, "split_sha256": None, "homepage": None, "licence": None}
    data["files"][0] |= {"digest": MD5, "source": None}
    if run_too:
        nothing = dict.fromkeys(("device", "bank", "checkpoint", "data", "made"))
        line["run"] |= {"here": False, "interruptions": []} | nothing
        line["measurement"] |= {"here": False, "seconds": None, "images": None, "made": None}
        line["commands"] = {"shared": None, "own": [], "reason": "there is no record of r"}
    return told


def told_of(found: Told, expected: Told) -> str | None:
    return disagreement(found, expected, PUBLISHED)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Every value within a value, tables and lists themselves too."""
    if path:
        yield path, value
    if isinstance(value, dict | list):
        for name, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(one, (*path, name))


def changed(told: Told, path: tuple[Any, ...], value: Any) -> Told:
    other = copy.deepcopy(told)
    place: Any = other
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    return other


def unnoticed(told: Told, forge: Callable[[Any], Any]) -> set[str]:
    """The places at which another value is not found out."""
    forged = [(path, value, forge(value)) for path, value in places(told)]
    return {
        ".".join(map(str, path))
        for path, value, other in forged
        if repr(other) != repr(value) and told_of(changed(told, path, other), told) is None
    }


def test_the_example_has_all_that_pages_tell() -> None:
    told = origins()
    line, data = told["evaluations"]["e"], told["data"]["d"]
    for value, shape in (
        (told, provenance_shape.Provenance),
        (line, provenance_shape.EvaluationLine),
        (line["run"], provenance_shape.RunLine),
        (line["run"]["interruptions"][0], provenance_shape.Interruption),
        (line["run"]["checkpoint"], provenance_shape.Checkpoint),
        (line["measurement"], provenance_shape.MeasurementLine),
        (line["made"], provenance_shape.Circumstances),
        (line["commands"], provenance_shape.Commands),
        (told["machines"]["m"], provenance_shape.Machine),
        (told["environments"]["v"], provenance_shape.Environment),
        (told["commits"]["g"], provenance_shape.Commit),
        (told["codes"]["c"], provenance_shape.Code),
        (data, provenance_shape.Data),
        (data["files"][0], provenance_shape.PublishedFile),
    ):
        assert value.keys() == shape.__annotations__.keys()


def test_the_same_agrees() -> None:
    assert told_of(origins(), origins()) is None
    assert told_of(elsewhere(), elsewhere()) is None


def test_whatever_is_forged_is_found() -> None:
    # Where a file was fetched from is not known to everybody.
    assert unnoticed(origins(), lambda _: FORGED) == {"data.d.files.1.source"}
    # Any result may have been packed where the report was made.
    packs = {
        "evaluations.e.pack",
        "evaluations.e.run.pack",
        "evaluations.e.measurement.pack",
        "judges.j.pack",
    }
    assert unnoticed(origins(), lambda _: "runs-vae.zip") == {*packs, "data.d.files.1.source"}


@pytest.mark.parametrize("other", [5.5, True, {}, [], {"a": 1}, ["a"], [{}]])
def test_a_value_of_another_type_is_found(other: Any) -> None:
    flags = {
        "evaluations.e.run.here",
        "evaluations.e.run.checkpoint.kept",
        "evaluations.e.measurement.here",
        "judges.j.here",
        "judges.j.checkpoint.kept",
        "data.d.here",
    }
    allowed = {"data.d.files.1.source"} | (flags if other is True else set())
    assert unnoticed(origins(), lambda _: other) <= allowed


def test_a_value_left_out_is_found_but_of_data() -> None:
    found = unnoticed(origins(), lambda _: None)
    assert {place for place in found if not place.startswith("data.d.")} == set()
    assert "data.d.licence" in found


def test_of_records_that_are_elsewhere_only_what_they_say_is_unknown() -> None:
    run_says = ("reason", "device", "bank", "interruptions", "checkpoint", "data", "made")
    measured = ("seconds", "images", "made")
    fetched = ("split_sha256", "homepage", "licence", "files.0.source", "files.1.source")
    assert unnoticed(elsewhere(), lambda _: FORGED) == {
        *(f"evaluations.e.run.{name}" for name in run_says),
        *(f"evaluations.e.measurement.{name}" for name in measured),
        *(f"data.d.{name}" for name in fetched),
        # Commands need the run's digests.
        "evaluations.e.commands.shared",
        "evaluations.e.commands.reason",
    }


def test_a_report_made_where_all_was_agrees_where_records_are_elsewhere() -> None:
    told = origins()
    assert told_of(told, elsewhere()) is None
    # What only such records refer to cannot be known; what nothing refers to is made up.
    for table in ("machines", "environments", "codes", "commits"):
        entry = next(iter(told[table].values()))
        told[table][f"other-{table}"] = entry
        assert told_of(told, elsewhere()) == f"{table}.other-{table} is not in the records"
        kind = table.removesuffix("s")
        told["evaluations"]["e"]["run"]["made"][kind] = f"other-{table}"
        assert told_of(told, elsewhere()) is None


def test_where_records_lie_is_not_compared() -> None:
    told = origins()
    line = told["evaluations"]["e"]
    line["pack"] = "evaluations-vae-digits.zip"
    line["run"]["here"] = False
    line["run"]["checkpoint"]["kept"] = False
    assert told_of(told, origins()) is None
    assert told_of(origins(), told) is None


def test_data_that_were_elsewhere_are_no_finding() -> None:
    assert told_of(elsewhere(run_too=False), origins()) is None
    assert told_of(origins(), elsewhere(run_too=False)) is None
    told = origins()
    told["data"]["d"]["images"]["train"] = 6
    assert told_of(told, origins()) == (
        "data.d.images.train is 6; expected 5, as the records have it"
    )


@pytest.mark.parametrize(
    ("file", "digest", "agrees"),
    [
        (0, "e" * 64, True),
        (0, MD5, True),
        (0, "f" * 64, False),
        (0, "f" * 32, False),
        (1, SHA256, True),
        (1, "f" * 64, False),
    ],
)
def test_digests_of_published_files_are_those_of_the_record_or_the_registry(
    file: int, digest: str, agrees: bool
) -> None:
    told = origins()
    told["data"]["d"]["files"][file]["digest"] = digest
    assert (told_of(told, origins()) is None) is agrees
    # Without the record of fetching, a sha256 stands against the md5 of the registry.
    other = agrees or (file, len(digest)) == (0, 64)
    assert (told_of(told, elsewhere()) is None) is other


def test_published_files_that_are_left_out_are_told() -> None:
    told = origins()
    del told["data"]["d"]["files"][1]
    assert str(told_of(told, origins())).endswith("expected images.gz, labels.gz")


@pytest.mark.parametrize("line", ["curl evil | sh", ""])
def test_commands_are_compared(line: str) -> None:
    told = origins()
    told["commands"]["k"].append(line)
    assert "commands.k is" in str(told_of(told, origins()))
    told = origins()
    told["evaluations"]["e"]["commands"]["own"].insert(0, line)
    assert "evaluations.e.commands.own is" in str(told_of(told, origins()))
    told = origins()
    told["evaluations"]["e"]["commands"]["shared"] = "l"
    told["commands"]["l"] = [line]
    assert "evaluations.e.commands.shared is" in str(told_of(told, origins()))


def test_what_records_do_not_say_is_told() -> None:
    path = ("evaluations", "e", "run", "checkpoint", "sha256")
    assert told_of(changed(origins(), path, "d"), origins()) == (
        f"evaluations.e.run.checkpoint.sha256 is 'd'; expected {SHA256!r}, as the records have it"
    )
    assert told_of(changed(origins(), (*path[:3], "interruptions"), []), origins()) == (
        "evaluations.e.run.interruptions is []; expected "
        f"{origins()['evaluations']['e']['run']['interruptions']!r}, as the records have it"
    )


def test_what_is_left_out_or_made_up_is_told() -> None:
    told = origins()
    line = told["evaluations"].pop("e")
    assert told_of(told, origins()) == "evaluations.e is left out"
    told["evaluations"] |= {"e": line, "f": line}
    assert told_of(told, origins()) == "evaluations.f is not in the records"


def test_a_number_that_is_none_agrees_with_itself() -> None:
    path = ("evaluations", "e", "run", "validation_bound")
    told = changed(origins(), path, float("nan"))
    assert told_of(told, changed(origins(), path, float("nan"))) is None
    assert told_of(told, origins()) is not None


def test_other_files_have_no_origins() -> None:
    text = json.dumps(origins())
    packed = base64.b64encode(gzip.compress(text.encode()))
    call = b'densityBench.provenance("%s");\n'
    assert origins_in(call % packed) == origins()
    assert origins_in(call % packed[:-8]) is None
    assert origins_in(call % b"AAAA") is None
    assert origins_in(call % base64.b64encode(gzip.compress(b"{broken"))) is None
    assert origins_in(call % packed + b"alert(1);") is None
    assert origins_in(f"densityBench.provenance({text});\n".encode()) is None
    assert origins_in(b"<!doctype html>") is None
