"""Seeds depend on what is named, on all of it and on nothing else."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow_src.plan.seeds import seed

axes = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=5),
    st.one_of(st.integers(), st.text(max_size=5), st.booleans(), st.none()),
    max_size=4,
)


def test_the_value_is_the_upper_bits_of_the_text_s_sha256() -> None:
    text = b'{"axes":{"data_set":"mnist","seed":3},"purpose":"subset"}'
    expected = int(hashlib.sha256(text).hexdigest()[:16], 16) // 2
    assert seed("subset", seed=3, data_set="mnist") == expected


@given(axes)
def test_the_order_of_axes_does_not_matter(named: dict[str, int]) -> None:
    assert seed("x", **named) == seed("x", **dict(reversed(named.items())))


@given(axes)
def test_a_seed_has_63_bits(named: dict[str, int]) -> None:
    assert 0 <= seed("x", **named) < 2**63


@given(axes, axes)
def test_different_axes_give_different_seeds(one: dict[str, int], other: dict[str, int]) -> None:
    same = {k: (type(v), v) for k, v in one.items()} == {k: (type(v), v) for k, v in other.items()}
    assert (seed("x", **one) == seed("x", **other)) == same


def test_purposes_are_apart() -> None:
    assert seed("initialisation", seed=0) != seed("noise", seed=0)


def test_values_that_have_no_one_spelling_are_refused() -> None:
    with pytest.raises(TypeError, match="fold"):
        seed("x", fold=[1, 2])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Out of range"):
        seed("x", fraction=float("nan"))


def test_it_brings_nothing_of_the_package_along() -> None:
    code = (
        "import sys, workflow_src.plan.seeds;"
        "print(sorted(n for n in sys.modules if n.startswith('workflow_src')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = ["workflow_src", "workflow_src.plan", "workflow_src.plan.seeds"]
    assert done.stdout.strip() == str(expected)
