"""Studies for tests: one as small as one can be, and the package's without models that join.

Tests of a study hold what its file says against its paper. A model that joins is none of that, and
nobody who adds one shall have to mend them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from workflow_src.config import studies
from workflow_src.config.studies import Study

STEPS, INTERVAL = 24, 8


def tiny_study(**models: list[dict[str, Any]]) -> dict[str, Any]:
    """One table on continuous digits, from the grids of these models, `STEPS` steps a training."""
    return {
        "name": "tiny",
        "title": "A tiny study",
        "reference": "none",
        "training": {"importance_samples": 2, "batch_size": 16, "validation_interval": INTERVAL},
        "protocols": {
            "authors": {
                "description": "One way.",
                "training": {"stopping": "eleven_below_best", "learning_rate": 0.01},
            }
        },
        "experiments": {
            "table1": {
                "title": "A table",
                "description": "As small as one can be.",
                "presentation": "table",
                "table": {"rows": "model", "columns": ["data_set"], "metric": "test_bound"},
                "measures": {"importance_samples": [2]},
                "scales": {
                    "demo": {
                        "data_sets": ["digits"],
                        "likelihoods": ["gaussian"],
                        "training": {"maximum_steps": STEPS},
                        "models": models,
                    }
                },
            }
        },
    }


@contextlib.contextmanager
def nothing_joins() -> Iterator[None]:
    """Within, studies that are loaded in this process are what their files say."""
    with mock.patch.object(studies, "joinings", return_value=()):
        yield


def study_alone(name: str) -> Study:
    """A study of the package as its file says it, whatever joins it."""
    with nothing_joins():
        return studies.load_study(name)


def take_joins_out(package: Path) -> None:
    """Let no model of this copy of ``workflow_src`` join a study."""
    for path in package.glob("models/*/model.yaml"):
        content = yaml.safe_load(path.read_text())
        if content.pop("joins", None) is not None:
            path.write_text(yaml.safe_dump(content, sort_keys=False))
