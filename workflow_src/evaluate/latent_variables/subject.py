"""One trained run under measurement, and how its work is cut to a memory budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from workflow_src.evaluate.latent_variables.models import MeasuredModel
from workflow_src.evaluate.measurement import MemoryBudgetError
from workflow_src.models.latent_variables import NoiseShape, Tensors
from workflow_src.models.random_streams import run_stream
from workflow_src.train.names import STATE

BYTES = 4
"""Of a number."""


@dataclass(frozen=True)
class Subject:
    """A model and one run of it.

    Attributes
    ----------
    parameters, state:
        Of that run, as a bank of one: ``[1, ...]`` by name. Persistent chains are not kept with a
        trained run and so are not among them.
    spec:
        The run's canonical spec, which its random streams are derived from.
    device:
        Where the tensors are.
    memory_bytes:
        What intermediate values may take.
    """

    model: MeasuredModel
    parameters: Tensors
    state: Tensors
    spec: Mapping[str, Any]
    device: torch.device
    memory_bytes: int

    def stream(self, purpose: str, **axes: int) -> torch.Generator:
        """The run's random stream for a purpose."""
        return run_stream(purpose, self.spec, self.device, **axes)

    def streams(
        self, purpose: str, shapes: Mapping[str, NoiseShape], **axes: int
    ) -> dict[str, torch.Generator]:
        """A stream for each tensor of noise.

        With one for all, how many samples are drawn at a time would decide which are drawn.
        """
        return {name: self.stream(f"{purpose} {name}", **axes) for name in shapes}

    def rows_that_fit(self, least: int, memory_bytes: int) -> int:
        """Samples, over all images, that are computed together within so much memory.

        Raises
        ------
        MemoryBudgetError
            If they are fewer than ``least``.
        """
        values = self.model.values_per_weight() + noise_per_weight(self.model)
        rows = memory_bytes // (values * BYTES)
        if rows < least:
            raise MemoryBudgetError(
                f"{least} latent codes and what is computed of them take "
                f"{least * values * BYTES / 2**20:.1f} MiB, more than the "
                f"{memory_bytes / 2**20:.1f} MiB that the budget of "
                f"{self.memory_bytes / 2**20:.1f} MiB has for them"
            )
        return rows


def subject_of(
    model: MeasuredModel,
    tensors: Mapping[str, Tensor],
    spec: Mapping[str, Any],
    device: torch.device,
    memory_bytes: int,
) -> Subject:
    """The subject whose checkpoint holds these ``tensors``: parameters, and ``state.`` ones."""
    banked = {name: value.to(device).unsqueeze(0) for name, value in tensors.items()}
    return Subject(
        model,
        {name: value for name, value in banked.items() if not name.startswith(STATE)},
        {
            name.removeprefix(STATE): value
            for name, value in banked.items()
            if name.startswith(STATE)
        },
        spec,
        device,
        memory_bytes,
    )


def noise_per_weight(model: MeasuredModel) -> int:
    """Numbers of noise that one sample of one image takes."""
    return sum(torch.Size(one.shape).numel() for one in model.weight_noise(1, 1).values())


def drawn(
    shapes: Mapping[str, NoiseShape],
    streams: Mapping[str, torch.Generator],
    device: torch.device,
) -> Tensors:
    """Noise of a bank of one, ``[1, *shape]`` by name, each tensor from its own stream."""
    noise: Tensors = {}
    for name, one in shapes.items():
        values = torch.empty(1, *one.shape, device=device)
        if one.kind == "uniform":
            noise[name] = values.uniform_(generator=streams[name])
        else:
            noise[name] = values.normal_(generator=streams[name])
    return noise
