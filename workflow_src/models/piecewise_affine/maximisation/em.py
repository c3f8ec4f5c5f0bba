"""Sweeps of expectation-maximisation over the parameters of a deep generative network.

A sweep goes through blocks of parameters: the noise covariance, the biases, the weights or both of
a layer, and, where it is expanded, the latent prior. Each block's maximiser of the expected
complete log likelihood is approached by a damped step, which is halved until the exact log
likelihood does not fall (backtracking). Without backtracking it can fall: the maximisation step
holds the regions fixed, and a hidden layer's new parameters move them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from workflow_src.models.piecewise_affine.inference.expectations import (
    MEMORY_BYTES,
    DeepGenerativeNetwork,
    ExpectedStatistics,
    expected_statistics,
)
from workflow_src.models.piecewise_affine.maximisation.latent_prior import best_latent_prior
from workflow_src.models.piecewise_affine.maximisation.layers import best_part
from workflow_src.models.piecewise_affine.maximisation.noise import best_noise, between
from workflow_src.models.piecewise_affine.maximisation.quadratics import UnsolvedError
from workflow_src.models.piecewise_affine.maximisation.weight_priors import (
    NO_PRIOR,
    WeightPrior,
    log_prior,
)
from workflow_src.models.piecewise_affine.partitions.enumeration import Partition, partition

Array: TypeAlias = NDArray[np.float64]
Expectation: TypeAlias = Callable[[DeepGenerativeNetwork, Partition, Array], ExpectedStatistics]

Outcome = Literal["accepted", "rejected", "settled", "unsolved"]

ORDERS = ("last_layer_first", "first_layer_first", "biases_then_weights", "whole_layers")
"""Named orders of blocks; see `blocks`.

The paper's is biases_then_weights. whole_layers moves weights and biases of a layer together: fewer
expectation steps, and on the circle it climbs faster and higher.
"""

ROUNDING = 1e-12
"""Falls of the objective below this share of its size (and of the points) are rounding."""


@dataclass(frozen=True)
class Block:
    """Parameters that move together; ``layer`` counts from 1, and is 0 for noise and prior."""

    kind: Literal["noise", "latent_prior", "biases", "weights", "layer"]
    layer: int = 0

    def __post_init__(self) -> None:
        if self.kind not in ("noise", "latent_prior", "biases", "weights", "layer"):
            raise ValueError(f"no block of parameters is called {self.kind!r}")
        if (self.layer == 0) != (self.kind in ("noise", "latent_prior")) or self.layer < 0:
            raise ValueError(f"a block of {self.kind} does not have layer {self.layer}")


@dataclass(frozen=True)
class SweepSettings:
    """How a sweep goes.

    order:
        The blocks, one after another: one of `ORDERS`, or blocks.
    damping:
        The first step tried, in (0, 1], as a share of the way to the maximiser (elsewhere called a
        step size, or relaxation): 1 is undamped and goes to the maximiser itself.
    backtracking:
        Halve a step that lowers the exact objective, down to ``smallest_step`` (in (0, 1]) times
        the damping; then reject the block.
    refresh:
        Take new expectations after every accepted block ("block": every block is then a whole
        expectation-maximisation step), or once ("sweep": the regions' expectations stay those of
        the sweep's start, as in the paper).
    weight_prior:
        Prior of all weights; its log density joins the objective.
    expanded_prior:
        End a sweep of a named order with the expanded prior's block (`latent_prior`).
    smallest_variance:
        Below this the noise covariance has no eigenvalue.
    relative_cut:
        Of a layer's scaled curvature, in [0, 1): what curves less is left alone. Larger values
        keep hidden layers from long steps that gain next to nothing and move the regions. Blocks of
        more than 1024 unknowns have a ridge of that size instead, and under a laplace or uniform
        prior of the weights it is without effect (see `quadratics`).
    memory_bytes, device:
        Of the expectation step.
    """

    order: str | tuple[Block, ...] = "whole_layers"
    damping: float = 1.0
    backtracking: bool = True
    smallest_step: float = 1 / 64
    refresh: Literal["block", "sweep"] = "block"
    weight_prior: WeightPrior = NO_PRIOR
    expanded_prior: bool = False
    smallest_variance: float = 1e-8
    relative_cut: float = 1e-8
    memory_bytes: int = MEMORY_BYTES
    device: str = "cpu"

    def __post_init__(self) -> None:
        if isinstance(self.order, str) and self.order not in ORDERS:
            raise ValueError(f"an order of blocks is one of {ORDERS}, not {self.order!r}")
        if self.refresh not in ("block", "sweep"):
            raise ValueError(f"expectations are refreshed by block or sweep, not {self.refresh!r}")
        for name in ("damping", "smallest_step"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} is above 0 and at most 1, not {getattr(self, name)}")
        if not 0 < self.smallest_variance < math.inf:
            raise ValueError(f"smallest_variance is above 0, not {self.smallest_variance}")
        if not 0 <= self.relative_cut < 1:
            raise ValueError(f"relative_cut is at least 0 and below 1, not {self.relative_cut}")


@dataclass(frozen=True, eq=False)
class Expected:
    """A model with the regions and expectations that belong to it, to start the next sweep from."""

    model: DeepGenerativeNetwork
    partition: Partition
    statistics: ExpectedStatistics


@dataclass(frozen=True)
class BlockStep:
    """What one block did, and the step that it took (0 unless accepted).

    outcome:
        Accepted; rejected, as every step lowered the objective; settled: the block is at its
        maximum within rounding and was left there; or unsolved: its maximiser was not found
        (`quadratics.UnsolvedError`), and it was left as it was.
    """

    block: Block
    step: float
    outcome: Outcome


@dataclass(frozen=True, eq=False)
class SweepResult:
    """A sweep's end.

    expected:
        The model after it, with its regions and expectations (pass to the next sweep).
    log_likelihoods:
        Exact log likelihood of all points, nats, before the sweep and after every block
        [blocks + 1].
    objectives:
        The same plus the weights' log prior.
    steps:
        One per block.
    """

    expected: Expected
    log_likelihoods: Array
    objectives: Array
    steps: tuple[BlockStep, ...]

    @property
    def model(self) -> DeepGenerativeNetwork:
        return self.expected.model

    @property
    def partition(self) -> Partition:
        return self.expected.partition

    @property
    def rejected(self) -> int:
        """Blocks that no step could better, or whose maximiser was not found."""
        return sum(step.outcome in ("rejected", "unsolved") for step in self.steps)

    @property
    def smallest_step(self) -> float:
        """The smallest accepted step; 0 where none was."""
        return min((step.step for step in self.steps if step.step > 0), default=0.0)


def blocks(order: str, layers: int) -> tuple[Block, ...]:
    """The blocks of a named order, for a network with this many layers."""
    hidden = range(1, layers)
    noise, last = Block("noise"), Block("layer", layers)
    parts = {
        layer: (Block("biases", layer), Block("weights", layer)) for layer in range(1, layers + 1)
    }
    if order == "last_layer_first":
        backwards = [block for layer in reversed(hidden) for block in parts[layer]]
        return (last, noise, *backwards)
    if order == "first_layer_first":
        return (*(block for layer in hidden for block in parts[layer]), last, noise)
    if order == "biases_then_weights":
        everywhere = range(1, layers + 1)
        biases = [parts[layer][0] for layer in everywhere]
        return (noise, *biases, *(parts[layer][1] for layer in everywhere))
    if order == "whole_layers":
        return (*(Block("layer", layer) for layer in hidden), last, noise)
    raise ValueError(f"an order of blocks is one of {ORDERS}, not {order!r}")


def expect(
    model: DeepGenerativeNetwork,
    points: Array,
    settings: SweepSettings,
    expectation: Expectation | None = None,
    regions: Partition | None = None,
) -> Expected:
    """The model's regions (unless known), and its expectations over points ``[N, D]``."""
    if regions is None:
        regions = partition(model.network)
    if expectation is None:
        statistics = expected_statistics(
            model, regions, points, memory_bytes=settings.memory_bytes, device=settings.device
        )
    else:
        statistics = expectation(model, regions, points)
    return Expected(model, regions, statistics)


def em_sweep(
    model: DeepGenerativeNetwork,
    points: Array,
    settings: SweepSettings,
    start: Expected | None = None,
    expectation: Expectation | None = None,
) -> SweepResult:
    """One sweep over all blocks for points ``[N, D]``.

    ``start`` is the end of the sweep before, on the same points (it saves an expectation step);
    ``expectation`` replaces `inference.expected_statistics`. For stochastic
    expectation-maximisation, pass a batch as points and a damping from `robbins_monro_step`.

    With backtracking the objectives never fall. Without it a hidden layer's block may lower them,
    even to values that are not finite, after which the sweep's further blocks do nothing. From four
    latent dimensions on the log likelihood is an estimate, and so is what the steps compare.

    ``ValueError`` where the model's weights lie outside a uniform prior: clip them first
    (`within_prior`). Where its likelihood is not finite, every block is rejected.
    """
    order = _checked_order(model, points, settings, start)
    now = start or expect(model, points, settings, expectation)
    held = (now.partition, now.statistics)
    likelihoods = [now.statistics.total_log_likelihood]
    objectives = [_objective(now, settings)]
    steps = []
    for block in order:
        if settings.refresh == "block":
            held = (now.partition, now.statistics)
        now, step = _block_step(now, *held, block, points, settings, expectation)
        likelihoods.append(now.statistics.total_log_likelihood)
        objectives.append(_objective(now, settings))
        steps.append(step)
    return SweepResult(now, np.array(likelihoods), np.array(objectives), tuple(steps))


def robbins_monro_step(number: int, delay: float = 1.0, decay: float = 0.6) -> float:
    """Damping of batch ``number`` (from 0) in stochastic EM: (number + delay) ** -decay, at most 1.

    Robbins and Monro's conditions (the steps' sum diverges, that of their squares does not) hold
    for 0.5 < decay <= 1; a decay of 0 keeps all steps at 1.
    """
    if not 0 <= decay <= 1 or delay < 1:
        raise ValueError("steps shorten with a decay from 0 to 1 and a delay of at least 1")
    return float((number + delay) ** -decay)


def _checked_order(
    model: DeepGenerativeNetwork, points: Array, settings: SweepSettings, start: Expected | None
) -> tuple[Block, ...]:
    """The sweep's blocks, once all it is asked to do fits together."""
    if start is not None and start.model is not model:
        raise ValueError("the expectations to start from are those of another model")
    if start is not None and len(start.statistics.log_likelihood) != len(points):
        raise ValueError("the expectations to start from are those of other points")
    if log_prior(model.network, settings.weight_prior) == -math.inf:
        raise ValueError(
            f"a weight lies outside the uniform prior of scale {settings.weight_prior.scale}: "
            "clip the weights first (within_prior)"
        )
    layers = model.network.layers
    if isinstance(settings.order, str):
        expansion = (Block("latent_prior"),) if settings.expanded_prior else ()
        return (*blocks(settings.order, layers), *expansion)
    beyond = [block.layer for block in settings.order if block.layer > layers]
    if beyond:
        raise ValueError(f"a block of layer {beyond[0]}; the network has {layers}")
    return settings.order


def _block_step(
    now: Expected,
    regions: Partition,
    statistics: ExpectedStatistics,
    block: Block,
    points: Array,
    settings: SweepSettings,
    expectation: Expectation | None,
) -> tuple[Expected, BlockStep]:
    """The damped, backtracked step of one block; ``regions`` are those of ``statistics``."""
    objective = _objective(now, settings)
    if not math.isfinite(objective):
        return now, BlockStep(block, 0.0, "rejected")
    layers = now.model.network.layers
    try:
        best = _best(now.model, regions, statistics, block, settings)
    except UnsolvedError:
        return now, BlockStep(block, 0.0, "unsolved")
    fixed = now.partition if block.kind == "noise" or block.layer == layers else None
    rounding = ROUNDING * (abs(objective) + len(points))
    step = settings.damping
    while step >= settings.smallest_step * settings.damping or not settings.backtracking:
        candidate = expect(_between(now.model, best, step), points, settings, expectation, fixed)
        gain = _objective(candidate, settings) - objective
        if gain >= 0 or not settings.backtracking:
            return candidate, BlockStep(block, step, "accepted")
        if gain >= -rounding:
            return now, BlockStep(block, 0.0, "settled")
        step /= 2
    return now, BlockStep(block, 0.0, "rejected")


def _best(
    model: DeepGenerativeNetwork,
    regions: Partition,
    statistics: ExpectedStatistics,
    block: Block,
    settings: SweepSettings,
) -> DeepGenerativeNetwork:
    """The model with the block's maximiser of the expected complete log likelihood."""
    if block.kind == "noise":
        noise = best_noise(model, regions, statistics, settings.smallest_variance)
        return replace(model, noise=noise)
    if block.kind == "latent_prior":
        return replace(model, network=best_latent_prior(model.network, statistics))
    network = best_part(
        model,
        regions,
        statistics,
        block.layer,
        block.kind,
        settings.weight_prior,
        settings.relative_cut,
    )
    return replace(model, network=network)


def _between(
    start: DeepGenerativeNetwork, end: DeepGenerativeNetwork, step: float
) -> DeepGenerativeNetwork:
    """The model at ``step`` of the way: the ends themselves bit for bit at 0 and 1."""
    if step == 1:
        return end
    weights, biases = (
        tuple(
            first + step * (second - first) for first, second in zip(firsts, seconds, strict=True)
        )
        for firsts, seconds in (
            (start.network.weights, end.network.weights),
            (start.network.biases, end.network.biases),
        )
    )
    network = replace(start.network, weights=weights, biases=biases)
    return DeepGenerativeNetwork(network, between(start.noise, end.noise, step))


def _objective(expected: Expected, settings: SweepSettings) -> float:
    """Exact log likelihood and log prior of the weights, nats."""
    prior = log_prior(expected.model.network, settings.weight_prior)
    return expected.statistics.total_log_likelihood + prior
