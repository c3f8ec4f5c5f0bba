"""What a smoothing transformation can do, and which there are.

A smoothing replaces a binary variable z with logit l of q = q(z = 1) by a continuous zeta, so that
a sample is a differentiable function of l; section 3 of the DVAE++ paper. Everything is
elementwise: tensors of any shapes that broadcast, float32 or float64, in nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from workflow_src.models.smoothings.concrete import Concrete
from workflow_src.models.smoothings.inverse_cdf import InverseTemperature
from workflow_src.models.smoothings.overlapping_exponential import OverlappingExponential
from workflow_src.models.smoothings.overlapping_logistic import OverlappingLogistic
from workflow_src.models.smoothings.spike_and_exponential import SpikeAndExponential


class Smoothing(Protocol):
    """One smoothing; ``uniform`` is noise on [0, 1], the inverse temperature is beta > 0."""

    @property
    def has_component_densities(self) -> bool:
        """Whether zeta is drawn given z, from an r(zeta | z) that does not depend on q.

        Where it is not, `component_log_densities`, `log_ratio` and `posterior` raise ValueError.
        """
        ...

    def sample(
        self, uniform: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """zeta at which q's CDF is ``uniform``: increasing in both, differentiable in ``logits``.

        Finite for uniform noise from 0 to 1, both included, and logits of any size up to 90. As the
        inverse temperature rises it becomes 1 where uniform >= 1 - q, and 0 elsewhere.
        """
        ...

    def log_density(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """log q(zeta), with z summed out."""
        ...

    def log_density_ratio(
        self,
        zeta: Tensor,
        uniform: Tensor,
        logits: Tensor,
        prior_logits: Tensor,
        inverse_temperature: InverseTemperature,
    ) -> Tensor:
        """log q(zeta) - log p(zeta) at the sample, where p is the smoothed Bernoulli of a prior.

        Its mean over the noise is the Kullback-Leibler divergence of the marginal bound, and the
        mean of its gradient that divergence's gradient. ``zeta`` must be
        ``sample(uniform, logits, inverse_temperature)``.
        """
        ...

    def component_log_densities(
        self, zeta: Tensor, inverse_temperature: InverseTemperature
    ) -> tuple[Tensor, Tensor]:
        """log r(zeta | z = 0) and log r(zeta | z = 1)."""
        ...

    def log_ratio(self, zeta: Tensor, inverse_temperature: InverseTemperature) -> Tensor:
        """log r(zeta | z = 1) - log r(zeta | z = 0)."""
        ...

    def posterior(
        self, zeta: Tensor, logits: Tensor, inverse_temperature: InverseTemperature
    ) -> Tensor:
        """nu = q(z = 1 | zeta), with a gradient in ``zeta`` and ``logits`` (equation 7)."""
        ...


SMOOTHINGS: Mapping[str, Smoothing] = {
    "overlapping_exponential": OverlappingExponential(),
    "overlapping_logistic": OverlappingLogistic(),
    "spike_and_exponential": SpikeAndExponential(),
    "concrete": Concrete(),
}


def smoothing(name: str) -> Smoothing:
    """The smoothing called ``name``.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if name not in SMOOTHINGS:
        raise ValueError(f"unknown smoothing {name!r}; known are {', '.join(SMOOTHINGS)}")
    return SMOOTHINGS[name]
