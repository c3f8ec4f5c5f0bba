"""A small workflow whose report has all that pages show, made whole in this process.

Real runs on real digits: cells beside published numbers, cells without a number because all of
their runs diverged, two seeds, claims that hold and claims that fail, drawings and pictures.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.judged_world import JudgedWorld, without_mirror
from workflow_src.report.report import write_report

WIDTHS = [2, 3, 4, 5, 6, 7, 8, 9]
DIVERGING = 1e30
SEEDS = [0, 1]

_HEADER = "model,data_set,likelihood,metric,value,unit,place,note,hyperparameters,spread\n"
_PUBLISHED = {3: (-40.0, -900.0), 5: (-70.0, -300.0), 6: (-55.0, -700.0), 8: (-20.0, -650.0)}
"""By width, for the two likelihoods: some better than ours and some worse."""


@dataclass(frozen=True)
class Report:
    """A copy of a report's folder that is read, and the directory that it was made in."""

    folder: Path
    root: Path

    @property
    def pages(self) -> list[Path]:
        return sorted(self.folder.glob("*.html"))

    @property
    def study(self) -> Path:
        """The page of `page_study`."""
        return self.folder / "tiny.html"


def page_study() -> dict[str, Any]:
    """One model at many widths, and at a learning rate at which no training stays finite."""
    grid = {"data_sets": ["digits"], "training": {"maximum_steps": 16}}
    return {
        "name": "tiny",
        "title": "Widths: a study for the report's pages",
        "reference": "nobody, nowhere",
        "training": {"importance_samples": 2, "batch_size": 32, "validation_interval": 8},
        "protocols": {
            "authors": {
                "description": "As nobody did.",
                "training": {"stopping": "eleven_below_best", "learning_rate": 0.01},
            }
        },
        "experiments": {
            "widths": {
                "title": "Widths",
                "description": "Bounds by the number of hidden units.",
                "presentation": "table",
                "published": "pages.csv",
                "compare": ["hidden_units"],
                "table": {
                    "rows": "hidden_units",
                    "columns": ["likelihood", "data_set"],
                    "metric": "test_bound",
                },
                "measures": {"importance_samples": [2, 4], "samples": 4},
                "scales": {
                    "demo": {
                        **grid,
                        "likelihoods": ["gaussian", "binomial"],
                        "models": {"vae": [{"hidden_units": WIDTHS, "latent_dimensions": [1]}]},
                    }
                },
            },
            "rates": {
                "title": "Learning rates",
                "description": "Bounds by the learning rate, one of which is far too large.",
                "presentation": "table",
                "compare": ["learning_rate"],
                "table": {
                    "rows": "learning_rate",
                    "columns": ["likelihood", "data_set"],
                    "metric": "test_bound",
                },
                "measures": {"importance_samples": [2]},
                "scales": {
                    "demo": {
                        **grid,
                        "likelihoods": ["gaussian"],
                        "models": {
                            "vae": [
                                {
                                    "hidden_units": [3],
                                    "latent_dimensions": [1],
                                    "learning_rate": [0.001, DIVERGING, 0.01],
                                }
                            ]
                        },
                    }
                },
            },
        },
        "claims": {
            "larger": _claim("The wider model has more parameters.", 9, 2, "parameter_count"),
            "smaller": _claim("The narrower model has more parameters.", 2, 9, "parameter_count"),
            "better": _claim("Six units are better than five.", 6, 5, "test_bound"),
        },
    }


def _claim(statement: str, first: int, second: int, metric: str) -> dict[str, Any]:
    return {
        "statement": statement,
        "place": "nowhere",
        "checks": [
            {
                "kind": "comparison",
                "experiment": "widths",
                "metric": metric,
                "first": {"model": "vae", "hidden_units": first},
                "second": {"model": "vae", "hidden_units": second},
                "relation": "higher",
            }
        ],
    }


def reported_world(root: Path) -> JudgedWorld:
    """The workflow in that directory, run to its end."""
    made = JudgedWorld(root, page_study(), {"seeds": SEEDS})
    published = root / "published" / "pages.csv"
    published.parent.mkdir()
    lines = [
        f"vae,digits,{likelihood},test_bound,{value},nats,a table,,hidden_units={width},\n"
        for width, values in _PUBLISHED.items()
        for likelihood, value in zip(("gaussian", "binomial"), values, strict=True)
    ]
    published.write_text(_HEADER + "".join(lines))
    with without_mirror():
        plan = made.make()
        with contextlib.chdir(root):
            write_report(plan.layout.report_membership(plan.report))
    return made
