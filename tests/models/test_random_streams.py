"""Every random choice of a run has a stream of its own."""

from __future__ import annotations

import torch

from workflow_src.models.random_streams import run_stream

SPEC = {
    "model": "vae",
    "data_set": "digits",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 0,
    "hidden_units": 30,
}


def first(purpose: str, seed: int = 0, hidden_units: int = 30, **axes: int) -> float:
    spec = {**SPEC, "seed": seed, "hidden_units": hidden_units}
    generator = run_stream(purpose, spec, torch.device("cpu"), **axes)
    return torch.randn(1, generator=generator).item()


def test_streams_differ_by_purpose_seed_and_axes() -> None:
    values = [
        first("training noise", step=0),
        first("training noise", step=4),
        first("training noise", seed=1, step=0),
        first("validation noise"),
    ]
    assert len(set(values)) == 4


def test_equal_names_start_equal_streams() -> None:
    assert first("training noise", step=8) == first("training noise", step=8)


def test_models_of_other_sizes_share_their_noise() -> None:
    assert first("test noise", hidden_units=30) == first("test noise", hidden_units=600)
