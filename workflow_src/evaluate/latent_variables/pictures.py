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

UNIFORMS = (0.25, 0.5)
"""Uniform numbers for which the inverse CDF is shown (figures 5 and 1b of the paper)."""

_PROBABILITIES = 400


@torch.no_grad()
def sampled(subject: Subject, global_states: int, draws: int) -> Arrays:
    """Images drawn in the binary limit, and the pixels expected given their latent variables.

    Both are shares of the full range, [global states, draws, h, w], or [..., h, w, channels] where
    there are several channels.
    """
    model = subject.model
    largest = 1 if model.images.likelihood == "bernoulli" else model.images.levels
    stream = subject.stream(f"samples of {global_states} states")
    images, means = model.draw(subject.parameters, subject.state, stream, global_states, draws)
    return {
        "samples": _in_rows_and_columns(subject, images / largest),
        "means": _in_rows_and_columns(subject, means),
    }


def inverse_cdf(name: str, inverse_temperature: float) -> Arrays:
    """A smoothing's inverse CDF [uniforms, probabilities] against the probability that z = 1."""
    probabilities = (np.arange(_PROBABILITIES) + 0.5) / _PROBABILITIES
    logits = np.log(probabilities) - np.log1p(-probabilities)
    uniforms = np.array(UNIFORMS)
    values = smoothing(name).sample(
        torch.tensor(uniforms).unsqueeze(1), torch.tensor(logits), inverse_temperature
    )
    return {
        "probabilities": probabilities,
        "inverse_cdf": values.numpy(),
        "uniforms": uniforms,
        "smoothing": np.array(name),
        "inverse_temperature": np.array(inverse_temperature),
    }


def _in_rows_and_columns(subject: Subject, images: Tensor) -> NDArray[np.float32]:
    facts = subject.model.images
    shape = (*images.shape[:2], facts.channels, facts.height, facts.width)
    shares = images.to(torch.float32).cpu().numpy().reshape(shape)
    shares = shares[:, :, 0] if facts.channels == 1 else np.moveaxis(shares, 2, -1)
    return np.ascontiguousarray(shares)
