"""Snakemake trains judges before what they judge, and a changed judge judges anew."""

from __future__ import annotations

import pytest
import yaml
from support.checkout import Checkout
from support.judged_world import judged_study

pytestmark = pytest.mark.workflow


def test_judges_are_trained_first_and_their_change_judges_anew(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    checkout = Checkout(tmp_path_factory.mktemp("judges"))
    study = judged_study()
    path = checkout.folder / "tiny.yaml"
    path.write_text(yaml.safe_dump(study))
    checkout.commit("The project")
    checkout.snakemake()
    table = (checkout.folder / "results" / "tables" / "tiny_table1.md").read_text()
    assert "share of the images drawn of a class" in table
    assert "Nothing to be done" in checkout.snakemake()
    checkout.must("timeout -s KILL 120 python -m workflow_src audit --recompute 2 --seed 1")
    runs = list((checkout.folder / "results").glob("runs/vae/*/*"))
    study["experiments"]["table1"]["scales"]["demo"]["judges"]["values"]["filters"] = 5
    path.write_text(yaml.safe_dump(study))
    checkout.snakemake()
    results = checkout.folder / "results"
    assert list(results.glob("runs/vae/*/*")) == runs
    assert len(list(results.glob("runs/convolutional_classifier/*/*"))) == 4
    assert len(list(results.glob("evaluations/vae/*/*"))) == 2
