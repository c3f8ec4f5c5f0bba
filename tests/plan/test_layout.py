"""Paths say what lies there in words, and tell apart what differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workflow_src.plan.layout import Layout
from workflow_src.plan.specs import RunSpec

LAYOUT = Layout(Path("data"), Path("results"))


@pytest.mark.parametrize(
    ("fraction", "shown"),
    [(1.0, "100pct"), (0.07, "7pct"), (0.3, "30pct"), (0.0368, "3.68pct"), (0.005, "0.5pct")],
)
def test_a_run_lies_under_model_data_and_fraction(fraction: float, shown: str) -> None:
    spec = RunSpec("vae", "mnist", "gaussian", fraction, 3, "authors", "full", ())
    expected = Path(f"results/runs/vae/mnist-gaussian/{shown}-seed3-abc")
    assert LAYOUT.run(spec, "abc") == expected


def test_every_other_place_has_one_spelling() -> None:
    axes = RunSpec("vae", "mnist", "gaussian", 0.5, 3, "text", "restart", ()).canonical()
    places = {
        LAYOUT.raw("mnist"): "data/raw/mnist",
        LAYOUT.prepared("mnist", "binomial", "f"): "data/prepared/mnist-binomial-f",
        LAYOUT.state("f"): "results/states/f",
        LAYOUT.evaluation(
            axes, "f"
        ): "results/evaluations/vae/mnist-gaussian/50pct-seed3-text-restart-f",
        LAYOUT.measurement(axes, "r", "f"): "results/measurements/vae/mnist-gaussian/r-f",
        LAYOUT.shard_membership("d"): "results/plan/shards/d.json",
        LAYOUT.evaluation_membership("f"): "results/plan/evaluations/f.json",
        LAYOUT.prepared_membership("f"): "results/plan/prepared/f.json",
        LAYOUT.report_membership("f"): "results/plan/reports/f.json",
        LAYOUT.overview(): "results/plan/overview.json",
        LAYOUT.shard_manifest("d"): "results/shards/d.json",
        LAYOUT.report_manifest("f"): "results/report/manifest-f.json",
    }
    assert {place.as_posix(): text for place, text in places.items()} == {
        text: text for text in places.values()
    }
