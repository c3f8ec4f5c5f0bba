"""The annealing of a bank: windows begin with a layer's turn, and every run goes its own way."""

from __future__ import annotations

import torch

from workflow_src.models.convolutional_mixtures.annealing import AnnealingSettings, neighbourhood
from workflow_src.train.layerwise_ascent.annealed_layers import AnnealedLayers

SETTINGS = AnnealingSettings(
    window=2,
    decrease=0.5,
    threshold=0.05,
    final_sigma=0.05,
    learning_rate=0.4,
    final_learning_rate=0.1,
)
CPU = torch.device("cpu")


def of_two_runs() -> AnnealedLayers:
    """Two layers; the second begins to learn in step 3."""
    return AnnealedLayers([4, 9], [0, 3], 2, SETTINGS, CPU)


def told(layers: AnnealedLayers, losses: list[tuple[float, float]], first: int = 0) -> None:
    """Every step's losses of the two runs, alike in both layers."""
    for step, loss in enumerate(losses, start=first):
        layers.observe(step, [torch.tensor(loss)] * 2)


def test_layers_learn_from_their_turn_on() -> None:
    layers = of_two_runs()
    assert [layers.learning(step) for step in (0, 2, 3, 4)] == [
        [True, False],
        [True, False],
        [True, True],
        [True, True],
    ]


def test_windows_end_by_each_layers_own_count() -> None:
    layers = of_two_runs()
    first, second = layers.sigmas(0)
    # Means of the first layer: 0, 10, 10 in one run and 0, 10, 20 in the other.
    losses = [(-1.0, -1.0), (1.0, 1.0), (9.0, 9.0), (11.0, 11.0), (9.0, 19.0), (11.0, 21.0)]
    told(layers, losses[:5])
    assert layers.sigmas(0) == layers.sigmas(1) == [first, second]
    told(layers, losses[5:], first=5)
    assert layers.sigmas(0) == [first / 2, second]
    assert layers.sigmas(1) == [first, second]
    assert layers.rates[0].tolist() == torch.tensor([0.2, 0.4]).tolist()
    near = layers.neighbourhoods[0]
    assert near is not None
    expected = torch.stack([neighbourhood(4, first / 2), neighbourhood(4, first)])
    torch.testing.assert_close(near.double(), expected, rtol=0, atol=1e-7)
    # The second layer's first windows are of steps 3 and 4, 5 and 6, 7 and 8.
    told(layers, [(11.0, 11.0)] * 2, first=6)
    assert layers.sigmas(0)[1] == second


def test_neighbourhoods_end_where_no_run_has_one() -> None:
    layers = AnnealedLayers([4], [0], 1, SETTINGS, CPU)
    for step, loss in enumerate([0.0, 0.0, 1.0, 1.0, *[1.0] * 20]):
        layers.observe(step, [torch.tensor([loss])])
    assert layers.sigmas(0) == [0.05]
    assert layers.neighbourhoods == [None]
    assert layers.rates[0].tolist() == torch.tensor([0.1]).tolist()


def test_one_goes_on_from_its_state_in_the_middle_of_a_window() -> None:
    through, before = of_two_runs(), of_two_runs()
    losses = [(float(step % 5), float(step % 3)) for step in range(40)]
    told(through, losses)
    told(before, losses[:17])
    after = AnnealedLayers([4, 9], [0, 3], 2, SETTINGS, CPU)
    after.restore([before.run_state(0), before.run_state(1)])
    told(after, losses[17:], first=17)
    for run in range(2):
        assert after.sigmas(run) == through.sigmas(run)
        for name, value in through.run_state(run).items():
            assert torch.equal(after.run_state(run)[name], value)
