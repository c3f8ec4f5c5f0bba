"""The tracked log partition function against enumeration."""

from __future__ import annotations

import math

import pytest
import torch
from support.boltzmann_machines import enumerated, random_machine, streams
from torch import Tensor

from workflow_src.models.boltzmann import partition, tracking
from workflow_src.models.boltzmann.energy import BoltzmannMachine
from workflow_src.models.boltzmann.exact import exact_log_partition
from workflow_src.models.boltzmann.gibbs import gibbs_sweeps
from workflow_src.models.boltzmann.tracking import LOG_PARTITION, TrackedLogPartition

Tensors = dict[str, Tensor]
UNITS, CHAINS, NEVER = 6, 20, 10**9
GOAL = random_machine(1, UNITS, UNITS, scale=1.2)
TRACKED = TrackedLogPartition(UNITS, UNITS)


@pytest.fixture(autouse=True)
def _estimates_are_annealed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of machines that are too large to enumerate, with little work."""
    monkeypatch.setattr(tracking, "ENUMERATED_UNITS", UNITS - 1)
    monkeypatch.setattr(partition, "EXACT_UNITS", UNITS - 1)
    monkeypatch.setattr(partition, "TRAINING_TEMPERATURES", 100)


def machine_at(update: int) -> BoltzmannMachine:
    """Parameters that come and go, so fast that chains lag behind them."""
    share = 0.5 - 0.5 * math.cos(2 * math.pi * update / 70)
    return BoltzmannMachine(*((share * part).float() for part in vars(GOAL).values()))


def start(stream: torch.Generator) -> Tensors:
    state = {name: value.unsqueeze(0) for name, value in TRACKED.initial_state().items()}
    chains = torch.rand(2, 1, CHAINS, UNITS, generator=stream).round()
    return state | {"left": chains[0], "right": chains[1]}


def trained(
    state: Tensors, updates: range, generators: list[torch.Generator], runs: int = 1
) -> list[Tensors]:
    """The states after every one of the updates, with one sweep in each."""
    states = []
    for update in updates:
        now = machine_at(update)
        bank = BoltzmannMachine(
            *(part.expand(runs, *part.shape[1:]) for part in vars(now).values())
        )
        left, right = state["left"], state["right"]
        moved = TRACKED.advance(bank, state, left, right, generators)
        left, right = gibbs_sweeps(bank, left, right, 1, generators)
        state = {**moved, "left": left, "right": right}
        states.append(state)
    return states


def errors(states: list[Tensors], updates: range) -> Tensor:
    """By how much log Z is off after each of these updates, of states from the first on."""
    found = [states[update - 1][LOG_PARTITION].item() for update in updates]
    exact = [exact_log_partition(machine_at(update)).value.item() for update in updates]
    return torch.tensor(found) - torch.tensor(exact)


def test_errors_do_not_add_up_over_thousands_of_updates(monkeypatch: pytest.MonkeyPatch) -> None:
    every = tracking.UPDATES_BETWEEN_ESTIMATES
    stream = streams(1)
    states = trained(start(stream[0]), range(1, 3001), stream)
    # Of annealing with 256 chains: about 0.02.
    assert errors(states, range(every, 3001, every)).abs().max() < 0.1
    assert errors(states, range(20, 3001, 20)).abs().max() < 1.5
    monkeypatch.setattr(tracking, "UPDATES_BETWEEN_ESTIMATES", NEVER)
    stream = streams(1)
    drifting = trained(start(stream[0]), range(1, 3001), stream)
    assert errors(drifting, range(2700, 3001, 20)).abs().min() > 2


def test_training_that_goes_on_finds_the_same_numbers() -> None:
    stream = streams(1)
    once = trained(start(stream[0]), range(1, 301), stream)
    stream = streams(1)
    before = trained(start(stream[0]), range(1, 221), stream)
    # As a run that was read back from disk: copies of everything, and the streams' states.
    again = torch.Generator()
    again.set_state(stream[0].get_state())
    kept = {name: value.clone() for name, value in before[-1].items()}
    after = trained(kept, range(221, 301), [again])
    assert all(torch.equal(after[-1][name], value) for name, value in once[-1].items())
    assert list(once[-1]) == list(start(stream[0]))


def test_runs_of_a_bank_that_have_come_differently_far_are_each_alone() -> None:
    alone, stream = [], streams(2)
    for run, updates in ((0, 210), (1, 240)):
        alone.append(trained(start(stream[run]), range(1, updates + 1), [stream[run]])[-1])
    together = {name: torch.cat([one[name] for one in alone]) for name in alone[0]}
    own = [torch.Generator(), torch.Generator()]
    for one, other in zip(own, stream, strict=True):
        one.set_state(other.get_state())
    bank = trained(together, range(1, 61), own, runs=2)
    for run in (0, 1):
        single = trained(alone[run], range(1, 61), [stream[run]])
        torch.testing.assert_close(bank[-1][LOG_PARTITION][run], single[-1][LOG_PARTITION][0])
        assert torch.equal(bank[-1]["left"][run], single[-1]["left"][0])


def test_small_machines_are_enumerated_after_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "ENUMERATED_UNITS", UNITS)
    stream = streams(1)
    states = trained(start(stream[0]), range(1, 4), stream)
    for update, state in enumerate(states, start=1):
        exact = enumerated(machine_at(update)).log_partition
        assert state[LOG_PARTITION].item() == pytest.approx(exact, rel=1e-6)


def test_it_starts_from_fair_coins_and_tracks_a_first_change() -> None:
    stream = streams(1)
    state = start(stream[0])
    assert {name: tuple(value.shape[1:]) for name, value in state.items()} == (
        TRACKED.state_shapes() | {"left": (CHAINS, UNITS), "right": (CHAINS, UNITS)}
    )
    assert state[LOG_PARTITION].item() == pytest.approx(12 * math.log(2))
    # Only a bias of the left units: the mean of exp(z) over the chains' bits is the whole change.
    bias = torch.tensor([[0.7, 0, 0, 0, 0, 0]])
    moved = TRACKED.advance(
        BoltzmannMachine(bias, torch.zeros(1, 6), torch.zeros(1, 6, 6)),
        state,
        state["left"],
        state["right"],
        stream,
    )
    ones = state["left"][0, :, 0].mean().item()
    gain = math.log(ones * math.exp(0.7) + 1 - ones)
    assert moved[LOG_PARTITION].item() == pytest.approx(12 * math.log(2) + gain, rel=1e-6)


def test_an_update_without_an_estimate_reads_nothing_from_the_device() -> None:
    """On torch's device without values, which nothing can be read from."""
    state = start(streams(1)[0])
    (counter,) = set(state) & {"chains.updates"}
    there = {name: value.to("meta") for name, value in state.items()} | {counter: state[counter]}
    bank = BoltzmannMachine(*(part.to("meta") for part in vars(machine_at(1)).values()))
    moved = TRACKED.advance(bank, there, there["left"], there["right"], [torch.Generator()])
    assert moved[LOG_PARTITION].is_meta
    assert moved[counter].tolist() == [1]
