"""The best of several variants, collections, and cells that were cut: tables and claims by hand."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_src.config.data_sets import DATA_SETS
from workflow_src.config.metrics import METRICS
from workflow_src.config.studies import Study, load_study
from workflow_src.errors import UserError
from workflow_src.report.cells import cell_of as cell_of_groups
from workflow_src.report.choosing import error_of_mean
from workflow_src.report.claim_files import claims_csv_text
from workflow_src.report.claim_numbers import Measured, Place, Way
from workflow_src.report.claims import JudgedClaim, judge_claims
from workflow_src.report.cuts import Cut, CutIndex, cut_reason, cut_remark, read_cuts
from workflow_src.report.evaluations import Metric
from workflow_src.report.evidence import read_evidence
from workflow_src.report.report import write_report
from workflow_src.report.table_files import csv_text, markdown_text
from workflow_src.report.tables import Table, build_table

CLASSES = ["digits_class_3", "digits_class_8"]
DIMENSIONS = [2, 5, 10]

STUDY: dict[str, Any] = {
    "name": "classes",
    "title": "Classes",
    "reference": "nobody",
    "training": {"learning_rate": 0.001},
    "protocols": {
        "authors": {"description": "As they did.", "training": {"stopping": "five_decreases"}}
    },
    "experiments": {
        "best": {
            "title": "The best",
            "description": "The best of a grid.",
            "presentation": "table",
            "published": "classes.csv",
            "best_over": ["latent_dimensions"],
            "table": {"rows": "model", "columns": ["data_set"], "metric": "test_bound"},
            "measures": {"importance_samples": [5, 50]},
            "scales": {
                "demo": {
                    "data_sets": ["digits"],
                    "likelihoods": ["gaussian"],
                    "seeds": [0, 1],
                    "models": {
                        "vae": [{"hidden_units": [8], "latent_dimensions": DIMENSIONS}],
                        "spvae": [{"hidden_units": [8], "latent_dimensions": [2]}],
                    },
                }
            },
        },
        "by_class": {
            "title": "By class",
            "description": "Two classes.",
            "presentation": "table",
            "published": "classes.csv",
            "table": {"rows": "model", "columns": ["data_set"], "metric": "test_bound"},
            "measures": {"importance_samples": [5, 50]},
            "scales": {
                "demo": {
                    "data_sets": CLASSES,
                    "likelihoods": ["gaussian"],
                    "seeds": [0, 1],
                    "models": {"vae": [{"hidden_units": [8], "latent_dimensions": [2]}]},
                }
            },
        },
    },
    "claims": {
        "vae_is_better": {
            "statement": "The VAE is better.",
            "place": "nowhere",
            "checks": [
                {
                    "kind": "comparison",
                    "experiment": "best",
                    "metric": "test_bound",
                    "first": {"model": "vae"},
                    "second": {"model": "spvae"},
                    "relation": "higher",
                }
            ],
        },
        "classes_are_easy": {
            "statement": "Classes are easy.",
            "place": "nowhere",
            "checks": [
                {
                    "kind": "limit",
                    "experiment": "by_class",
                    "metric": "test_bound",
                    "first": {"model": "vae"},
                    "at_least": 100.0,
                }
            ],
        },
    },
}
PUBLISHED = """model,data_set,likelihood,metric,value,unit,place,note
vae,digits,gaussian,test_bound,90,nats,Table 1,
vae,digits_classes,gaussian,test_bound,120,nats,Table 2,
"""


@pytest.fixture
def classes(tree: Callable[..., Any], tmp_path: Path) -> Any:
    """A planned tree of the study above."""
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "classes.csv").write_text(PUBLISHED)
    (tmp_path / "classes.yaml").write_text(yaml.safe_dump(STUDY))
    return tree(studies=[str(tmp_path / "classes.yaml")], scale="demo")


def study_of(made: Any) -> Study:
    study: Study = made.plan.studies[0]
    return study


def table_of(made: Any, experiment: str, cuts: tuple[Cut, ...] = ()) -> Table:
    evidence = read_evidence(made.membership)
    groups = evidence.experiment_groups("classes", experiment)
    return build_table(study_of(made), experiment, groups, cuts)


def claim_of(made: Any, name: str) -> JudgedClaim:
    evidence = read_evidence(made.membership)
    claims = judge_claims(study_of(made), evidence.study_groups("classes"), evidence.cuts)
    return next(one for one in claims if one.name == name)


def with_dimensions(made: Any, dimensions: int, **axes: Any) -> Any:
    """The evaluation of the VAE with so many latent dimensions."""
    (found,) = [
        one
        for one in made.evaluations(model="vae", **axes)
        if any(
            group.experiment == "best" and group.variant == {"latent_dimensions": dimensions}
            for group in one.groups
        )
    ]
    return found


def fill(made: Any, bounds: dict[int, list[float]]) -> None:
    for dimensions, values in bounds.items():
        for seed, bound in enumerate(values):
            if not math.isnan(bound):
                made.measured(
                    with_dimensions(made, dimensions, data_set="digits", seed=seed), bound
                )


def notes_of(table: Table, model: str) -> str:
    (cell,) = (cell for (row, _), cell in table.cells.items() if row[0] == model)
    return " ".join(table.notes[place] for place in cell.notes)


def cell_of(table: Table, model: str = "vae") -> Any:
    (cell,) = (cell for (row, _), cell in table.cells.items() if row[0] == model)
    return cell


def test_every_variant_has_winners_of_its_own(classes: Any) -> None:
    groups = [group for group in classes.plan.groups if group.experiment == "best"]
    assert sum(group.axes["model"] == "vae" for group in groups) == len(DIMENSIONS) * 2
    assert {len(group.runs) for group in groups} == {1}


def test_the_variant_with_the_best_mean_over_seeds_is_shown(classes: Any) -> None:
    # Means 105, 110 and 100; the largest single number is of the first variant.
    fill(classes, {2: [70.0, 140.0], 5: [109.0, 111.0], 10: [100.0, 100.0]})
    table = table_of(classes, "best")
    cell = cell_of(table)
    assert (cell.ours, cell.seeds) == (110.0, 2)
    assert cell.spread == pytest.approx(math.sqrt(2.0))
    assert (cell.published, cell.difference) == (90.0, 20.0)
    assert "best of 3 variants" in notes_of(table, "vae")
    assert "on the test set" in notes_of(table, "vae")
    assert "latent dimensions 5" in notes_of(table, "vae")
    assert "latent_dimensions" not in (*table.row_axes, *table.column_axes, *table.constants)
    assert "best of" not in notes_of(table, "spvae"), "of one variant nothing is chosen"
    text = markdown_text(table, study_of(classes))
    assert "latent dimensions 5" in text
    (line,) = [row for row in csv.DictReader(io.StringIO(csv_text(table))) if row["model"] == "vae"]
    shown = line["digits.evaluations"].split()
    assert shown == [
        with_dimensions(classes, 5, data_set="digits", seed=seed).fingerprint for seed in (0, 1)
    ]


def test_equal_means_are_told_and_the_first_is_shown(classes: Any) -> None:
    fill(classes, {2: [90.0, 90.0], 5: [100.0, 110.0], 10: [110.0, 100.0]})
    table = table_of(classes, "best")
    assert cell_of(table).ours == 105.0
    assert "latent dimensions 5; as good: latent dimensions 10" in notes_of(table, "vae")


def test_a_variant_with_fewer_numbers_is_not_chosen(classes: Any) -> None:
    fill(classes, {2: [300.0, math.nan], 5: [100.0, 104.0]})
    table = table_of(classes, "best")
    assert cell_of(table).ours == 102.0
    assert "2 with fewer numbers, or none, were not chosen from" in notes_of(table, "vae")


def test_where_no_variant_has_a_number_the_reason_stands(classes: Any) -> None:
    table = table_of(classes, "best")
    assert cell_of(table).ours is None
    assert cell_of(table).reason == "not evaluated yet"


def test_claims_take_the_best_variant_too(classes: Any) -> None:
    fill(classes, {2: [70.0, 140.0], 5: [109.0, 111.0], 10: [100.0, 100.0]})
    for seed, bound in enumerate([104.0, 106.0]):
        classes.measured(classes.one("best", model="spvae", data_set="digits", seed=seed), bound)
    (ours,) = [one for one in claim_of(classes, "vae_is_better").verdicts if one.scope == "paper"]
    (cell,) = ours.cells
    assert cell.judgement.value == pytest.approx(110.0 - 105.0)


def test_a_collection_is_the_mean_over_its_members(classes: Any) -> None:
    bounds = {("digits_class_3", 0): 100.0, ("digits_class_3", 1): 110.0}
    bounds |= {("digits_class_8", 0): 140.0, ("digits_class_8", 1): 160.0}
    for (data_set, seed), bound in bounds.items():
        classes.measured(classes.one("by_class", data_set=data_set, seed=seed), bound)
    table = table_of(classes, "by_class")
    assert table.columns == (("digits_classes",),)
    cell = cell_of(table)
    # Means of the seeds are 120 and 135.
    assert (cell.ours, cell.seeds) == (127.5, 2)
    assert cell.spread == pytest.approx(15 / math.sqrt(2))
    assert (cell.published, cell.difference) == (120.0, 7.5)
    title = [DATA_SETS[name].title for name in CLASSES]
    assert f"Mean over {title[0]} and {title[1]} alone" in notes_of(table, "vae")
    assert "Digits by class" in markdown_text(table, study_of(classes))
    (ours,) = [
        one for one in claim_of(classes, "classes_are_easy").verdicts if one.scope == "paper"
    ]
    (claimed,) = ours.cells
    assert (claimed.data_set, claimed.judgement.value) == ("digits_classes", 127.5)
    assert claimed.judgement.outcome == "holds" or claimed.judgement.outcome == "undecided"


def test_one_seed_of_a_collection_has_the_error_of_a_mean(classes: Any) -> None:
    for place, data_set in enumerate(CLASSES):
        error = (3.0, 4.0)[place]
        one = classes.one("by_class", data_set=data_set, seed=0)
        classes.measured(one, 100.0, error=error)
    cell = cell_of(table_of(classes, "by_class"))
    assert (cell.ours, cell.spread, cell.seeds) == (100.0, 2.5, 1)
    assert error_of_mean([3.0, 4.0], "test_bound") == 2.5
    assert error_of_mean([3.0, None], "test_bound") is None


OF_JUDGES = [
    "judged_accuracy",
    "noiseless_judged_accuracy",
    "sharpened_judged_accuracy",
    "sharpening_gain",
    "judge_accuracy",
    "overall_judge_accuracy",
]


def test_what_shares_its_judges_is_judges_accuracy() -> None:
    assert [one.name for one in METRICS.values() if one.shares_judges] == OF_JUDGES


@pytest.mark.parametrize("name", OF_JUDGES)
def test_errors_that_share_their_judges_do_not_average_out(name: str) -> None:
    # Errors that are wholly in common: the mean is off by their mean.
    assert error_of_mean([3.0, 4.0], name) == 3.5
    assert error_of_mean([3.0, None], name) is None


def test_tables_and_claims_add_errors_of_shared_judges_alike(classes: Any) -> None:
    for data_set in CLASSES:
        classes.measured(classes.one("by_class", data_set=data_set, seed=0), 100.0)
    groups = [
        dataclasses.replace(
            group,
            evaluation=dataclasses.replace(
                group.evaluation,
                metrics=(Metric("judged_accuracy", 0.8, error, "share", None),),
            ),
        )
        for group, error in zip(
            (
                one
                for one in read_evidence(classes.membership).experiment_groups(
                    "classes", "by_class"
                )
                if one.axes["seed"] == 0
            ),
            (0.03, 0.04),
            strict=True,
        )
    ]
    cell = cell_of_groups(groups, METRICS["judged_accuracy"], (), ())
    assert cell.spread == pytest.approx(0.035)
    place = Place("by_class", "digits_classes", "gaussian", 1.0, Way("authors", "full"))
    series = Measured(groups).series("judged_accuracy", {"model": "vae"}, place)
    assert series.error(0) == pytest.approx(0.035)


def test_missing_members_are_named(classes: Any) -> None:
    classes.measured(classes.one("by_class", data_set=CLASSES[0], seed=0), 100.0)
    table = table_of(classes, "by_class")
    assert cell_of(table).ours == 100.0
    title = DATA_SETS[CLASSES[1]].title
    assert f"seed 0 on {title}: not evaluated yet" in notes_of(table, "vae")
    (ours,) = [
        one for one in claim_of(classes, "classes_are_easy").verdicts if one.scope == "paper"
    ]
    assert ours.outcome == "not_run", "a mean over some members is no number of the collection"


def cut(**keys: Any) -> dict[str, Any]:
    """A cut cell of the VAE, as the report's membership lists them."""
    return {
        "study": "classes",
        "experiment": "best",
        "axes": {
            "model": "vae",
            "data_set": "digits",
            "likelihood": "gaussian",
            "protocol": "authors",
        },
        "variant": {"latent_dimensions": 50},
        "hyperparameters": {"hidden_units": 8, "latent_dimensions": 50},
        "gigabytes": 11.2,
        "cap_gigabytes": 8.0,
    } | keys


def test_a_note_names_what_was_cut_beside_the_best(classes: Any) -> None:
    fill(classes, {2: [70.0, 140.0], 5: [109.0, 111.0], 10: [100.0, 100.0]})
    table = table_of(classes, "best", read_cuts([cut()]))
    assert cell_of(table).ours == 110.0
    told = notes_of(table, "vae")
    assert "1 cell of the grid is cut, above the memory cap of 8 GB" in told
    assert "latent dimensions 50 (11.2 GB)" in told
    assert "cut" not in notes_of(table, "spvae")


def test_a_place_of_which_all_is_cut_says_so(classes: Any) -> None:
    axes = cut()["axes"] | {"model": "conv_vae"}
    cuts = read_cuts([cut(axes=axes), cut(axes=axes, gigabytes=20.0, hyperparameters={"a": 1})])
    table = table_of(classes, "best", cuts)
    cell = cell_of(table, "conv_vae")
    assert cell.ours is None
    assert cell.reason == "cut: 2 cells, the smallest 11.2 GB > 8 GB"
    assert "11.2 GB > 8 GB" in markdown_text(table, study_of(classes))
    assert cut_reason(cuts[:1]) == "cut: 11.2 GB > 8 GB"
    assert cut_remark(cuts).startswith("2 cells of the grid are cut")


def test_what_was_cut_beside_what_runs_is_told_with_the_verdict(classes: Any) -> None:
    fill(classes, {2: [70.0, 140.0], 5: [109.0, 111.0]})
    for seed, bound in enumerate([104.0, 106.0]):
        classes.measured(classes.one("best", model="spvae", data_set="digits", seed=seed), bound)
    content = json.loads(classes.membership.read_text())
    content["cut_cells"] = [cut(), cut(experiment="by_class")]
    classes.membership.write_text(json.dumps(content))
    claim = claim_of(classes, "vae_is_better")
    (ours,) = [one for one in claim.verdicts if one.scope == "paper"]
    told = (
        "VAE: 1 cell of the grid cut: 11.2 GB > 8 GB",
        "VAE: 1 of 3 variants with fewer numbers, or none, not chosen from",
    )
    (cell,) = ours.cells
    assert cell.judgement.caveats == told
    assert cell.judgement.value == pytest.approx(110.0 - 105.0), "which changes no outcome"
    assert ours.caveats == told
    (line,) = [
        row
        for row in csv.DictReader(io.StringIO(claims_csv_text([claim])))
        if row["scope"] == "paper"
    ]
    assert line["deciding"].endswith("; ".join(told))
    (published,) = [one for one in claim.verdicts if one.scope == "published"]
    assert published.caveats == ()
    write_report(classes.membership)
    assert told[0].replace(">", "&gt;") in Path("results/report/classes.html").read_text()


def test_a_cut_variant_that_nothing_else_has_is_in_the_table(classes: Any) -> None:
    study = study_of(classes)
    one = study.experiments["best"].model_copy(update={"best_over": []})
    study = study.model_copy(update={"experiments": {"best": one}})
    groups = [
        dataclasses.replace(group, variant={"latent_dimensions": 2})
        for group in read_evidence(classes.membership).experiment_groups("classes", "best")
        if group.variant.get("latent_dimensions") in (2, None)
    ]
    table = build_table(study, "best", groups, read_cuts([cut()]))
    assert "latent_dimensions" in table.row_axes
    assert "latent_dimensions" not in table.constants
    place = table.row_axes.index("latent_dimensions")
    reasons = {
        (row[0], row[place]): cell.reason for (row, _), cell in table.cells.items() if cell.reason
    }
    assert reasons["vae", 50] == "cut: 11.2 GB > 8 GB"
    assert reasons["vae", 2] == "not evaluated yet"


def test_a_cut_likelihood_that_nothing_else_has_is_in_the_table(classes: Any) -> None:
    cuts = read_cuts([cut(axes=cut()["axes"] | {"likelihood": "binomial"})])
    table = table_of(classes, "best", cuts)
    assert "likelihood" in table.row_axes
    reasons = {cell.reason for cell in table.cells.values()}
    assert "cut: 11.2 GB > 8 GB" in reasons


def test_cuts_are_found_by_all_that_a_place_says() -> None:
    two = cut(variant={"latent_dimensions": 60}, hyperparameters={"latent_dimensions": 60})
    other = cut(axes=cut()["axes"] | {"data_set": CLASSES[0]})
    cuts = read_cuts([cut(), two, other])
    index = CutIndex(cuts)
    assert index.at({"model": "vae", "data_set": "digits"}) == cuts[:2]
    assert index.at({"model": "vae", "data_set": "digits_classes", "seed": 3}) == cuts[2:]
    assert index.at({"latent_dimensions": 60, "fraction": 0.5, "stream": "full"}) == cuts[1:2]
    assert index.at({"model": "vae", "split_depth": None}) == cuts
    assert index.at({"model": "vae", "split_depth": 2}) == ()


def test_the_report_reads_cut_cells_from_its_membership(classes: Any) -> None:
    fill(classes, {2: [70.0, 140.0], 5: [109.0, 111.0], 10: [100.0, 100.0]})
    content = json.loads(classes.membership.read_text())
    axes = cut()["axes"] | {"model": "conv_vae"}
    content["cut_cells"] = [cut(), cut(axes=axes)]
    classes.membership.write_text(json.dumps(content))
    write_report(classes.membership)
    text = Path("results/tables/classes_best.md").read_text()
    assert "latent dimensions 50 (11.2 GB)" in text
    assert "cut: 11.2 GB > 8 GB" in text
    page = Path("results/report/classes.html").read_text()
    assert "cut: 11.2 GB" in page
    assert "Digits by class" in page


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"best_over": ["no_such"]}, "no_such"),
        ({"compare": ["latent_dimensions"]}, "is compared already"),
        (
            {
                "table": {
                    "rows": "model",
                    "columns": ["data_set"],
                    "metric": "effective_sample_size",
                }
            },
            None,
        ),
    ],
)
def test_what_is_chosen_over_is_checked(
    tmp_path: Path, change: dict[str, Any], problem: str | None
) -> None:
    (tmp_path / "published").mkdir()
    (tmp_path / "published" / "classes.csv").write_text(PUBLISHED)
    changed = json.loads(json.dumps(STUDY))
    changed["experiments"]["best"] |= change
    changed.pop("claims")
    path = tmp_path / "classes.yaml"
    path.write_text(yaml.safe_dump(changed))
    if problem is None:
        load_study(str(path))
        return
    with pytest.raises(UserError, match=problem):
        load_study(str(path))


def test_cells_that_a_plan_cuts_stand_at_their_place(tree: Callable[..., Any]) -> None:
    made = tree(studies=["dcgmm"], scale="paper", experiments=["table3"], seeds=[0])
    cuts = read_evidence(made.membership).experiment_cuts("dcgmm", "table3")
    largest = max(cuts, key=lambda one: one.gigabytes)
    assert largest.hyperparameters == {"components": 40, "split_depth": 9, "repetitions": 40}
    evidence = read_evidence(made.membership)
    groups = evidence.experiment_groups("dcgmm", "table3")
    table = build_table(load_study("dcgmm"), "table3", groups, cuts)
    for (row, column), cell in table.cells.items():
        told = " ".join(table.notes[place] for place in cell.notes)
        assert ("above the memory cap of 8 GB" in told) == (row[0] == "rat_spn"), (row, column)
