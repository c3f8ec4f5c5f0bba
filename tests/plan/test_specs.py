"""A run's spec and its canonical form say the same."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.errors import UserError
from workflow_src.plan.specs import AXES, RunSpec, from_canonical

names = st.text("abcdefghij_", min_size=1, max_size=8).filter(lambda name: name not in AXES)
scalars = st.one_of(
    st.integers(-(2**60), 2**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10),
    st.booleans(),
)
specs = st.builds(
    RunSpec,
    model=names,
    data_set=names,
    likelihood=names,
    fraction=st.floats(0, 1, exclude_min=True),
    seed=st.integers(0, 2**63),
    protocol=names,
    stream=names,
    hyperparameters=st.dictionaries(names, scalars, max_size=6).map(lambda d: tuple(d.items())),
)


def make(**changes: object) -> RunSpec:
    values = {
        "model": "vae",
        "data_set": "mnist",
        "likelihood": "gaussian",
        "fraction": 1.0,
        "seed": 0,
        "protocol": "authors",
        "stream": "full",
        "hyperparameters": (("hidden_units", 30), ("learning_rate", 0.001)),
    }
    return RunSpec(**(values | changes))  # type: ignore[arg-type]


@given(specs)
def test_a_spec_survives_its_canonical_form_as_json(spec: RunSpec) -> None:
    assert from_canonical(json.loads(json.dumps(spec.canonical()))) == spec


@given(specs)
def test_the_canonical_form_is_flat(spec: RunSpec) -> None:
    values = spec.canonical()
    assert set(AXES) <= set(values)
    assert all(isinstance(value, str | int | float | bool) for value in values.values())


def test_the_order_of_hyperparameters_is_no_difference() -> None:
    assert make() == make(hyperparameters=(("learning_rate", 0.001), ("hidden_units", 30)))


def test_a_whole_fraction_is_written_as_any_other() -> None:
    assert json.dumps(make(fraction=1).canonical()) == json.dumps(make(fraction=1.0).canonical())


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.0001, float("nan")])
def test_a_fraction_outside_of_zero_to_one_is_refused(fraction: float) -> None:
    with pytest.raises(UserError, match="fraction"):
        make(fraction=fraction)


@pytest.mark.parametrize("pairs", [(("seed", 1),), (("x", 1), ("x", 2))])
def test_a_name_that_is_taken_is_refused(pairs: tuple[tuple[str, int], ...]) -> None:
    with pytest.raises(UserError, match=pairs[0][0]):
        make(hyperparameters=pairs)


def test_a_value_without_an_equal_is_refused() -> None:
    with pytest.raises(UserError, match="learning_rate"):
        make(hyperparameters=(("learning_rate", float("inf")),))


def test_a_canonical_form_without_an_axis_is_refused_by_its_name() -> None:
    values = make().canonical()
    del values["stream"]
    with pytest.raises(UserError, match="stream"):
        from_canonical(values)
