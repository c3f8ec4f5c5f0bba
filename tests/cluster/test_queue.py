"""Questions to SLURM: which jobs are meant, and how its answers are read."""

from __future__ import annotations

import os

import pytest
from cluster.conftest import COMMENT, DIGEST, RUN, Tools, line

from workflow_src.cluster.queue import (
    Partition,
    accounted_states,
    key_of,
    limits_of,
    minutes,
    own_jobs,
    partitions,
    time_limit_minutes,
)
from workflow_src.cluster.tools import NoAnswerError

SINFO = "main*|infinite|4000\nmain*|infinite|64000\nshort|2:00|4000+\ngpu|1-12:30:00|8000\n"


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        (f"rule_train_shard_wildcards_{DIGEST}", ("train_shard", DIGEST)),
        (f"rule_prepare_wildcards_digits_binomial_{DIGEST}", ("prepare", DIGEST)),
        (
            f"rule_evaluate_group_wildcards_vae_digits-binomial_7pct-seed0-authors-full_{DIGEST}",
            ("evaluate_group", DIGEST),
        ),
        (f"rule_report_wildcards_{DIGEST}", ("report", DIGEST)),
        ("rule_all", None),
        ("rule_fetch_wildcards_digits", None),
        (f"rule_train_shard_wildcards_{DIGEST}0", None),
        ("(null)", None),
        ("", None),
    ],
)
def test_the_key_of_a_job_is_in_its_comment(comment: str, expected: tuple[str, str] | None) -> None:
    assert key_of(comment) == expected


def test_jobs_are_those_of_this_user_with_all_that_squeue_says(tools: Tools) -> None:
    there = line("7", "RUNNING", directory="/a|b") + "slurm_load: odd line\n" + line("8", "FAILED")
    tools.answer("squeue", there)
    first, second = own_jobs(timeout=10, runs=["b", "a"])
    assert (first.id, first.state, first.run, first.key) == (
        "7",
        "RUNNING",
        RUN,
        ("train_shard", DIGEST),
    )
    assert first.comment == COMMENT
    assert first.directory == "/a|b"
    assert first.is_alive
    assert not second.is_alive
    (words,) = tools.calls("squeue")
    assert {f"--user={os.getuid()}", "--states=all", "--noheader", "--name=a,b"} <= set(words)


def test_other_clusters_are_asked_one_by_one(tools: Tools) -> None:
    tools.answer("squeue", line("7", "RUNNING"), "CLUSTER: far\n" + line("7", "PENDING"))
    assert [(one.cluster, one.state) for one in own_jobs(timeout=10, clusters=["", "far"])] == [
        ("", "RUNNING"),
        ("far", "PENDING"),
    ]
    assert "--clusters=far" in tools.calls("squeue")[1]


def test_an_error_a_silence_and_no_tool_are_no_answer(tools: Tools) -> None:
    with pytest.raises(NoAnswerError, match="there is no squeue"):
        own_jobs(timeout=10)
    tools.answer("squeue", ("slurm_load_jobs error: Unable to contact\n slurm controller", 1))
    with pytest.raises(NoAnswerError, match="Unable to contact slurm controller"):
        own_jobs(timeout=10)
    (tools.folder / "squeue").write_text("#!/bin/sh\nwhile :; do :; done\n")
    with pytest.raises(NoAnswerError, match="did not answer"):
        own_jobs(timeout=0.2)


def test_the_accounting_is_asked_in_parts_and_may_be_absent(tools: Tools) -> None:
    assert accounted_states(["1"], timeout=10) == {}
    tools.answer("sacct", "1|CANCELLED by 0\n2|COMPLETED\n", "300|TIMEOUT\n")
    ids = [str(number) for number in range(1, 301)]
    assert accounted_states(ids, timeout=10) == {
        "1": "CANCELLED",
        "2": "COMPLETED",
        "300": "TIMEOUT",
    }
    asked = [word for call in tools.calls("sacct") for word in call if word.startswith("--jobs=")]
    assert ",".join(word.removeprefix("--jobs=") for word in asked) == ",".join(ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30),
        ("2:00", 2),
        ("2:01", 3),
        ("1:00:00", 60),
        ("1-00:00:00", 1440),
        ("2-12", 3600),
        ("1-12:30:00", 2190),
        ("infinite", None),
        ("UNLIMITED", None),
        ("n/a", None),
    ],
)
def test_times_of_slurm_in_minutes(text: str, expected: int | None) -> None:
    assert minutes(text) == expected


def test_the_accounting_of_another_cluster_is_asked_by_its_name(tools: Tools) -> None:
    tools.answer("sacct", "7|COMPLETED\n")
    assert accounted_states(["7"], timeout=10, cluster="far") == {"7": "COMPLETED"}
    assert "--clusters=far" in tools.calls("sacct")[0]


def test_of_several_clusters_each_job_has_its_own(tools: Tools) -> None:
    both = "CLUSTER: far\n" + line("7", "RUNNING") + "CLUSTER: near\n" + line("8", "PENDING")
    tools.answer("squeue", both)
    assert [one.cluster for one in own_jobs(timeout=10, clusters=["far,near"])] == ["far", "near"]


def test_defaults_of_the_user_do_not_narrow_an_answer(
    tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SQUEUE_PARTITION", "other")
    monkeypatch.setenv("SLURM_CONF", "/conf")
    (tools.folder / "squeue").write_text(
        '#!/bin/sh\necho "1|${SQUEUE_PARTITION-}$SLURM_CONF||c|d"\n'
    )
    (tools.folder / "squeue").chmod(0o755)
    assert [one.state for one in own_jobs(timeout=10)] == ["/conf"]


def test_limits_of_partitions(tools: Tools) -> None:
    tools.answer("sinfo", SINFO)
    assert time_limit_minutes(None) is None
    assert time_limit_minutes("short") == 2
    assert time_limit_minutes("main,gpu") == 2190
    assert time_limit_minutes("nowhere") is None
    known = partitions()
    assert limits_of(None, known) == Partition(None, 64000)
    assert limits_of("gpu, short", known) == Partition(2, 4000)


def test_without_slurm_there_are_no_limits(tools: Tools) -> None:
    assert partitions() == {}
    assert time_limit_minutes("short") is None
