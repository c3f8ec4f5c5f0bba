"""SLURM's states: what they mean, and that the plugin ends a job exactly where it has ended."""

from __future__ import annotations

import ast
import inspect

import pytest
import snakemake_executor_plugin_slurm

from workflow_src.cluster.states import Kind, for_plugin, kind, plain

# Every base state and flag in the manual of squeue ("JOB STATE CODES").
GOING_ON = (
    "COMPLETING CONFIGURING PENDING REQUEUED REQUEUE_FED REQUEUE_HOLD RESIZING RESV_DEL_HOLD "
    "RUNNING SIGNALING SPECIAL_EXIT STAGE_OUT STOPPED SUSPENDED"
)
FAILED = "BOOT_FAIL CANCELLED DEADLINE FAILED OUT_OF_MEMORY REVOKED TIMEOUT"
PERHAPS = ["NODE_FAIL", "PREEMPTED"]


def failures_of_the_plugin() -> set[str]:
    """``fail_stati`` in the plugin's source."""
    for node in ast.walk(ast.parse(inspect.getsource(snakemake_executor_plugin_slurm))):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "fail_stati":
            return set(ast.literal_eval(node.value))
    raise AssertionError("the plugin has changed")


@pytest.mark.parametrize("state", GOING_ON.split())
def test_what_goes_on_is_told_as_it_is(state: str) -> None:
    assert kind(state) is Kind.GOING_ON
    assert for_plugin(state) == state
    assert state not in {"COMPLETED", "UNKNOWN", *failures_of_the_plugin()}


@pytest.mark.parametrize("state", FAILED.split())
def test_a_failure_is_told_as_one_that_the_plugin_ends_upon(state: str) -> None:
    assert kind(state) is Kind.FAILED
    # It waits where requeue is set and the word is NODE_FAIL.
    assert for_plugin(state) in failures_of_the_plugin() - {"NODE_FAIL"}


@pytest.mark.parametrize("state", PERHAPS)
def test_a_job_that_may_be_requeued_waits(state: str) -> None:
    assert kind(state) is Kind.PERHAPS_REQUEUED
    assert for_plugin(state) == "PENDING"


def test_completed_is_done() -> None:
    assert kind("COMPLETED") is Kind.DONE
    assert for_plugin("COMPLETED") == "COMPLETED"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("CANCELLED by 0", "CANCELLED"),
        ("CANCELLED+", "CANCELLED"),
        (" RUNNING ", "RUNNING"),
        ("", ""),
    ],
)
def test_what_sacct_adds_to_a_state_is_taken_off(word: str, expected: str) -> None:
    assert plain(word) == expected
