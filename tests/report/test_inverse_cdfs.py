"""The figure of inverse CDFs: equal smoothings share a line, and lines say their temperature."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from workflow_src.report.evidence import Group, read_evidence
from workflow_src.report.figures import inverse_cdfs
from workflow_src.report.figures.inverse_cdfs import (
    curves_of,
    draw_inverse_cdfs,
    temperature_text,
)

PROBABILITIES = np.linspace(0, 1, 41)


UNIFORMS = (0.25, 0.5)


def curve(inverse_temperature: float, uniform: float) -> np.ndarray:
    return 1 / (1 + np.exp(-inverse_temperature * (PROBABILITIES - (1 - uniform))))


def arrays(smoothing: str, inverse_temperature: float) -> dict[str, Any]:
    return {
        "probabilities": PROBABILITIES,
        "inverse_cdf": np.stack([curve(inverse_temperature, one) for one in UNIFORMS]),
        "uniforms": np.array(UNIFORMS),
        "smoothing": np.array(smoothing),
        "inverse_temperature": np.array(inverse_temperature),
    }


@pytest.fixture
def groups(tree: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> tuple[Group, ...]:
    """Four winners: two with one temperature, one with another, and one that smooths nothing."""
    made = tree(experiments=["table1"], seeds=[0], likelihoods=["gaussian"])
    for one in made.plan.evaluations:
        made.measured(one, 100.0)
    found = read_evidence(made.membership).experiment_groups("spvae", "table1")
    assert len(found) == 4
    files = [arrays("overlapping_exponential", beta) for beta in (8.0, 5.0, 8.0)]
    by_fingerprint = {
        group.evaluation.fingerprint: file
        for group, file in zip(found, [*files, None], strict=True)
    }
    monkeypatch.setattr(
        inverse_cdfs,
        "read_arrays",
        lambda evaluation, name: (
            by_fingerprint[evaluation.fingerprint] if name == "smoothing" else None
        ),
    )
    return found


def test_equal_smoothings_share_a_line(groups: tuple[Group, ...]) -> None:
    found = curves_of(groups)
    assert tuple(found) == UNIFORMS
    for uniform, curves in found.items():
        assert {name: set(lines) for name, lines in curves.panels.items()} == {
            "overlapping_exponential": {5.0, 8.0}
        }
        drawn = curves.panels["overlapping_exponential"][5.0]
        np.testing.assert_array_equal(drawn.inverse_cdf, curve(5.0, uniform))
        np.testing.assert_array_equal(drawn.probabilities, PROBABILITIES)


def test_the_figure_says_its_noise_its_smoothings_and_where_it_is_from(
    groups: tuple[Group, ...], tmp_path: Path
) -> None:
    figures = draw_inverse_cdfs("dvaepp_x", groups)
    for figure, uniform in zip(figures, ("0.25", "0.5"), strict=True):
        assert figure.name == f"dvaepp_x_inverse_cdfs-{uniform}"
        assert f"noise {uniform} " in figure.caption
        assert "3 winners" in figure.caption
        assert figure.evaluations == tuple(group.evaluation.fingerprint for group in groups[:3])
        assert b"Overlapping exponential" in figure.images[".svg"]
        assert Image.open(io.BytesIO(figure.images[".png"])).size[0] > 300
    again = draw_inverse_cdfs("dvaepp_x", groups)
    assert [one.images for one in again] == [one.images for one in figures]


def test_winners_without_a_smoothing_have_no_figure(groups: tuple[Group, ...]) -> None:
    assert draw_inverse_cdfs("x", groups[3:]) == []


def test_concrete_is_called_by_its_temperature() -> None:
    assert temperature_text("concrete", 10.0) == "$\\lambda$ = 0.1"
    assert temperature_text("spike_and_exponential", 10.0) == "$\\beta$ = 10"
