"""Verdicts on claims: from the paper's numbers as it prints them, and from ours."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from workflow_src.config.claims import Comparison
from workflow_src.config.studies import Study, load_study
from workflow_src.report.claim_files import claims_csv_text, claims_markdown_text
from workflow_src.report.claim_numbers import Place, Published
from workflow_src.report.claim_wording import claim_title, described_checks
from workflow_src.report.claims import JudgedClaim, Verdict, judge_claims, judged
from workflow_src.report.evidence import read_evidence
from workflow_src.report.page.claims import claims_values
from workflow_src.report.report import write_report

SIX = [(d, lk) for lk in ("gaussian", "binomial") for d in ("mnist", "svhn", "cifar10")]


def published(first: str, second: str, metric: str = "test_bound") -> dict[tuple[str, str], float]:
    """By data set and likelihood: first minus second, of the numbers that Table 1 or 2 prints."""
    study = load_study("spvae")
    experiment = "table1" if metric == "test_bound" else "table2"
    check = Comparison(
        kind="comparison",
        experiment=experiment,
        metric=metric,
        first={"model": first},
        second={"model": second},
        relation="higher",
    )
    numbers = Published(study, [experiment])
    found = {
        cell: judged(check, numbers, Place(experiment, *cell, 1.0, None)).value for cell in SIX
    }
    return {cell: value for cell, value in found.items() if value is not None}


@pytest.mark.parametrize(
    ("first", "second", "differences"),
    [
        # By hand from the paper's Table 1.
        ("spvae", "vae", [221, 494, 387, 819, 1074, 1657]),
        ("conv_vae", "vae", [309, 454, 295, 252, 850, 448]),
        ("conv_spvae", "spvae", [-117, 165, 114, 605, 225, 981]),
        ("conv_spvae", "conv_vae", [-205, 205, 206, 1172, 449, 2190]),
    ],
)
def test_the_published_differences_are_those_of_table_1(
    first: str, second: str, differences: list[float]
) -> None:
    assert list(published(first, second).values()) == differences


def verdicts(claims: tuple[JudgedClaim, ...], name: str) -> dict[tuple[Any, ...], Verdict]:
    (one,) = [one for one in claims if one.name == name]
    return {(verdict.scope, *(verdict.way or ())): verdict for verdict in one.verdicts}


def test_the_papers_own_numbers_say_this_to_its_claims() -> None:
    said = {
        one.name: one.verdicts[0].outcome
        for one in judge_claims(load_study("spvae"), [])
        if one.verdicts[0].scope == "published"
    }
    # The six ratios of Table 2: 1545/413, 1713/511, 1653/511, 1158/310, 3108/461, 3288/353 are
    # all above the square root of 10, the third, 3.235, by little.
    expected = {
        "better_on_all_six": "holds",
        "smaller_by_an_order_of_magnitude": "holds",
        # On continuous MNIST the Conv-SPVAE's 2702 are below the SPVAE's 2819.
        "convolutions_help": "fails",
        "convolutions_help_but_for_spvae_on_continuous_mnist": "holds",
        "conv_spvae_above_conv_vae": "holds",
        "conv_spvae_below_conv_vae_on_continuous_mnist": "holds",
        "conv_spvae_below_spvae_on_continuous_mnist": "holds",
        "stable_to_a_tenth": "not_run",
        "three_layers_are_worse": "not_run",
    }
    assert {name: said[name] for name in expected} == expected


def test_convolutions_fail_in_the_one_cell_that_the_paper_calls_an_outlier() -> None:
    (one,) = [
        one for one in judge_claims(load_study("spvae"), []) if one.name == "convolutions_help"
    ]
    published = one.verdicts[0]
    assert len(published.cells) == 12
    (cell,) = published.deciding
    assert (cell.number, cell.data_set, cell.likelihood) == (1, "mnist", "gaussian")
    assert cell.judgement.value == -117


CLAIM: dict[str, Any] = {
    "statement": "The first is better.",
    "place": "Table 1",
    "checks": [
        {
            "kind": "comparison",
            "experiment": "table1",
            "metric": "test_bound",
            "first": {"model": "spvae"},
            "second": {"model": "vae"},
            "relation": "higher",
            "data_sets": ["mnist"],
            "likelihoods": ["gaussian"],
        }
    ],
}


def study_with(**claims: Any) -> Study:
    """The study of the SPVAE with these claims in place of its own."""
    content = load_study("spvae").model_dump(mode="json")
    path = Path("spvae.yaml")
    path.write_text(yaml.safe_dump(content | {"claims": claims}))
    folder = Path("published")
    if not folder.exists():
        folder.symlink_to(Path(load_study("spvae").path).parent / "published")
    return load_study(str(path))


def claims_of(tree: Any, study: Study) -> tuple[JudgedClaim, ...]:
    return judge_claims(study, read_evidence(tree.membership).study_groups("spvae"))


def test_every_way_of_training_has_a_verdict_of_its_own(winners: Any) -> None:
    for seed, (one, other) in enumerate([(10.0, 5.0), (11.0, 6.5), (12.0, 7.0)]):
        for model, bound in (("spvae", one), ("vae", other)):
            winners.measured(winners.one(model=model, stream="full", seed=seed), bound)
            winners.measured(winners.one(model=model, stream="restart", seed=seed), -bound)
    found = verdicts(claims_of(winners, study_with(better=CLAIM)), "better")
    assert {key: one.outcome for key, one in found.items()} == {
        ("published",): "holds",
        ("paper", "authors", "full"): "holds",
        ("paper", "authors", "restart"): "fails",
    }
    (cell,) = found["paper", "authors", "full"].cells
    # Differences 5, 4.5 and 5.
    assert cell.judgement.value == pytest.approx(14.5 / 3)
    assert cell.judgement.seeds == 3


def test_what_is_not_evaluated_is_not_run(winners: Any) -> None:
    winners.measured(winners.one(model="spvae", stream="full", seed=0), 10.0)
    found = verdicts(claims_of(winners, study_with(better=CLAIM)), "better")
    one = found["paper", "authors", "full"]
    assert one.outcome == "not_run"
    assert one.cells[0].judgement.reason == "not evaluated yet"


def test_one_seed_of_three_is_no_verdict(winners: Any) -> None:
    for model, bound in (("spvae", 10.0), ("vae", 90.0)):
        winners.measured(winners.one(model=model, stream="full", seed=0), bound)
    claims = claims_of(winners, study_with(better=CLAIM))
    one = verdicts(claims, "better")["paper", "authors", "full"]
    assert one.outcome == "not_run"
    assert one.cells[0].judgement.reason == "1 of 3 seeds; not evaluated yet"
    rows = list(csv.DictReader(io.StringIO(claims_csv_text(claims))))
    assert rows[1]["deciding"] == "not run: 1 of 3 seeds; not evaluated yet"


def test_seeds_without_a_winner_have_diverged(winners: Any) -> None:
    for seed in range(3):
        winners.measured(winners.one(model="spvae", stream="full", seed=seed), 90.0)
        vae = winners.one(model="vae", stream="full", seed=seed)
        winners.measured(vae, 10.0) if seed == 1 else winners.failed(vae, "no run was finite")
    claims = claims_of(winners, study_with(better=CLAIM))
    one = verdicts(claims, "better")["paper", "authors", "full"]
    # The VAE's only number is 80 lower, with errors of 1.5 each: 1.96 * 2.12 = 4.2.
    assert one.outcome == "holds"
    reason = "2 of 3 seeds diverged; no run was finite"
    assert one.cells[0].judgement.reason == reason
    rows = list(csv.DictReader(io.StringIO(claims_csv_text(claims))))
    assert rows[1]["deciding"] == f"MNIST Gaussian: +80.00 [75.84, 84.16], {reason}"
    assert reason in str(claims_values(study_with(better=CLAIM), claims, ["table1"]))


def test_seconds_per_step_are_judged_by_their_means(winners: Any) -> None:
    for seed in range(3):
        for model in ("spvae", "vae"):
            winners.measured(winners.one(model=model, stream="full", seed=seed), 1.0)
    (check,) = CLAIM["checks"]
    slower = {
        **{name: check[name] for name in ("experiment", "first", "second", "data_sets")},
        **{"kind": "ratio", "metric": "seconds_per_step", "likelihoods": ["gaussian"]},
        "at_most": 1.5,
    }
    claims = claims_of(winners, study_with(slower={**CLAIM, "checks": [slower]}))
    (cell,) = verdicts(claims, "slower")["paper", "authors", "full"].cells
    # All runs took 30 s for 2560 steps; an interval over seeds would be [1, 1].
    assert (cell.judgement.value, cell.judgement.interval) == (1.0, None)
    assert cell.judgement.outcome == "holds"
    assert cell.judgement.first == pytest.approx(30 / 2560)


def test_a_fraction_that_is_not_planned_is_told(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["figure2"], data_sets=["digits"], seeds=[0])
    for one in made.evaluations():
        made.measured(one, 10.0)
    check = {
        "kind": "smaller_loss",
        **{"experiment": "figure2", "metric": "test_bound", "fraction": 0.005},
        **{"first": {"model": "spvae"}, "second": {"model": "vae"}},
    }
    study = study_with(less={**CLAIM, "checks": [check]})
    planned = set(load_study("spvae").experiments["figure2"].scales["demo"].fractions)
    one = verdicts(claims_of(made, study), "less")["elsewhere", "authors", "full"]
    (cell,) = one.cells
    assert 0.005 not in planned
    assert (cell.judgement.outcome, cell.judgement.reason) == ("not_run", "not in this plan")


def test_other_data_sets_are_never_mixed_into_the_papers(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["table1"], seeds=[0], likelihoods=["gaussian"])
    for one in made.evaluations():
        made.measured(one, 10.0 if one.axes["model"] == "spvae" else 90.0)
    found = verdicts(claims_of(made, study_with(better=CLAIM)), "better")
    assert found["paper", "authors", "full"].outcome == "not_run"
    elsewhere = found["elsewhere", "authors", "full"]
    assert elsewhere.outcome == "fails"
    assert [(one.data_set, one.likelihood) for one in elsewhere.cells] == [("digits", "gaussian")]


def test_other_data_sets_are_none_of_the_papers(tree: Callable[..., Any]) -> None:
    made = tree(
        scale="paper",
        experiments=["table1"],
        data_sets=["mnist", "svhn", "fashion_mnist"],
        likelihoods=["gaussian"],
        seeds=[0],
        protocols=["authors"],
        streams=["full"],
    )
    found = verdicts(claims_of(made, study_with(better=CLAIM)), "better")
    cells = found["elsewhere", "authors", "full"].cells
    assert [one.data_set for one in cells] == ["fashion_mnist"]


def test_checks_that_differ_in_their_data_sets_ask_elsewhere_once(
    tree: Callable[..., Any],
) -> None:
    made = tree(experiments=["table1"], seeds=[0])
    (check,) = CLAIM["checks"]
    both = {
        **CLAIM,
        "checks": [
            {**check, "data_sets": ["svhn"], "likelihoods": ["gaussian", "binomial"]},
            check,
        ],
    }
    found = verdicts(claims_of(made, study_with(better=both)), "better")
    cells = found["elsewhere", "authors", "full"].cells
    assert [(one.number, one.likelihood) for one in cells] == [(0, "gaussian"), (0, "binomial")]


def test_an_exception_is_asked_of_its_data_sets_alone(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["table1"], seeds=[0], likelihoods=["gaussian"])
    for one in made.evaluations():
        made.measured(one, 90.0 if one.axes["model"] == "spvae" else 10.0)
    (check,) = CLAIM["checks"]
    rule = {**check, "data_sets": ["svhn"]}
    lower = {**check, "relation": "lower"}
    exception = {**lower, "exception": True}
    study = study_with(
        a_rule={**CLAIM, "checks": [rule, exception]},
        b_alone={**CLAIM, "checks": [exception]},
        c_other={**CLAIM, "checks": [lower]},
        d_before={**CLAIM, "checks": [exception, rule]},
        e_here={**CLAIM, "checks": [{**exception, "data_sets": ["digits"]}]},
    )
    claims = claims_of(made, study)
    (cell,) = verdicts(claims, "a_rule")["elsewhere", "authors", "full"].cells
    # Of the digits the rule alone is asked, and it holds.
    assert (cell.number, cell.data_set, cell.judgement.outcome) == (0, "digits", "holds")
    paper = verdicts(claims, "a_rule")["paper", "authors", "full"]
    assert [(one.number, one.data_set) for one in paper.cells] == [(0, "svhn"), (1, "mnist")]
    # Nothing is left where a claim is but the exception to another.
    assert ("elsewhere", "authors", "full") not in verdicts(claims, "b_alone")
    # A check is no exception for expecting something else than another one.
    assert verdicts(claims, "c_other")["elsewhere", "authors", "full"].outcome == "fails"
    # The order of the checks says nothing.
    (cell,) = verdicts(claims, "d_before")["elsewhere", "authors", "full"].cells
    assert (cell.number, cell.data_set, cell.judgement.outcome) == (1, "digits", "holds")
    # It is asked of what it names, also of data that the paper lacks.
    (cell,) = verdicts(claims, "e_here")["elsewhere", "authors", "full"].cells
    assert (cell.data_set, cell.judgement.outcome) == ("digits", "fails")


def test_a_check_on_data_that_the_paper_lacks_is_none_of_the_papers(
    tree: Callable[..., Any],
) -> None:
    made = tree(experiments=["table1"], seeds=[0])
    for one in made.evaluations():
        made.measured(one, 90.0 if one.axes["model"] == "spvae" else 10.0)
    (check,) = CLAIM["checks"]
    own = {**check, "data_sets": ["digits"], "likelihoods": ["binomial"]}
    found = verdicts(claims_of(made, study_with(own={**CLAIM, "checks": [check, own]})), "own")
    cells = {
        key: [(one.number, one.data_set, one.likelihood) for one in verdict.cells]
        for key, verdict in found.items()
    }
    assert cells == {
        ("published",): [(0, "mnist", "gaussian")],
        ("paper", "authors", "full"): [(0, "mnist", "gaussian")],
        ("elsewhere", "authors", "full"): [
            (0, "digits", "gaussian"),
            (1, "digits", "binomial"),
        ],
    }


def test_compared_hyperparameters_are_told_apart(tree: Callable[..., Any]) -> None:
    made = tree(experiments=["learning_rates"], seeds=[0])
    for one in made.plan.evaluations:
        (group,) = one.groups
        rate, model = group.variant["learning_rate"], one.axes["model"]
        if model == "vae" and rate == 0.1:
            made.failed(one, "no run was finite")
        else:
            made.measured(one, 100.0 * float(rate))
    found = verdicts(claims_of(made, load_study("spvae")), "larger_learning_rates")
    one = found["elsewhere", "authors", "full"]
    assert [cell.judgement.outcome for cell in one.cells] == ["holds", "holds"]
    # 0.1 against 0.001 of the SPVAE; the VAE has diverged, which is worse than any bound.
    assert one.cells[0].judgement.value == pytest.approx(10.0 - 0.1)
    assert one.cells[1].judgement.reason == "no run was finite"


def test_the_files_have_one_line_per_claim_and_way(winners: Any) -> None:
    for seed in range(3):
        for model, bound in (("spvae", 20.0 + seed), ("vae", 10.0)):
            winners.measured(winners.one(model=model, stream="full", seed=seed), bound)
    study = study_with(better=CLAIM)
    claims = claims_of(winners, study)
    rows = list(csv.DictReader(io.StringIO(claims_csv_text(claims))))
    assert [(row["scope"], row["stream"], row["verdict"]) for row in rows] == [
        ("published", "", "holds"),
        ("paper", "full", "holds"),
        ("paper", "restart", "not_run"),
    ]
    assert [row["holds"] for row in rows] == ["1", "1", "0"]
    # 10, 11, 12: 11 +- 4.303 / sqrt(3).
    assert rows[1]["deciding"] == "MNIST Gaussian: +11.00 [8.52, 13.48]"
    text = claims_markdown_text(claims, study)
    assert "The first is better. (Table 1)" in text
    assert "+221.0" in text


def test_the_page_shows_every_verdict_with_its_cells(winners: Any) -> None:
    for seed in range(3):
        for model, bound in (("spvae", 20.0 + seed), ("vae", 10.0)):
            winners.measured(winners.one(model=model, stream="full", seed=seed), bound)
    write_report(winners.membership)
    text = Path("results/report/spvae.html").read_text()
    overview = Path("results/report/index.html").read_text()
    for one in load_study("spvae").claims:
        assert f'id="spvae-claim-{one}"' in text
        assert f'href="spvae.html#spvae-claim-{one}"' in overview
    assert "+11.00 [8.52, 13.48]" in text
    assert Path("results/tables/spvae_claims.csv").exists()
    assert Path("results/tables/spvae_claims.md").exists()


def test_claims_are_titled_as_people_call_models_and_data_sets() -> None:
    assert claim_title("conv_spvae_below_vae_on_mnist") == "Conv-SPVAE below VAE on MNIST"
    title = claim_title("em_is_faster_on_mnist_fours_from_starting_noise_0_05")
    assert title == "EM is faster on MNIST fours from starting noise 0.05"
    assert claim_title("dcgmms_are_a_kind_of_vaes") == "DCGMMs are a kind of VAEs"
    assert claim_title("instance_a_is_better_than_e") == "Instance A is better than E"
    # Only a whole word is a name.
    assert claim_title("them_and_em") == "Them and EM"


def test_claims_for_several_values_have_decimal_points_in_their_titles() -> None:
    assert claim_title("vae_is_worse_at_width_16_rate_0_05") == "VAE is worse at width 16 rate 0.05"


@pytest.mark.parametrize(
    ("name", "for_each", "title"),
    [
        ("highest_is_best_in_layout_b", {"layout": "B"}, "Highest is best in layout B"),
        ("better_in_layout_a_8", {"layout": "A_8"}, "Better in layout A_8"),
        # Its name is in it once more, as the start of a word.
        ("layout_best_in_layout_b", {"layout": "B"}, "Layout best in layout B"),
        ("vae_at_classifier_two_highest", {"classifier": "two_highest"}, None),
        ("better_at_learning_rate_0_05", {"learning_rate": 0.05}, "Better at learning rate 0.05"),
    ],
)
def test_titles_have_values_as_they_are_written(
    name: str, for_each: dict[str, Any], title: str | None
) -> None:
    assert claim_title(name, for_each) == (title or "VAE at classifier two highest")


def test_a_model_is_compared_with_itself_by_the_settings_that_differ() -> None:
    checks = load_study("emdgn").claims["em_is_higher_on_circle_from_starting_noise_0_3"].checks
    (first, *_) = checks
    assert first.first["method"] != first.second["method"]
    (line, *_) = described_checks(checks)
    head, _, tail = line.partition(" higher than ")
    assert "method EM, starting noise 0.3)" in head
    settings, _, metric = tail.partition(": ")
    assert settings == "with method VAE, learning rate 0.005"
    assert metric


def test_checks_that_differ_in_the_fraction_share_a_line() -> None:
    checks = load_study("spvae").claims["better_at_every_fraction"].checks
    (line,) = described_checks(checks)
    assert line.startswith("(1 to 13) SPVAE higher than VAE")
    assert "100 %, 90 %" in line
