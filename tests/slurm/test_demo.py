"""The demo of the project's config.yaml on a cluster: `snakemake --profile slurm`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.checkout import ROOT
from support.cluster_checkout import ClusterCheckout
from support.processes import nothing_left_in
from support.slurm import Slurm
from support.wholeness import left_over

pytestmark = pytest.mark.slurm


def test_the_demo_runs_as_typed_and_sends_every_job_once(slurm: Slurm, tmp_path: Path) -> None:
    demo = ClusterCheckout(tmp_path, slurm)
    # A trainer of each study and all kinds of job: the whole demo takes long and shows no more.
    config = (ROOT / "config.yaml").read_text()
    for key, default, chosen in (
        ("experiments", "all", "[figure3, table5]"),
        ("seeds", "default", "[0]"),
    ):
        assert config.count(f"\n{key}: {default}\n") == 1
        config = config.replace(f"\n{key}: {default}\n", f"\n{key}: {chosen}\n")
    (tmp_path / "config.yaml").write_text(config)
    with nothing_left_in(tmp_path):
        demo.complete()
        keys = [job.key for job in demo.jobs()]
        assert len(keys) == len(set(keys))
        assert {job.state for job in demo.jobs()} == {"COMPLETED"}
        assert {rule for rule, _ in keys} == {"prepare", "train_shard", "evaluate_group", "report"}
        for table in ("spvae_figure3", "dcgmm_table5"):
            assert (tmp_path / "results" / "tables" / f"{table}.md").is_file()
        demo.must("timeout -s KILL 120 python -m workflow_src audit")
        assert left_over(demo) == []
        sent = len(keys)
        assert "Nothing to be done" in demo.complete()
        assert len(demo.jobs()) == sent
        slurm.restore()
