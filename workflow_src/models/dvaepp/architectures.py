"""Table 4 of the DVAE++ paper: the networks for each data set, and what it leaves open.

Numbers are channels of residual blocks; an arrow halves (down) or doubles (up) height and width.
The last number of Table 4's rows for q(h) and p(h), 64, is twice the 32 local variables at a
position: mean and log standard deviation. Here that last block follows from the local latents, and
the rows have the blocks before it. In the same way the last row but one, p(x), follows from the
likelihood, and the row of q(z), one dense layer with as many outputs as the group has units, from
the global units and groups.

Where the paper does not say, or says two things:

- Table 4 gives CIFAR10's q(z) 16 outputs; its 128 global units in 1, 2 or 4 groups would need 128,
  64 or 32. Ours has what the units and groups need, without hidden layers.
- The first scale of the conditional decoder is 4 x 4: every 8th pixel. Where the context's features
  are finer (Caltech-101: 7 x 7, CIFAR10: 8 x 8), a convolution with stride 2 leads to it.
- Kernels have 3 x 3 taps. What "input h x w" gives is joined to the features that lead on.
- Without global variables a trained map stands where the upsampled ones would.
- Directed global priors (Bernoulli, normal) take one dense layer from earlier groups to the next;
  the first group's parameters are trained.
- What the first weights are, see `layers.initial_layer`; the last block of q(h) and of p(h) and the
  dense layers of the global variables start at a tenth of that, so that groups begin near their
  priors.

``digits`` is ours, for images of 8 x 8 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

from workflow_src.models.residual_networks.residual_blocks import Block, blocks


@dataclass(frozen=True)
class Architecture:
    """The residual networks of a DVAE++.

    Attributes
    ----------
    down_1, down_2:
        From the image to the features of the local variables, and on to those of the global ones.
    upsample:
        From the global variables to the size of the local ones.
    local_posterior, local_prior:
        Before the last block of q(h) and of p(h).
    context:
        From all latent variables to the decoder's first features.
    stages:
        From one scale of the decoder to the next.
    image_input:
        On the pixels that the conditional decoder knows.
    first_stride:
        Pixels of the image between neighbours of the decoder's first scale.
    """

    down_1: tuple[Block, ...]
    down_2: tuple[Block, ...]
    upsample: tuple[Block, ...]
    local_posterior: tuple[Block, ...]
    local_prior: tuple[Block, ...]
    context: tuple[Block, ...]
    stages: tuple[tuple[Block, ...], ...]
    image_input: tuple[Block, ...]
    first_stride: int


_OMNIGLOT = Architecture(
    down_1=blocks("32↓ 32 64↓ 64 128↓"),
    down_2=blocks("256↓ 512↓"),
    upsample=blocks("128↑ 128↑"),
    local_posterior=blocks("32 32 32 32"),
    local_prior=blocks("32 32"),
    context=blocks("16"),
    stages=(blocks("16↑ 16"), blocks("16↑ 8"), blocks("8↑")),
    image_input=blocks("32"),
    first_stride=8,
)

ARCHITECTURES: dict[str, Architecture] = {
    "omniglot": _OMNIGLOT,
    "mnist": _OMNIGLOT,
    "caltech101": Architecture(
        down_1=blocks("8↓ 8↓"),
        down_2=blocks("8↓ 16↓ 16↓"),
        upsample=blocks("32↑ 32↑ 32↑"),
        local_posterior=blocks("32 32 32 32"),
        local_prior=blocks("32 32 32 32"),
        context=blocks("16"),
        stages=(blocks("8 8"), blocks("8↑ 4"), blocks("4↑")),
        image_input=blocks("32"),
        first_stride=8,
    ),
    "cifar10": Architecture(
        down_1=blocks("64↓ 64 256↓ 256"),
        down_2=blocks("512↓ 512 1024↓ 1024↓"),
        upsample=blocks("128↑ 64↑ 32↑"),
        local_posterior=blocks("32"),
        local_prior=blocks("32 32 32 32"),
        context=blocks("256"),
        stages=(blocks("128 128"), blocks("64↑ 64"), blocks("32↑")),
        image_input=blocks("32"),
        first_stride=8,
    ),
    "digits": Architecture(
        down_1=blocks("8↓"),
        down_2=blocks("16↓ 16↓"),
        upsample=blocks("8↑ 8↑"),
        local_posterior=(),
        local_prior=(),
        context=blocks("8"),
        stages=(blocks("8"), blocks("4↑")),
        image_input=blocks("4"),
        first_stride=4,
    ),
}
"""By name; ``mnist`` is OMNIGLOT's, as the paper has it (with an unconditional decoder)."""
