"""Of every family something is tried, and different shapes before more of one."""

from __future__ import annotations

from collections.abc import Hashable

from workflow_src.changes.samples import Candidate, Difference, sampled


def nothing() -> Difference:
    return {}, []


def candidate(
    name: str, family: str, shape: Hashable, seconds: float, reason: str | None = None
) -> Candidate:
    return Candidate(family, (name,), shape, seconds, reason or nothing)


BANKS = [
    candidate("a", "digits-binomial, cpu", "small", 1.0),
    candidate("b", "digits-binomial, cpu", "small", 2.0),
    candidate("c", "digits-binomial, cpu", "large", 9.0),
    candidate("d", "digits-gaussian, cpu", "small", 50.0),
    candidate("e", "digits-gaussian, cuda", "small", 5.0, "made on cuda"),
]


def names(size: int) -> list[str]:
    return [one.names[0] for one in sampled("training of vae", BANKS, size).chosen]


def test_the_cheapest_of_every_family_is_tried() -> None:
    assert names(1) == ["a", "d"]


def test_another_shape_goes_before_a_second_of_one() -> None:
    assert names(2) == ["a", "c", "d"]
    assert names(9) == ["a", "c", "b", "d"]


def test_a_family_that_cannot_be_tried_is_named() -> None:
    (trial,) = sampled("training of vae", BANKS, 1).untried
    assert trial.evidence() == {
        "step": "training of vae",
        "family": "digits-gaussian, cuda",
        "equal": None,
        "reason": "made on cuda",
    }


def test_what_will_be_tried_is_told_with_its_cost() -> None:
    assert list(sampled("training of vae", BANKS, 2).lines()) == [
        "to be tried: training of vae, digits-binomial, cpu: 2 results, 10 s",
        "to be tried: training of vae, digits-gaussian, cpu: 1 result, 50 s",
    ]
