"""How much memory a training takes: sums by hand."""

from __future__ import annotations

import pytest

from workflow_src.layouts import LayoutError
from workflow_src.models.dcgmm.size import training_bytes


def test_bytes_are_of_parameters_and_of_what_a_batch_takes() -> None:
    values = {"layout": "F(3,1)-G(4)-F(2,2)-G(9)", "batch_size": 7}
    # Positions 6 x 6 after F(3,1) on 8 x 8, 3 x 3 after F(2,2): that is no layout, as it has to
    # end at one position.
    with pytest.raises(LayoutError, match="3 x 3"):
        training_bytes(values, (8, 8), 1)
    values["layout"] = "F(3,1)-G(4)-F(6,1)-G(9)"
    parameters = 4 * (2 * 9 + 1) + 9 * (2 * 144 + 1)
    image = 64 + 36 * 9 + (36 * 9 + 4 * 36 * 4) + 144 + (144 + 4 * 9)
    assert training_bytes(values, (8, 8), 1) == 4 * (4 * parameters + 7 * image)


def test_independent_positions_have_parameters_of_their_own() -> None:
    shared, own = (
        training_bytes({"layout": f"F(3,1)-{layer}-F(6,1)-G(9)", "batch_size": 1}, (8, 8), 3)
        for layer in ("G(4)", "G(4,independent)")
    )
    assert own - shared == 4 * 4 * 35 * 4 * (2 * 27 + 1)
