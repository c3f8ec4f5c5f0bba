"""`Experiment`: one table or figure of a paper, with its grid at each scale.

What is trained, what is measured on the winners, and how the results are laid out. What the grids
expand to is `workflow_src.plan`'s.
"""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, model_validator

from workflow_src.config.experiment_checks import (
    check_best_over,
    check_compared,
    check_layout,
    check_measurable,
    check_measured,
    check_presentation,
)
from workflow_src.config.grid_entries import GridEntries
from workflow_src.config.judges import Judges, check_judges, check_judging
from workflow_src.config.measurable_cells import check_metric_of_cells
from workflow_src.config.strict import (
    Ascending,
    Distinct,
    Fraction,
    Likelihood,
    Name,
    ProtocolName,
    Scalar,
    Seed,
    Stream,
    StrictModel,
    Unique,
)
from workflow_src.config.study_checks import (
    check_cells,
    check_images,
    check_likelihoods,
    check_metric,
    check_models,
    check_training,
    known_data_sets,
)

Axis = Literal["model", "data_set", "likelihood", "fraction", "protocol", "stream"]
Presentation = Literal[
    "table",
    "curve",
    "learning_curves",
    "leaf_manifolds",
    "leaf_posteriors",
    "inpainting",
    "global_samples",
    "inverse_cdfs",
    "likelihood_curves",
    "divergence_curves",
    "partition",
    "densities",
    "posteriors",
    "point_samples",
    "zero_noise",
    "components",
    "reference",
    "gaps",
    "costs",
    "layer_curves",
    "anomalies",
    "samples",
    "sharpened_samples",
    "variants",
    "side_by_side",
    "centroids",
]
Mask = Literal["left", "right", "top", "bottom", "center", "random_pixels"]
DataSets = Annotated[Distinct[Name], AfterValidator(known_data_sets)]
CsvName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+\.csv$")]


class Grid(StrictModel):
    """What one experiment trains at one scale."""

    data_sets: DataSets = Field(
        description="Data sets, unless the settings name others; a collection stands for all of "
        "its members."
    )
    likelihoods: Distinct[Likelihood] = Field(
        description="Likelihoods, unless the settings name others."
    )
    fractions: Distinct[Fraction] = Field(
        (1.0,), description="Parts of the training set to train on, each within (0, 1]."
    )
    seeds: Distinct[Seed] = Field(
        (0, 1, 2), description="Repetitions of each run, unless the settings name others."
    )
    protocols: Distinct[ProtocolName] = Field(
        ("authors",), description="The study's protocols, unless the settings name others."
    )
    streams: Distinct[Stream] = Field(
        ("full",), description="Ways to draw images, unless the settings name others."
    )
    importance_samples: Ascending | None = Field(
        None,
        description="Numbers of importance samples at this scale, where they are not the "
        "measures'.",
    )
    training: dict[Name, Scalar] = Field(
        {}, description="Values for trainers at this scale; they go before the study's."
    )
    judges: Judges | None = Field(
        None, description="Classifiers that judge the images drawn, where any are to be judged."
    )
    models: Annotated[dict[Name, GridEntries], Field(min_length=1)] = Field(
        description="Per model, hyperparameters with their values: every entry of the list is a "
        "product of its values, and the grid is what any entry contains. An entry that also says "
        "data_sets or likelihoods is part of the grid of these alone."
    )

    @model_validator(mode="after")
    def _names_what_exists(self) -> Grid:
        check_models(self.models)
        check_likelihoods(self.models, self.likelihoods)
        check_cells(self.models, self.data_sets, self.likelihoods)
        check_images(self.models, self.data_sets, self.likelihoods)
        check_training(self.training, self.models)
        check_judges(self.judges, self.data_sets, self.likelihoods)
        return self


class Measures(StrictModel):
    """What is measured on the winner of a group."""

    importance_samples: Ascending | None = Field(
        None,
        description="Numbers of importance samples to give the test bound for, ascending; needed "
        "where a model has no more than a bound.",
    )
    samples: int = Field(0, ge=0, description="Number of images to sample.")
    sharpened_samples: int = Field(
        0,
        ge=0,
        description="Number of images to sample without and with sharpening, from the same choices "
        "at the top layer; of models that can be sharpened. Where there are judges, they look at "
        "sharpened images, too.",
    )
    variants: int = Field(
        0, ge=0, description="Number of test images to draw variants of, eight of each."
    )
    side_by_side: int = Field(
        0,
        ge=0,
        description="Number of test images, the first ones, to show as they are, with their right "
        "half hidden, and filled in.",
    )
    centroids: bool = Field(
        False, description="Whether to show the centroids of the lowest mixture layer."
    )
    layer_scores: bool = Field(
        False, description="Whether to give the mean score of test images in every mixture layer."
    )
    leaf_manifolds: bool = Field(
        False, description="Whether to decode a grid of latent codes of every leaf."
    )
    leaf_posteriors: bool = Field(
        False, description="Whether to find out which leaf explains which part of test images."
    )
    inpainting: Unique[Mask] = Field(
        (),
        description="What of test images is hidden and filled in again: a half of the image, its "
        "center (half as high and wide), or a random half of its pixels.",
    )
    global_samples: int = Field(
        0, ge=0, description="Number of global latent states to sample, with five images of each."
    )
    inverse_cdfs: bool = Field(
        False, description="Whether to tabulate the inverse CDF of the smoothing."
    )
    training_bounds: bool = Field(
        False,
        description="Whether to give the joint and the marginal bound of one and the same model, "
        "on test images and at the temperature of training.",
    )
    smoothed_bound: bool = Field(
        False,
        description="Whether to give the test bound also at the temperature of training, for every "
        "number of importance samples; of models that can be weighed so.",
    )
    partition: bool = Field(
        False,
        description="Whether to list the regions on which the generator is affine, inside a "
        "window; of one or two latent dimensions.",
    )
    densities: bool = Field(
        False, description="Whether to give the exact density on a grid; of points in the plane."
    )
    posteriors: int = Field(
        0,
        ge=0,
        description="Number of observations of each kind to give the exact posterior of: outputs "
        "of the generator, the same with noise, and test points; with one or two latent "
        "dimensions.",
    )
    point_samples: int = Field(0, ge=0, description="Number of points to sample.")
    zero_noise: bool = Field(
        False,
        description="Whether to find the latent point that the posterior tends to as the noise "
        "goes to zero.",
    )
    components: bool = Field(
        False, description="Whether to write the model out as a mixture, a component per region."
    )
    gaps: int = Field(
        0,
        ge=0,
        description="Number of test points to search the best Gaussian posterior of, for the gaps "
        "of approximation and amortisation.",
    )
    imputation: bool = Field(
        False,
        description="Whether to hide each half of the values of test points and to expect them "
        "from the other half.",
    )
    judged_samples: int = Field(
        0,
        ge=0,
        description="Number of images of each class to draw and have the grid's judges classify; "
        "of models of a single class, and of those with a classifier.",
    )
    anomalies: bool = Field(
        False,
        description="Whether to tell test points apart by their density that are of no training "
        "label.",
    )
    classification: bool = Field(
        False,
        description="Whether to classify the test images; of models with a classifier.",
    )
    model_selection: bool = Field(
        False, description="Whether to give information criteria, on the training points."
    )
    costs: bool = Field(
        False,
        description="Whether to time the enumeration of regions and one expectation step.",
    )
    reference: int = Field(
        0,
        ge=0,
        description="Number of test points to repeat the expectation step on with the paper's "
        "simplices, for time and agreement.",
    )


class TableLayout(StrictModel):
    """What a table has in its rows, columns and cells."""

    rows: Name = Field(
        description="What goes down the rows: " + ", ".join(get_args(Axis)) + ", or a compared "
        "hyperparameter."
    )
    columns: Distinct[Name] = Field(
        description="What goes across, the outermost first; as for rows."
    )
    metric: Name = Field(description="Metric in the cells.")

    @model_validator(mode="after")
    def _names_what_exists(self) -> TableLayout:
        check_metric(self.metric)
        return self


class Experiment(StrictModel):
    """One table or figure of the paper."""

    title: str = Field(description="Heading in the report.")
    description: str = Field(description="What it shows, in a sentence or two.")
    presentation: Presentation = Field(description="Form of the result beside its table.")
    published: CsvName | None = Field(
        None, description="File in published/, beside the study, with the paper's numbers."
    )
    compare: Unique[Name] = Field(
        (),
        description="Hyperparameters whose values are told apart: each combination has a winner "
        "of its own. A model without one has none of its values.",
    )
    best_over: Unique[Name] = Field(
        (),
        description="Hyperparameters of which the table and claims show the values with the best "
        "mean over seeds of the metric that is looked at, on the test set; each combination has "
        "winners of its own.",
    )
    table: TableLayout = Field(description="Rows, columns and cells of its table.")
    measures: Measures = Field(description="What is measured on the winners.")
    scales: Annotated[dict[Literal["demo", "paper"], Grid], Field(min_length=1)] = Field(
        description="Grid at each scale that the experiment exists at."
    )

    @model_validator(mode="after")
    def _is_consistent(self) -> Experiment:
        models = sorted({model for grid in self.scales.values() for model in grid.models})
        table, measures = self.table, self.measures
        check_compared("compare", self.compare, models)
        check_compared("best_over", self.best_over, models)
        check_best_over(self.best_over, self.compare, table.metric)
        check_layout(table.rows, table.columns, get_args(Axis), self.compare)
        measured = {name for name, value in measures if value}
        check_measurable(measured, models)
        check_measured(
            table.metric, measures.importance_samples, measured, models, ("table", "metric")
        )
        check_presentation(self.presentation, measured, table.rows, models)
        check_judging(measures.judged_samples, self.scales)
        check_metric_of_cells(table.metric, self.scales.items())
        return self

    @property
    def told_apart(self) -> tuple[str, ...]:
        """Hyperparameters each combination of whose values has winners of its own."""
        return (*self.compare, *self.best_over)
