"""What evaluation asks of Einsum networks, they have, in the shapes that it expects."""

from __future__ import annotations

import pytest
import torch
from support.small_circuits import pd_spn, pictures, rat_spn

from workflow_src.models.circuits.einsum_network import EinsumNetwork
from workflow_src.models.image_densities import (
    Classifies,
    ImageDensity,
    Inpaints,
    InpaintsZeroed,
    Normalised,
    Sharpens,
)

NETWORKS = [rat_spn(2, 4, "gaussian"), pd_spn(2, 4, levels=16, channels=3)]


@pytest.mark.parametrize("network", NETWORKS)
def test_einsum_networks_are_normalised_densities_that_inpaint(network: EinsumNetwork) -> None:
    for ability in (ImageDensity, Normalised, Inpaints):
        assert isinstance(network, ability)
    for ability in (Sharpens, Classifies, InpaintsZeroed):
        assert not isinstance(network, ability)
    assert network.is_normalised
    assert network.layer_names == ("root",)


@pytest.mark.parametrize("network", NETWORKS)
def test_results_have_the_shapes_that_evaluation_expects(network: EinsumNetwork) -> None:
    values = network.images.pixels
    generator = torch.Generator().manual_seed(0)
    images = pictures(network, 5).float()
    parameters = network.initial_parameters(generator, images)
    assert {n: tuple(v.shape) for n, v in parameters.items()} == network.parameter_shapes()
    assert network.parameter_count() == sum(value.numel() for value in parameters.values())
    assert network.log_densities(parameters, images).shape == (1, 5)
    assert network.draw(parameters, 3, generator).shape == (3, values)
    hidden = torch.arange(values) < values // 2
    assert network.inpaint(parameters, images, hidden, generator).shape == (5, values)
    assert network.expected(parameters, images, hidden).shape == (5, values)
    assert network.conditional_log_density(parameters, images, hidden).shape == (5,)
