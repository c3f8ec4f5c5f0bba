"""Log densities of single pixels under a decoder's outputs, to leave out pixels that are missing.

Apart from `workflow_src.models.likelihoods`, whose sums over all pixels are what training and
bounds spend their time on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from workflow_src.models.likelihoods import Binomial, Gaussian, Likelihood


def log_density_of_pixels(
    likelihood: Likelihood, pixels: Tensor, outputs: Mapping[str, Tensor]
) -> Tensor:
    """log p(x_i | z) in nats of every pixel, shaped like the outputs ``[bank, P, K, N]``.

    Pixels ``[bank, P, 1, N]`` are in the data's units: shares for the Gaussian, counts for the
    binomial. Those that are missing may have any value within its range.

    Raises
    ------
    ValueError
        For a likelihood that is neither.
    """
    if isinstance(likelihood, Gaussian):
        return _gaussian(pixels, outputs["mean"], outputs["precision"])
    if isinstance(likelihood, Binomial):
        return _binomial(pixels, likelihood, outputs["probability"])
    raise ValueError(f"no log density of single pixels is known for {type(likelihood).__name__}")


def log_density_of_observed(
    likelihood: Likelihood, pixels: Tensor, outputs: Mapping[str, Tensor], observed: Tensor
) -> Tensor:
    """log p(x_observed | z), ``[bank, K, N]``; ``observed [bank, P]`` says which pixels are.

    Pixels are independent given the code, so that those that are missing drop out of the product.
    """
    terms = log_density_of_pixels(likelihood, pixels, outputs)
    return terms.masked_fill(~observed[:, :, None, None], 0.0).sum(dim=1)


def _gaussian(pixels: Tensor, mean_output: Tensor, precision_output: Tensor) -> Tensor:
    """Normal with mean sigmoid(f) and precision 1 + g^2."""
    squared = precision_output**2
    residual = pixels - torch.sigmoid(mean_output)
    return 0.5 * (torch.log1p(squared) - (1 + squared) * residual**2 - math.log(2 * math.pi))


def _binomial(pixels: Tensor, likelihood: Binomial, output: Tensor) -> Tensor:
    """Counts of successes, which have probability p(f) and failures 1 - p(f) = p(-f)."""
    success = likelihood.probability({"probability": output})
    failure = likelihood.probability({"probability": -output})
    successes, failures = pixels, likelihood.levels - pixels
    # As many as pixels, and not K times as many: double precision costs nothing here.
    coefficient = torch.lgamma(torch.tensor(likelihood.levels + 1.0, dtype=torch.float64))
    coefficient = coefficient - (successes.double() + 1).lgamma() - (failures.double() + 1).lgamma()
    terms = successes * success.log() + failures * failure.log()
    return terms + coefficient.to(terms.dtype)
