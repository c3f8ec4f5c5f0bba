"""What a trained model draws, and the smoothing that it was trained with, as arrays for figures."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.evaluate.latent_variables.subject import Subject
from workflow_src.evaluate.measurement import Arrays
from workflow_src.models.smoothings.smoothing import smoothing

DRAWS_OF_A_STATE = 5
"""Images that are drawn of one state of the global latent variables (figure 4 of the paper)."""

UNIFORM = 0.25
"""The uniform number for which the inverse CDF is shown (figure 5 of the paper)."""

_PROBABILITIES = 400


@torch.no_grad()
def sampled(subject: Subject, global_states: int, draws: int) -> Arrays:
    """Images drawn in the binary limit, and the pixels expected given the same latent variables.

    Both are shares of the full range, [global states, draws, h, w], or [..., h, w, channels] where
    there are several channels.
    """
    model = subject.model
    largest = 1 if model.images.likelihood == "bernoulli" else model.images.levels
    arrays: Arrays = {}
    for name, draw, whole in (("samples", model.sample, largest), ("means", model.sample_means, 1)):
        # Equal streams: the latent variables are the same.
        stream = subject.stream(f"samples of {global_states} states")
        images = draw(subject.parameters, subject.state, stream, global_states, draws)
        arrays[name] = _in_rows_and_columns(subject, images / whole)
    return arrays


def inverse_cdf(name: str, inverse_temperature: float) -> Arrays:
    """A smoothing's inverse CDF at `UNIFORM` against the probability that z = 1."""
    probabilities = (np.arange(_PROBABILITIES) + 0.5) / _PROBABILITIES
    logits = np.log(probabilities) - np.log1p(-probabilities)
    values = smoothing(name).sample(
        torch.full((_PROBABILITIES,), UNIFORM, dtype=torch.float64),
        torch.tensor(logits),
        inverse_temperature,
    )
    return {
        "probabilities": probabilities,
        "inverse_cdf": values.numpy(),
        "uniform": np.array(UNIFORM),
        "smoothing": np.array(name),
        "inverse_temperature": np.array(inverse_temperature),
    }


def _in_rows_and_columns(subject: Subject, images: Tensor) -> NDArray[np.float32]:
    facts = subject.model.images
    shape = (*images.shape[:2], facts.channels, facts.height, facts.width)
    shares = images.to(torch.float32).cpu().numpy().reshape(shape)
    shares = shares[:, :, 0] if facts.channels == 1 else np.moveaxis(shares, 2, -1)
    return np.ascontiguousarray(shares)
