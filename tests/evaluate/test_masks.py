"""Masks hide what their names say, of images of any size."""

from __future__ import annotations

import numpy as np
import pytest

from workflow_src.evaluate.masks import observed_pixels


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("left", ["##..", "##..", "##..", "##.."]),
        ("right", ["..##", "..##", "..##", "..##"]),
        ("top", ["####", "####", "....", "...."]),
        ("bottom", ["....", "....", "####", "####"]),
        ("center", ["....", ".##.", ".##.", "...."]),
    ],
)
def test_a_mask_hides_what_its_name_says(name: str, hidden: list[str]) -> None:
    wanted = np.array([[pixel == "." for pixel in row] for row in hidden])
    np.testing.assert_array_equal(observed_pixels(name, 4, 4, "digits"), wanted)


@pytest.mark.parametrize("shape", [(28, 28), (32, 32), (5, 3), (1, 2)])
@pytest.mark.parametrize("name", ["left", "right", "top", "bottom", "center", "random_pixels"])
def test_of_images_of_any_size_something_is_hidden(name: str, shape: tuple[int, int]) -> None:
    observed = observed_pixels(name, *shape, "mnist")
    assert observed.shape == shape
    rows, columns = ((side + 1) // 2 for side in shape)
    sizes = {"left": shape[0] * columns, "top": rows * shape[1], "center": rows * columns}
    sizes |= {"right": sizes["left"], "bottom": sizes["top"]}
    sizes["random_pixels"] = (shape[0] * shape[1] + 1) // 2
    assert np.count_nonzero(~observed) == sizes[name]


def test_the_random_half_depends_on_the_data_set_alone() -> None:
    first, again, other = (
        observed_pixels("random_pixels", 28, 28, name) for name in ("mnist", "mnist", "svhn")
    )
    np.testing.assert_array_equal(first, again)
    # Of two random halves one half agrees, give or take 14 pixels.
    assert abs(np.count_nonzero(first == other) - 392) < 5 * 14
    for half in (first[:14], first[:, :14]):
        assert abs(np.count_nonzero(half) - 196) < 5 * 7


def test_an_unknown_mask_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"unknown mask 'middle'; known are bottom, center"):
        observed_pixels("middle", 4, 4, "digits")
