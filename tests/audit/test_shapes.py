"""A record that lacks a part, or has one of another type, is told by its path."""

from __future__ import annotations

from typing import Any

import pytest

from workflow_src.audit.shapes import misshapen

CODE = {"digest": "d", "modules": {"workflow_src": "m"}}


def record(**changed: Any) -> dict[str, Any]:
    whole = {
        "schema_version": 2,
        "kind": "report",
        "fingerprint": "f",
        "content": {"code": CODE, "studies": ["tiny"], "groups": 4},
        "environment": {"python": "3.11.7", "packages": {"torch": "2"}},
        "machine": {"host": "h", "cpu": "c", "gpu": None},
        "git": {},
        "threads": None,
        "time": {"started": "s", "ended": "e"},
        "outputs": {"a.csv": {"sha256": "s", "bytes": 1}},
        "timed_outputs": [],
        "result_digest": "r",
        "parents": [
            {
                "kind": "run",
                "fingerprint": "f",
                "path": "p",
                "sha256": "s",
                "result_digest": "r",
            }
        ],
    }
    return whole | changed


def test_a_whole_record_has_its_shape() -> None:
    assert misshapen(record()) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"threads": "one"}, "the record.threads is a text; expected a whole number or nothing"),
        (
            {"threads": True},
            "the record.threads is true or false; expected a whole number or nothing",
        ),
        ({"git": []}, "the record.git is a list; expected an object"),
        ({"outputs": {"a": {"bytes": 1}}}, "the record.outputs.a has no sha256; expected one"),
        ({"parents": [1]}, "the record.parents.0 is a whole number; expected an object"),
        ({"content": {"code": CODE, "studies": []}}, "content has no groups; expected one"),
    ],
)
def test_what_is_wrong_is_named(changed: dict[str, Any], said: str) -> None:
    assert misshapen(record(**changed)) == said


def measurement(**changed: Any) -> dict[str, Any]:
    axes = {"model": "vae", "data_set": "digits", "likelihood": "gaussian", "seed": 0}
    axes |= {"fraction": 1.0, "protocol": "authors", "stream": "full"}
    content = {
        "run": "r",
        "spec": axes,
        "measures": {"importance_samples": [2]},
        "code": CODE,
        "metrics": [],
        "images": 250,
    }
    return record(kind="measurement", content=content | changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, None),
        ({"dimensions": 64}, None),
        ({"dimensions": "64"}, "content.dimensions is a text; expected a whole number"),
        ({"measures": {"importance_samples": [2], "inpainting": ["left"]}}, None),
        (
            {"measures": {"importance_samples": [2], "inpainting": [1]}},
            "content.measures.inpainting.0 is a whole number; expected a text",
        ),
        ({"measures": {"importance_samples": [2], "leaf_posteriors": True}}, None),
        (
            {"measures": {"importance_samples": [2], "leaf_posteriors": "yes"}},
            "content.measures.leaf_posteriors is a text; expected true or false",
        ),
        ({"measures": {"importance_samples": [2], "global_samples": 4}}, None),
        (
            {"measures": {"importance_samples": [2], "global_samples": True}},
            "content.measures.global_samples is true or false; expected a whole number",
        ),
    ],
)
def test_what_older_versions_did_not_write_may_lack(
    changed: dict[str, Any], said: str | None
) -> None:
    assert misshapen(measurement(**changed)) == said
