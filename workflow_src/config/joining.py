"""`Join`: experiments of papers that a model asks to stand in, in its own model.yaml.

So a model's folder is all that it takes to appear in tables. What joining does to a study is
`workflow_src.config.joined_grids`'.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflow_src.config.grid_entries import GridEntries
from workflow_src.config.strict import Distinct, Name, StrictModel


class Join(StrictModel):
    """Experiments of one study, and what the model adds to the grid of each of them."""

    study: Name = Field(description="A study of workflow_src/studies.")
    experiments: Distinct[Name] = Field(
        description="Experiments of it that have every scale below; those that share a grid by a "
        "YAML anchor are named one by one."
    )
    scales: Annotated[dict[Literal["demo", "paper"], GridEntries], Field(min_length=1)] = Field(
        description="At each scale, the model's entries, as a grid's `models` has them: every "
        "entry is a product of its values."
    )
