"""The tracked log partition function: log Z of a machine in training, known after every update.

It costs little. Persistent chains that sample one machine give the change of log Z to the next one
as the logarithm of the mean of exp(change of -E). Such changes add up, and so do their errors:
chains lag behind the machine they are to sample. log Z is therefore computed anew every so many
updates, and after every one where enumeration is cheap.

Everything that this goes by is in the state, so that training which stops and goes on again finds
the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from workflow_src.models.boltzmann.energy import BoltzmannMachine, negative_energy
from workflow_src.models.boltzmann.exact import exact_log_partition
from workflow_src.models.boltzmann.partition import log_partition
from workflow_src.models.latent_variables import Tensors

UPDATES_BETWEEN_ESTIMATES = 250
"""An estimate as training makes them costs about as much as ten updates with 40 sweeps do."""

ENUMERATED_UNITS = 10
"""The smaller group's units up to which log Z is enumerated after every update."""

LOG_PARTITION = "chains.log_partition"
_UPDATES = "chains.updates"
_MACHINE = ("chains.visible_bias", "chains.hidden_bias", "chains.weights")


@dataclass(frozen=True)
class TrackedLogPartition:
    """The tracked log partition function of one run or a bank.

    It starts where all parameters are 0 and it is that of fair coins.

    Attributes
    ----------
    left, right:
        Units of the two groups.
    """

    left: int
    right: int

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one run's: log Z, the machine it is of, and how many updates that has had."""
        shapes = ((self.left,), (self.right,), (self.left, self.right))
        machine = dict(zip(_MACHINE, shapes, strict=True))
        return machine | {LOG_PARTITION: (), _UPDATES: ()}

    def initial_state(self) -> Tensors:
        """One run's."""
        state = {name: torch.zeros(shape) for name, shape in self.state_shapes().items()}
        state[LOG_PARTITION] += (self.left + self.right) * math.log(2)
        return state

    @torch.no_grad()
    def advance(
        self,
        machine: BoltzmannMachine,
        state: Mapping[str, Tensor],
        left: Tensor,
        right: Tensor,
        generators: Sequence[torch.Generator],
    ) -> Tensors:
        """The state for the machines after an update.

        ``left`` [R, C, V], ``right`` [R, C, H] are chains that sample the machines in the state;
        one stream for each run.
        """
        now = machine.detached()
        # The count stays on the host: a device that is asked what is due would have to catch up.
        updates = state[_UPDATES].cpu() + 1
        if min(self.left, self.right) <= ENUMERATED_UNITS:
            value = exact_log_partition(now).value
        else:
            before = BoltzmannMachine(*(state[name] for name in _MACHINE))
            change = negative_energy(now, left, right) - negative_energy(before, left, right)
            gain = torch.logsumexp(change, dim=1) - math.log(change.shape[1])
            value = state[LOG_PARTITION] + gain
            due = torch.nonzero(updates % UPDATES_BETWEEN_ESTIMATES == 0).flatten().tolist()
            if due:
                streams = [generators[run] for run in due]
                value[due] = log_partition(now.runs_of(due), streams, "training").value
        numbers = (now.visible_bias, now.hidden_bias, now.weights)
        moved = {name: part.clone() for name, part in zip(_MACHINE, numbers, strict=True)}
        return moved | {LOG_PARTITION: value, _UPDATES: updates}
