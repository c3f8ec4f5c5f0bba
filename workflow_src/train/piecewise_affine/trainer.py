"""Trains deep generative networks, for a planned number of passes over the points.

By expectation maximisation, by the gradient of the exact log-likelihood, or as the decoders of
variational autoencoders; all from one starting point, which depends on data set, seed and shape of
the network alone. Validation is by the log-likelihood, whatever training ascends.

Runs of a bank are trained one after another: side by side, a small network's updates would take a
fraction of their time alone, and seconds of training would not compare between ways of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from workflow_src.models.deep_generative_network.model import GeneratorModel
from workflow_src.train.piecewise_affine.epochs import EpochBank
from workflow_src.train.piecewise_affine.exact_gradient import ExactGradientBank
from workflow_src.train.piecewise_affine.expectation_maximisation import (
    ExpectationMaximisationBank,
)
from workflow_src.train.piecewise_affine.variational import VariationalBank
from workflow_src.train.training import Hooks, Outcome, State

_FREE_WITHIN_A_BANK = ("seed", "stream", "protocol")

_BANKS: Mapping[str, type[EpochBank]] = {
    "expectation_maximisation": ExpectationMaximisationBank,
    "exact_gradient": ExactGradientBank,
    "variational": VariationalBank,
}


def bank_key(spec: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """Runs whose specs give equal keys may share a bank."""
    return tuple((k, v) for k, v in sorted(spec.items()) if k not in _FREE_WITHIN_A_BANK)


def train(
    model: GeneratorModel,
    specs: Sequence[Mapping[str, Any]],
    images: Mapping[str, Tensor],
    device: torch.device,
    states: Sequence[State | None],
    hooks: Hooks,
) -> Iterator[Outcome]:
    """Train runs with equal `bank_key`, each alone, and yield each as it ends.

    Parameters
    ----------
    model:
        The network that all runs share the shape of.
    specs:
        Canonical specs.
    images:
        ``train`` and ``validation``: points [N, D], real numbers.
    device:
        Where to compute; the points are moved there.
    states:
        A saved state to go on from, or None, for every run.
    hooks:
        See `Hooks`.

    Raises
    ------
    InterruptedTrainingError
        When ``hooks.stop_is_wanted`` says so.
    """
    points = {name: value.to(device, torch.float64) for name, value in images.items()}
    kind = _BANKS[specs[0]["method"]]
    for run, (spec, state) in enumerate(zip(specs, states, strict=True)):
        bank = kind(model, [run], [spec], points, device)
        # Before the first epoch there is nothing to go on from.
        bank.start([state if state is not None and state[1]["step"] else None])
        yield from bank.train(hooks)
