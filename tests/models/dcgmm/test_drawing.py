"""What a DCGMM draws: images, sharpened ones, variants, and what was hidden."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import chisquare
from support.small_mixtures import DEEP, model, pixels_of, trained

from workflow_src.models.dcgmm.model import DeepConvolutionalMixture

UPPER = math.sqrt(20)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def apart(one: DeepConvolutionalMixture) -> dict[str, torch.Tensor]:
    """Parameters whose centroids in the only layer are constant images, one level each."""
    parameters = trained(one)
    components = parameters["layer_1.centroids"].shape[1]
    levels = torch.linspace(0.1, 0.9, components, dtype=torch.float64)
    parameters["layer_1.centroids"] = levels[None, :, None].expand(1, -1, 16).clone()
    parameters["layer_1.precision_roots"] = torch.full((1, components, 16), UPPER).double()
    return parameters


def component_of(drawn: torch.Tensor) -> torch.Tensor:
    return ((drawn[:, 0] - 0.1) * 10).round().long()


def test_without_a_control_signal_all_components_are_drawn_equally_often() -> None:
    """Whatever the weights and the top values: nothing stands above the top layer."""
    one = model()
    parameters = apart(one)
    drawn = one.draw(parameters, 5_000, stream(2))
    counts = torch.bincount(component_of(drawn), minlength=9)
    assert chisquare(counts).pvalue > 1e-3


def test_dimensions_at_the_upper_bound_are_exactly_the_centroids() -> None:
    one = model()
    parameters = apart(one)
    drawn = one.draw(parameters, 200, stream())
    assert torch.equal(drawn, parameters["layer_1.centroids"][0, component_of(drawn)])


def test_noise_is_the_deviation_over_the_divisor() -> None:
    one = model(noise_divisor=4.0)
    parameters = apart(one)
    parameters["layer_1.centroids"].fill_(0.5)
    parameters["layer_1.precision_roots"][:, :, 3] = 4.0
    drawn = one.draw(parameters, 4_000, stream())
    assert drawn[:, 3].std() == pytest.approx(1 / 16, rel=0.05)
    assert (drawn[:, :3] == 0.5).all()


def test_without_noise_pixels_are_centroids() -> None:
    one = model(noise_divisor=0.01)
    parameters = apart(one)
    parameters["layer_1.precision_roots"].fill_(4.0)
    drawn = one.draw(parameters, 200, stream(), noise=False)
    assert torch.equal(drawn, parameters["layer_1.centroids"][0, component_of(drawn)])


def test_noise_of_the_lowest_layer_alone_is_left_out() -> None:
    """Above it, noise is in responsibilities: draws are those of a model that has none below."""
    one = model(6, layout=DEEP, noise_divisor=0.5)
    parameters = trained(one)
    bound = torch.full_like(parameters["layer_1.precision_roots"], UPPER)
    clean = one.draw(parameters, 130, stream(4), noise=False)
    without = parameters | {"layer_1.precision_roots": bound}
    assert torch.equal(clean, one.draw(without, 130, stream(4)))
    assert not torch.equal(clean, one.draw(parameters, 130, stream(4)))


@pytest.mark.parametrize("layout", [DEEP, "F(3,1)-G(4,independent)-F(4,1)-G(9)"])
@pytest.mark.parametrize("channels", [1, 3])
def test_draws_follow_the_seed_and_are_not_cut(layout: str, channels: int) -> None:
    one = model(6, channels, layout=layout, noise_divisor=0.5)
    parameters = trained(one)
    drawn = one.draw(parameters, 130, stream(4))
    assert drawn.shape == (130, 36 * channels)
    assert drawn.min() < 0
    assert drawn.max() > 1
    assert torch.equal(one.draw(parameters, 130, stream(4)), drawn)
    assert not torch.equal(one.draw(parameters, 130, stream(5)), drawn)
    assert torch.equal(one.draw(parameters, 100, stream(4)), drawn[:100])
    assert one.draw(parameters, 0, stream(4)).shape == (0, 36 * channels)


def test_colours_come_out_where_they_went_in() -> None:
    """Centroids in the patch's order (row, column, channel); images by channel."""
    one = model(2, 3, layout="F(2,1)-G(1)")
    parameters = trained(one)
    image = torch.linspace(0, 1, 12, dtype=torch.float64)
    parameters["layer_1.centroids"] = image.view(3, 2, 2).permute(1, 2, 0).reshape(1, 1, 12)
    parameters["layer_1.precision_roots"].fill_(UPPER)
    torch.testing.assert_close(one.draw(parameters, 2, stream()), image.expand(2, -1))


def test_sharpened_draws_have_the_same_choices_at_the_top() -> None:
    one = model(8, layout="F(3,1)-G(4)-F(6,1)-G(9)", sharpening_steps=40, top_values=1)
    parameters = trained(one)
    assert one.has_sharpening
    plain = one.draw(parameters, 150, stream(3))
    sharp = one.draw_sharpened(parameters, 150, stream(3))
    lowest_plain, lowest_sharp = (one.log_densities(parameters, d)[0] for d in (plain, sharp))
    assert (lowest_sharp > lowest_plain).double().mean() > 0.95
    closeness = (plain - sharp).square().sum(dim=1)
    shuffled = (plain - sharp.roll(1, dims=0)).square().sum(dim=1)
    assert closeness.mean() < shuffled.mean()


def test_a_step_of_no_size_sharpens_nothing() -> None:
    one = model(8, layout="F(3,1)-G(4)-F(6,1)-G(9)", sharpening_steps=3, sharpening_rate=0.0)
    parameters = trained(one)
    assert torch.equal(
        one.draw_sharpened(parameters, 10, stream()), one.draw(parameters, 10, stream())
    )


@pytest.mark.parametrize(
    ("layout", "steps"), [("F(8,1)-G(9)", 300), ("F(3,1)-G(4)-F(6,1)-G(9)", 0)]
)
def test_where_there_is_nothing_to_sharpen_it_says_so(layout: str, steps: int) -> None:
    one = model(8, layout=layout, sharpening_steps=steps)
    assert not one.has_sharpening
    with pytest.raises(ValueError, match="has nothing to sharpen; it takes steps"):
        one.draw_sharpened(trained(one), 1, stream())


@pytest.mark.parametrize("classifier", ["highest", "two_highest", "lowest"])
def test_a_label_is_drawn_from_its_own_components(classifier: str) -> None:
    """The classifier takes one component of the layer that goes backwards for each class."""
    layout = "F(4,1)-G(16)" if classifier != "two_highest" else "F(2,2)-G(4)-F(2,1)-G(16)"
    one = model(4, layout=layout, classifier=classifier, top_values=1)
    parameters = trained(one)
    parameters["classifier.weight"].zero_()
    # Rows add up to 0, as those do that training takes away from 0.
    parameters["classifier.weight"][-16:-6] = 4 * torch.eye(10, dtype=torch.float64) - 0.4
    parameters["classifier.bias"].zero_()
    top = "layer_2" if classifier == "two_highest" else "layer_1"
    parameters[f"{top}.precision_roots"].fill_(UPPER)
    for label in (0, 7):
        only = {name: value.clone() for name, value in parameters.items()}
        only[f"{top}.centroids"][:] = parameters[f"{top}.centroids"][:, label : label + 1]
        drawn = one.draw(parameters, 50, stream(), label=label)
        assert torch.equal(drawn, one.draw(only, 50, stream(), label=label))
    assert not torch.equal(drawn, one.draw(parameters, 50, stream()))


def test_a_label_takes_a_classifier() -> None:
    one = model()
    with pytest.raises(ValueError, match=r"drawing from class 3 takes a classifier.*F\(4,1\)-G"):
        one.draw(trained(one), 1, stream(), label=3)


@pytest.mark.parametrize("layer", [None, 1, 2])
def test_variants_are_images_of_their_own(layer: int | None) -> None:
    one = model(6, layout=DEEP)
    parameters, pixels = trained(one), pixels_of(one, 120)
    found = one.variants(parameters, pixels, 3, stream(), layer=layer)
    assert found.shape == (120, 3, 36)
    assert torch.equal(found, one.variants(parameters, pixels, 3, stream(), layer=layer))


def test_variants_are_of_the_components_that_saw_the_image() -> None:
    one = model(top_values=1)
    parameters = apart(one)
    pixels = parameters["layer_1.centroids"][0, [3, 0, 8]] + 0.01
    found = one.variants(parameters, pixels, 5, stream())
    expected = parameters["layer_1.centroids"][0, [3, 0, 8]]
    assert torch.equal(found, expected[:, None].expand(-1, 5, -1))


@pytest.mark.parametrize("zeroed", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inpainting_leaves_the_evidence_and_ignores_what_is_hidden(
    dtype: torch.dtype, *, zeroed: bool
) -> None:
    one = model(6, layout=DEEP)
    parameters = {name: value.to(dtype) for name, value in trained(one).items()}
    pixels = pixels_of(one, 110).to(dtype)
    hidden = (torch.arange(36) % 6 >= 3) & (torch.arange(36) > 5)
    filled = one.inpaint(parameters, pixels, hidden, stream(), zeroed=zeroed)
    assert torch.equal(filled[:, ~hidden], pixels[:, ~hidden])
    assert filled.dtype == dtype
    other = torch.where(hidden, 1 - pixels, pixels)
    assert torch.equal(one.inpaint(parameters, other, hidden, stream(), zeroed=zeroed), filled)
    expect = one.expected_zeroed if zeroed else one.expected
    means = expect(parameters, pixels, hidden)
    assert torch.equal(means[:, ~hidden], pixels[:, ~hidden])
    assert torch.equal(expect(parameters, other, hidden), means)


def test_a_layout_of_one_layer_is_filled_in_from_the_component_that_the_evidence_tells() -> None:
    """Constant images: the visible half tells the level, also where zeros would mislead."""
    one = model(top_values=1)
    parameters = apart(one)
    pixels = parameters["layer_1.centroids"][0]
    hidden = torch.arange(16) % 4 >= 2
    assert torch.equal(one.inpaint(parameters, pixels, hidden, stream()), pixels)
    zeroed = one.inpaint(parameters, pixels, hidden, stream(), zeroed=True)
    assert (zeroed[1:, hidden] < pixels[1:, hidden]).all()


def test_hidden_pixels_are_drawn_as_often_as_the_evidence_says() -> None:
    """Two components alike in what is visible: the weights choose."""
    one = model(2, layout="F(2,1)-G(4)", top_values=0)
    parameters = trained(one)
    levels = torch.tensor([0.2, 0.4, 0.6, 0.8], dtype=torch.float64)
    parameters["layer_1.centroids"] = levels.view(1, 4, 1).expand(1, 4, 4).clone()
    parameters["layer_1.centroids"][..., 0] = 0.5
    parameters["layer_1.precision_roots"].fill_(UPPER)
    shares = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64)
    parameters["layer_1.weight_logits"] = shares.log()[None]
    hidden = torch.tensor([False, True, True, True])
    drawn = one.inpaint(parameters, torch.full((4_000, 4), 0.5).double(), hidden, stream(1))
    counts = torch.bincount(((drawn[:, 1] - 0.2) * 5).round().long(), minlength=4)
    assert chisquare(counts, shares * 4_000).pvalue > 1e-3
