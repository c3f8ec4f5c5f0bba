"""What holds of any two sides: equal ones are the same, and swapping them turns every verdict."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from support.comparisons import Row, rows, side, without

from workflow_src.compare.verdicts import Verdict, judged

NUMBERS = st.one_of(
    st.sampled_from([-1.0, 0.0, 1.0, 2.5]),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.none(),
)
ERRORS = st.one_of(st.none(), st.floats(0, 10))
METRICS = st.sampled_from(
    ["test_log_likelihood", "test_cross_entropy", "region_count", "parameter_count"]
)
SWAPPED = {
    Verdict.BETTER: Verdict.WORSE,
    Verdict.WORSE: Verdict.BETTER,
    Verdict.GONE: Verdict.APPEARED,
    Verdict.APPEARED: Verdict.GONE,
}
EXAMPLES = 20
"""Each takes two comparisons of tables, which are made for many rows and not for few."""

KEY = ["model", "metric"]


@st.composite
def sides(draw: st.DrawFn) -> list[Row]:
    """Some models, each with metrics over some seeds, without a winner, or not here."""
    found: list[Row] = []
    for model in ("vae", "spvae", "conv_vae"):
        kind = draw(st.sampled_from(["measured", "measured", "no_winner", "missing", "nothing"]))
        seeds = draw(st.sets(st.integers(0, 4), min_size=1))
        if kind in ("no_winner", "missing"):
            found += without(kind, sorted(seeds), model=model)
        elif kind == "measured":
            for metric in draw(st.sets(METRICS, min_size=1)):
                values = {seed: draw(NUMBERS) for seed in sorted(seeds)}
                error = draw(ERRORS)
                winner = draw(st.sampled_from(["a run", "another", None]))
                unit = draw(st.sampled_from(["share", "percent", "nats", None]))
                found += rows(values, metric, error, model=model, winner=winner, unit=unit)
    return found


def by_row(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    return judged(before, after).set_index(KEY).sort_index()


@settings(max_examples=EXAMPLES)
@given(one=sides())
def test_equal_sides_are_the_same(one: list[Row]) -> None:
    verdicts = set(judged(side(one), side(one))["verdict"])
    assert verdicts <= {Verdict.SAME, Verdict.NOT_HERE}


@settings(max_examples=EXAMPLES)
@given(one=sides(), other=sides())
def test_swapping_the_sides_turns_signs_and_verdicts(one: list[Row], other: list[Row]) -> None:
    forth, back = by_row(side(one), side(other)), by_row(side(other), side(one))
    assert [SWAPPED.get(Verdict(v), v) for v in forth["verdict"]] == back["verdict"].tolist()
    for name in ("difference", "low", "high"):
        mirror = {"low": "high", "high": "low"}.get(name, name)
        assert np.allclose(forth[name], -back[mirror], rtol=1e-9, atol=0, equal_nan=True)
    for name in ("p", "p_adjusted", "error"):
        assert np.allclose(forth[name], back[name], rtol=1e-9, atol=0, equal_nan=True)


@settings(max_examples=EXAMPLES)
@given(one=sides(), other=sides(), chance=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(
    one: list[Row], other: list[Row], chance: object
) -> None:
    mixed = [sorted(part, key=lambda _: chance.random()) for part in (one, other)]  # type: ignore[attr-defined]
    found = by_row(side(one), side(other))
    again = by_row(*map(side, mixed))
    assert found["verdict"].equals(again["verdict"])
    assert np.allclose(found["p"], again["p"], rtol=1e-9, atol=0, equal_nan=True)


@settings(max_examples=EXAMPLES)
@given(one=sides(), other=sides())
def test_every_row_of_either_side_has_one_verdict(one: list[Row], other: list[Row]) -> None:
    found = judged(side(one), side(other))
    assert not found.duplicated(KEY).any()
    measured = {(r["model"], r["metric"]) for r in (*one, *other) if r["state"] == "measured"}
    assert measured <= set(zip(found["model"], found["metric"], strict=True))
    assert set(found["verdict"]) <= set(Verdict)


@settings(max_examples=EXAMPLES)
@given(one=sides(), other=sides())
def test_adjusting_makes_no_p_value_smaller(one: list[Row], other: list[Row]) -> None:
    found = judged(side(one), side(other))
    pairs = zip(found["p"], found["p_adjusted"], strict=True)
    assert all(math.isnan(p) or adjusted >= p * (1 - 1e-12) for p, adjusted in pairs)
