"""Every number of a table against a calculation by hand; no cell is left out."""

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

from workflow_src.config.studies import load_study
from workflow_src.report.evaluations import Metric
from workflow_src.report.evidence import Group, read_evidence
from workflow_src.report.metrics import metric_rows
from workflow_src.report.report import write_report
from workflow_src.report.table_files import csv_text, letter, markdown_text
from workflow_src.report.tables import OF_ESTIMATE, OVER_SEEDS, Table, build_table

SPVAE, VAE = "spvae", "vae"
COLUMN = ("gaussian", "mnist")


def table_of(tree: Any, experiment: str = "table1") -> Table:
    evidence = read_evidence(tree.membership)
    return build_table(
        load_study("spvae"), experiment, evidence.experiment_groups("spvae", experiment)
    )


def place(model: str, stream: str = "full") -> tuple[tuple[str, ...], tuple[str, ...]]:
    return (model, "authors", stream), COLUMN


def test_ours_is_the_mean_over_seeds_with_their_standard_deviation(winners: Any) -> None:
    for seed, bound in enumerate([2800.0, 2810.0, 2832.0]):
        winners.measured(winners.one(model=SPVAE, stream="full", seed=seed), bound)
    cell = table_of(winners).cells[place(SPVAE)]
    assert cell.ours == pytest.approx(2814.0)
    # Deviations -14, -4, 18: sum of squares 536, over n - 1 = 2.
    assert cell.spread == pytest.approx(math.sqrt(268.0))
    assert (cell.spread_kind, cell.seeds) == (OVER_SEEDS, 3)


def test_one_seed_has_the_error_of_its_estimate(winners: Any) -> None:
    winners.measured(winners.one(model=VAE, stream="full", seed=1), 2600.0, error=3.25)
    cell = table_of(winners).cells[place(VAE)]
    assert (cell.ours, cell.spread, cell.spread_kind) == (2600.0, 3.25, OF_ESTIMATE)
    assert cell.seeds == 1


def test_the_published_number_and_the_difference_stand_beside_ours(winners: Any) -> None:
    for seed in range(3):
        winners.measured(winners.one(model=VAE, stream="restart", seed=seed), 2500.0)
    cell = table_of(winners).cells[place(VAE, "restart")]
    assert (cell.published, cell.difference) == (2598.0, -98.0)


def test_the_bound_shown_is_that_of_the_most_samples(winners: Any) -> None:
    one = winners.one(model=SPVAE, stream="full", seed=0)
    winners.measured(one, 0.0, rising={5: 1.0, 50: 2.0, 500: 3.0, 5000: 4.0})
    table = table_of(winners)
    assert table.cells[place(SPVAE)].ours == 4.0
    assert table.importance_samples == 5000


def test_published_thousands_of_parameters_are_compared_in_parameters(winners: Any) -> None:
    winners.measured(winners.one(model=SPVAE, stream="full", seed=0), 1.0, parameters=413_352)
    table = table_of(winners, "table2")
    cell = table.cells[place(SPVAE)]
    assert (cell.ours, cell.published, cell.difference) == (413_352, 413_000, 352)
    text = markdown_text(table, load_study("spvae"))
    assert "413,352" in text
    assert "413 thousand" in text


def test_cells_without_a_number_are_there_with_their_reason(winners: Any) -> None:
    winners.failed(winners.one(model=VAE, stream="full", seed=0), "none of 32 runs was finite")
    table = table_of(winners)
    assert len(table.cells) == 4 * 2
    assert "none of 32 runs was finite" in str(table.cells[place(VAE)].reason)
    assert table.cells[place(SPVAE)].reason == "not evaluated yet"
    text = markdown_text(table, load_study("spvae"))
    assert "none of 32 runs was finite" in text
    assert text.count("not evaluated yet") >= 3


def test_a_mean_over_some_of_the_seeds_says_which_are_missing(winners: Any) -> None:
    winners.measured(winners.one(model=VAE, stream="full", seed=0), 2600.0)
    winners.failed(winners.one(model=VAE, stream="full", seed=2), "all diverged")
    table = table_of(winners)
    cell = table.cells[place(VAE)]
    assert (cell.ours, cell.seeds) == (2600.0, 1)
    remark = next(
        table.notes[i] for i in cell.notes if "Mean over the other seeds" in table.notes[i]
    )
    assert "seed 1: not evaluated yet" in remark
    assert "seed 2: all diverged" in remark


def test_runs_that_maximum_steps_ended_are_flagged(winners: Any) -> None:
    one = winners.one(model=SPVAE, stream="full", seed=0)
    winners.measured(one, 2800.0, reason="maximum_steps reached before early stopping")
    table = table_of(winners)
    notes = [table.notes[i] for i in table.cells[place(SPVAE)].notes]
    assert any("maximum_steps" in note for note in notes)


def test_the_best_of_each_comparison_between_models_is_bold(winners: Any) -> None:
    for model, bound in ((SPVAE, 2835.3), (VAE, 2680.6)):
        winners.measured(winners.one(model=model, stream="full", seed=0), bound)
    table = table_of(winners)
    assert table.cells[place(SPVAE)].best
    assert not table.cells[place(VAE)].best
    assert "**2835.30 ± 1.50** (1)" in markdown_text(table, load_study("spvae"))


def test_fewer_parameters_are_better(winners: Any) -> None:
    for model, parameters in ((SPVAE, 100), (VAE, 900)):
        one = winners.one(model=model, stream="full", seed=0)
        winners.measured(one, 1.0, parameters=parameters)
    assert table_of(winners, "table2").cells[place(SPVAE)].best


def test_protocol_and_stream_are_named_and_explained(winners: Any) -> None:
    text = markdown_text(table_of(winners), load_study("spvae"))
    assert "Protocol authors: Learning rates and stopping rule" in text
    assert "Stream full: " in text
    assert "Stream restart: " in text


def test_a_row_of_the_csv_carries_numbers_in_full_and_the_evaluations_behind_them(
    winners: Any,
) -> None:
    sources = [winners.one(model=SPVAE, stream="full", seed=seed) for seed in range(3)]
    for one, bound in zip(sources, [1.0, 2.0, 4.0], strict=True):
        winners.measured(one, bound)
    rows = list(csv.DictReader(io.StringIO(csv_text(table_of(winners)))))
    row = next(r for r in rows if r["model"] == SPVAE and r["stream"] == "full")
    assert float(row["gaussian.mnist.ours"]) == 7 / 3
    assert row["gaussian.mnist.evaluations"].split() == [one.fingerprint for one in sources]
    assert row["gaussian.mnist.winners"].split() == [one.runs[0] for one in sources]
    assert len(rows) == 4 * 2


def test_numbers_are_for_full_training_sets_only(tree: Callable[..., Any]) -> None:
    made = tree(
        scale="paper",
        experiments=["figure2"],
        data_sets=["mnist"],
        likelihoods=["gaussian"],
        seeds=[0],
        protocols=["authors"],
        streams=["full"],
    )
    for one in made.evaluations(model=VAE):
        made.measured(one, 2500.0)
    table = table_of(made, "figure2")
    published = {
        table.axes_of(*key)["fraction"]: cell.published
        for key, cell in table.cells.items()
        if table.axes_of(*key)["model"] == VAE
    }
    assert len(published) == 13
    assert {value for fraction, value in published.items() if fraction < 1} == {None}


@pytest.mark.parametrize(
    ("count", "mark"), [(0, "a"), (25, "z"), (26, "aa"), (27, "ab"), (52, "ba")]
)
def test_footnotes_are_lettered(count: int, mark: str) -> None:
    assert letter(count) == mark


def test_three_seeds_have_an_interval_and_two_have_none(winners: Any) -> None:
    for seed, bound in enumerate([2800.0, 2810.0, 2832.0]):
        winners.measured(winners.one(model=SPVAE, stream="full", seed=seed), bound)
        if seed:
            winners.measured(winners.one(model=VAE, stream="full", seed=seed), bound)
    table = table_of(winners)
    # 4.3027 is Student's t of 97.5 % with 2 degrees of freedom.
    half = 4.3027 * math.sqrt(268.0) / math.sqrt(3)
    low, high = table.cells[place(SPVAE)].interval or (0.0, 0.0)
    assert (low, high) == pytest.approx((2814.0 - half, 2814.0 + half), abs=1e-2)
    assert table.cells[place(VAE)].interval is None
    text = markdown_text(table, load_study("spvae"))
    assert "2814.00 ± 16.37 [2773.33, 2854.67]" in text
    assert "95 % confidence interval" in text
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    by_model = {row["model"]: row for row in rows if row["stream"] == "full"}
    assert float(by_model[SPVAE]["gaussian.mnist.interval_low"]) == low
    assert float(by_model[SPVAE]["gaussian.mnist.interval_high"]) == high
    assert by_model[VAE]["gaussian.mnist.interval_low"] == ""


def test_two_seeds_are_told_without_intervals(winners: Any) -> None:
    for seed in range(2):
        winners.measured(winners.one(model=VAE, stream="full", seed=seed), 2600.0 + seed)
    assert "confidence interval" not in markdown_text(table_of(winners), load_study("spvae"))


RATES = ((0.1, 12.0), (0.001, 10.0))


@pytest.fixture
def rates(tree: Callable[..., Any]) -> Any:
    """Learning rates on digits, both models with the bounds of `RATES`, VAEs a nat lower."""
    made = tree(experiments=["learning_rates"], seeds=[0])
    for one in made.plan.evaluations:
        (group,) = one.groups
        lower = one.axes["model"] == VAE
        made.measured(one, dict(RATES)[float(group.variant["learning_rate"])] - lower)
    return made


def test_compared_hyperparameters_are_headings_and_ascend(rates: Any) -> None:
    table = table_of(rates, "learning_rates")
    assert table.row_axes == ("learning_rate", "protocol", "stream")
    assert [row[0] for row in table.rows] == [0.001, 0.1]
    cells = {(row[0], column[-1]): cell.ours for (row, column), cell in table.cells.items()}
    assert cells == {(rate, m): bound - (m == VAE) for rate, bound in RATES for m in (SPVAE, VAE)}
    text = csv_text(table).splitlines()
    assert text[0].startswith("learning_rate,protocol,stream,metric")
    assert [line.split(",")[0] for line in text[1:]] == ["0.001", "0.1"]


def test_headings_say_which_number_is_which(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["region_graphs"], seeds=[0])
    for one in made.plan.evaluations:
        (group,) = one.groups
        step, times = group.variant["split_step"], group.variant.get("repetitions", 0)
        made.measured(one, 100.0 * float(step) + float(times))
    table = table_of(made, "region_graphs")
    lines = markdown_text(table, load_study("spvae")).splitlines()
    (header,) = [line for line in lines if line.startswith("| Region graph")]
    assert "Gaussian, Digits, split step 2, repetitions 4 " in header
    (random,) = [line for line in lines if line.startswith("| random ")]
    titles = [one.strip() for one in header.split("|")]
    cells = dict(zip(titles, [one.strip() for one in random.split("|")], strict=True))
    assert cells["Gaussian, Digits, split step 2, repetitions 4"].startswith("204.00 ")
    assert "not in this plan" in cells["Gaussian, Digits, split step 4, no repetitions"]
    rows = list(csv.DictReader(io.StringIO(csv_text(table))))
    (row,) = [row for row in rows if row["region_graph"] == "random"]
    assert float(row["gaussian.digits.split_step=2.repetitions=1.ours"]) == 201.0
    assert row["gaussian.digits.split_step=4.repetitions=none.reason"] == "not in this plan"
    write_report(made.membership)
    page = Path("results/report/spvae.html").read_text()
    assert "split step 4" in page
    assert "repetitions 1<" in page
    numbers = json.loads(Path("results/metrics.json").read_text())["spvae"]["region_graphs"]
    (name,) = [name for name in numbers if "random" in name]
    assert name.startswith("region_graph=random-")
    assert numbers[name]["gaussian-digits-split_step=2-repetitions=4"] == 204.0


def test_streams_and_protocols_stand_side_by_side(tree: Callable[..., Any]) -> None:
    made = tree(
        experiments=["table1", "restarted_stream", "protocols"],
        likelihoods=["gaussian"],
        seeds=[0],
        protocols=["authors", "text"],
        streams=["full", "restart"],
    )
    bounds = {}
    for place, one in enumerate(made.plan.evaluations):
        # What the three tables show is evaluated once.
        assert len(one.groups) == 3
        bounds[one.axes["model"], one.axes["protocol"], one.axes["stream"]] = float(place)
        made.measured(one, float(place))
    streams, protocols = (table_of(made, name) for name in ("restarted_stream", "protocols"))
    assert streams.row_axes == ("model", "protocol")
    assert streams.columns == (("gaussian", "digits", "full"), ("gaussian", "digits", "restart"))
    assert protocols.row_axes == ("model", "stream")
    assert [column[-1] for column in protocols.columns] == ["authors", "text"]
    found = {(*row, column[-1]): cell.ours for (row, column), cell in streams.cells.items()}
    assert found == bounds
    found = {
        (row[0], column[-1], row[1]): cell.ours for (row, column), cell in protocols.cells.items()
    }
    assert found == bounds
    text = markdown_text(streams, load_study("spvae"))
    assert "Gaussian, Digits, full" in text
    assert "Stream restart: " in text
    write_report(made.membership)
    header = Path("results/tables/spvae_restarted_stream.csv").read_text().splitlines()[0]
    assert "gaussian.digits.restart.ours" in header.split(",")


def test_the_best_is_marked_among_equal_hyperparameters_alone(rates: Any) -> None:
    table = table_of(rates, "learning_rates")
    best = {(row[0], column[-1]) for (row, column), cell in table.cells.items() if cell.best}
    assert best == {(rate, SPVAE) for rate, _ in RATES}


def test_a_hyperparameter_that_some_models_lack_sets_no_model_apart(
    tree: Callable[..., Any],
) -> None:
    made = tree(studies=["dcgmm"], scale="paper", experiments=["figure5"], seeds=[0])
    ours = {("dcgmm", "D"): 0.90, ("dcgmm", "E"): 0.99, ("rat_spn", None): 0.85}
    groups = [
        dataclasses.replace(
            group,
            axes={**group.axes, "model": model, "data_set": "mnist", "likelihood": "gaussian"},
            variant={"layout": layout} if layout else {},
            evaluation=dataclasses.replace(
                group.evaluation,
                metrics=(Metric("anomaly_auc", value, None, "share", None),),
            ),
        )
        for group in read_evidence(made.membership).groups[:1]
        for (model, layout), value in ours.items()
    ]
    study = load_study("dcgmm")
    one = study.experiments["figure5"]
    layout = {"rows": "model", "columns": ["layout"], "metric": "anomaly_auc"}
    shown = one.model_copy(update={"table": one.table.model_copy(update=layout)})
    study = study.model_copy(update={"experiments": {"figure5": shown}})

    def best(groups: list[Group]) -> set[tuple[Any, Any]]:
        table = build_table(study, "figure5", groups)
        return {(row[0], column[0]) for (row, column), cell in table.cells.items() if cell.best}

    assert best(groups) == {("dcgmm", "E")}
    # Variants of one model are no comparison between models.
    assert best(groups[:2]) == set()


def test_published_numbers_are_not_those_of_compared_hyperparameters(winners: Any) -> None:
    winners.measured(winners.one(model=VAE, stream="full", seed=0), 2500.0)
    evidence = read_evidence(winners.membership)
    study = load_study("spvae")
    groups = [
        dataclasses.replace(group, variant={"hidden_layers": 3})
        for group in evidence.experiment_groups("spvae", "table1")
    ]
    assert {cell.published for cell in build_table(study, "table1", groups).cells.values()} == {
        None
    }


def test_what_means_nothing_for_a_cell_is_a_dash(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["region_graphs"], seeds=[0], scale="demo")
    for one in made.plan.evaluations:
        made.measured(one, 1.0)
    table = table_of(made, "region_graphs")
    place = table.column_axes.index("repetitions")
    given = {(row[0], column[place]) for (row, column), cell in table.cells.items() if cell.sources}
    assert given == {("poon_domingos", None), ("random", 1), ("random", 4)}
    study = load_study("spvae")
    one = study.experiments["region_graphs"]
    layout = {"rows": "repetitions", "columns": ["data_set", "split_step", "region_graph"]}
    turned = one.model_copy(update={"table": one.table.model_copy(update=layout)})
    study = study.model_copy(update={"experiments": {"region_graphs": turned}})
    groups = read_evidence(made.membership).experiment_groups("spvae", "region_graphs")
    text = markdown_text(build_table(study, "region_graphs", groups), study)
    rows = [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")]
    assert [row for row in rows if not row.startswith("--")] == ["Repetitions", "1", "4", "-"]


def test_metrics_name_the_variant_of_every_group(rates: Any) -> None:
    rows = metric_rows(read_evidence(rates.membership))
    found = {row["variant"] for row in rows}
    assert found == {f'{{"learning_rate": {rate}}}' for rate, _ in RATES}


def test_a_step_costs_the_winners_seconds_over_its_steps(rates: Any) -> None:
    rows = metric_rows(read_evidence(rates.membership))
    steps = {(row["value"], row["unit"]) for row in rows if row["metric"] == "seconds_per_step"}
    # 30 seconds for 2560 steps, as the candidates of the fixture have it.
    assert steps == {(30.0 / 2560, "s")}


def test_times_that_a_bank_s_members_share_have_no_interval(tree: Any) -> None:
    made = tree(
        scale="paper",
        experiments=["cost"],
        data_sets=["mnist"],
        likelihoods=["gaussian"],
        seeds=[0, 1, 2],
        protocols=["authors"],
        streams=["full"],
    )
    for one in made.evaluations(model=VAE):
        made.measured(one, 2500.0)
    table = table_of(made, "cost")
    (cell,) = (one for key, one in table.cells.items() if table.axes_of(*key)["model"] == VAE)
    assert (cell.seeds, cell.interval) == (3, None)
