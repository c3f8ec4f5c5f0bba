"""A job's log is found by what the rules name it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from support.progress import DATA, EVALUATIONS, REPORT, SHARDS, run_directory

from workflow_src.status.logs import log_of

ROOT = Path(__file__).parents[2]
GROUP = "vae/digits-gaussian/100pct-seed0-authors-main"
PLACES = {
    ("train_shard", SHARDS[0]): f"train/{SHARDS[0]}.log",
    ("evaluate_group", EVALUATIONS[0]): f"evaluate/{GROUP}-{EVALUATIONS[0]}.log",
    ("prepare", DATA): f"prepare/digits-gaussian-{DATA}.log",
    ("fetch", "digits"): "fetch/digits.log",
    ("report", REPORT): f"report/{REPORT}.log",
}
PLANNED = {EVALUATIONS[0]: f"evaluations/{GROUP}-{EVALUATIONS[0]}"}


def written(results: Path, place: str, *, age: float = 0.0) -> Path:
    path = results / "logs" / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("said\n")
    os.utime(path, (1e9 - age, 1e9 - age))
    return path


@pytest.mark.parametrize(("job", "place"), PLACES.items())
def test_every_rule_s_log_is_found(job: tuple[str, str], place: str, tmp_path: Path) -> None:
    assert log_of(tmp_path, *job, PLANNED) is None
    for other in PLACES.values():
        if other != place:
            written(tmp_path, other)
    assert log_of(tmp_path, *job, PLANNED) is None
    path = written(tmp_path, place)
    assert log_of(tmp_path, *job, PLANNED) == path


def test_the_rules_name_logs_like_this() -> None:
    """Of every rule with a journal, folder and the form of the name."""
    text = "".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
    found = {}
    for rule in re.split(r"^rule ", text, flags=re.MULTILINE)[1:]:
        log = re.search(r"logs/(\S+)\.log", rule)
        if log is not None:
            found[rule.partition(":")[0]] = re.sub(r"\{+(\w+)\}+", r"<\1>", log[1])
    assert found == {
        "train_shard": "train/<digest>",
        "evaluate_group": "evaluate/<group>-<fingerprint>",
        "prepare": "prepare/<data_set>-<likelihood>-<fingerprint>",
        "fetch": "fetch/<data_set>",
        "report": "report/<fingerprint>",
    }


def test_the_latest_attempt_s_log_is_named_even_where_snakemake_removed_it(tmp_path: Path) -> None:
    written(tmp_path, f"train/{SHARDS[0]}.20260102T030405Z-17.log", age=100)
    second = written(tmp_path, f"train/{SHARDS[0]}.20260102T040405Z-18.log", age=50)
    assert log_of(tmp_path, "train_shard", SHARDS[0], {}) == second
    first = second.with_name(f"{SHARDS[0]}.log")
    first.hardlink_to(second)
    assert log_of(tmp_path, "train_shard", SHARDS[0], {}) == first


@pytest.mark.parametrize("rule", ["unknown", "evaluate_group", ""])
def test_of_what_is_not_known_there_is_no_log(rule: str, tmp_path: Path) -> None:
    written(tmp_path, run_directory(SHARDS[0]))
    assert log_of(tmp_path, rule, SHARDS[0], {}) is None
