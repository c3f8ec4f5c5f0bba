"""The profile: what it asks for can be known before, and it fits the code."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from snakemake.resources import Resources
from support.checkout import ROOT

from workflow_src.cluster.profile import PROFILE, asked_partition, partition_of
from workflow_src.errors import UserError


def written(folder: Path, text: str) -> Path:
    path = folder / "profile.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        "default-resources: {slurm_partition: all}\nset-resources: {train_shard: "
        "{slurm_partition: gpu}}",
        "default-resources: [slurm_partition=all, mem_mb=1]\nset-resources: "
        "['train_shard:slurm_partition=gpu']",
    ],
)
def test_a_partition_is_of_the_rule_or_of_all(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)
    assert partition_of("train_shard", path) == "gpu"
    assert partition_of("report", path) == "all"


def test_without_one_it_is_the_clusters_default(tmp_path: Path) -> None:
    assert partition_of("train_shard", tmp_path / "none.yaml") is None
    assert partition_of("train_shard", written(tmp_path, "")) is None
    assert partition_of("train_shard", ROOT / PROFILE) is None


def test_a_profile_that_is_no_yaml_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"profile\.yaml: the profile is no YAML"):
        partition_of("train_shard", written(tmp_path, "a: [\n"))


def test_snakemakes_own_settings_are_read_alike() -> None:
    settings = SimpleNamespace(
        overwrite_resources={"train_shard": Resources.from_mapping({"slurm_partition": "gpu"})},
        default_resources=Resources.from_mapping({"slurm_partition": "all", "mem_mb": 1}),
    )
    assert asked_partition("train_shard", settings) == "gpu"
    assert asked_partition("report", settings) == "all"
    settings.default_resources = None
    assert asked_partition("report", settings) is None


def test_the_profile_repeats_jobs_and_keeps_folders_that_they_write_to() -> None:
    profile = yaml.safe_load((ROOT / PROFILE).read_text())
    assert profile["slurm-delete-logfiles-older-than"] == 0
    assert profile["retries"] >= 1
    assert profile["slurm-requeue"] is True
