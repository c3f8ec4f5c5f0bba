"""A change of code on a real checkout: why says what it costs, accept whether it costs nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support.checkout import Checkout

pytestmark = pytest.mark.workflow

MODEL = "workflow_src/models/whole_images.py"
BEFORE = "        return leaf_bounds[:, 0]\n"
RENAMED = "        only = leaf_bounds[:, 0]\n        return only\n"
OTHER = "        return leaf_bounds[:, 0] * 1.0000001\n"
WHY = "python -m workflow_src why"
ACCEPT = "python -m workflow_src accept --since HEAD --why 'a local name'"


@pytest.fixture
def committed(copy_of_finished: Checkout) -> Checkout:
    """A checkout with all results, whose code is committed."""
    copy_of_finished.commit("as it was")
    return copy_of_finished


def edit(checkout: Checkout, before: str, now: str) -> None:
    path = checkout.folder / MODEL
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, now))


def acceptances(checkout: Checkout) -> Path:
    return checkout.folder / "workflow_src" / "plan" / "acceptances.yaml"


def test_a_local_name_costs_nothing_once_it_is_accepted(committed: Checkout) -> None:
    edit(committed, BEFORE, RENAMED)
    told = committed.must(WHY)
    assert "would be made: 4 runs, 2 evaluations, the report" in told
    assert "workflow_src.models.whole_images: WholeImageModel.combine" in told
    told = committed.must(f"{WHY} --since HEAD")
    assert "of what is there, 4 runs, 2 evaluations and the report would be made again" in told

    told = committed.must(ACCEPT)
    for likelihood in ("binomial", "gaussian"):
        family = f"vae, digits-{likelihood}"
        assert f"to be tried: training of {family}, cpu: 1 result, " in told
        assert f"training of {family}, cpu: 1 made again, bit-equal" in told
        assert f"measurement of {family}, cpu: 1 made again, bit-equal" in told
        assert f"evaluation of {family}: 1 made again, bit-equal" in told
    assert "this takes about" in told
    assert "nothing to run" in told
    assert "Nothing to be done" in committed.snakemake("-n")
    assert "accepted, results stay" in committed.must(f"{WHY} --since HEAD")

    run = next((committed.folder / "results" / "runs" / "vae").glob("*/*"))
    assert ": a local name; 1 of 1 checks of training" in committed.must(f"{WHY} {run.name}")
    evaluation = next((committed.folder / "results" / "evaluations" / "vae").glob("*/*"))
    assert ": a local name; 3 of 3 checks" in committed.must(f"{WHY} {evaluation.name}")

    done = committed.shell(ACCEPT)
    assert done.returncode == 2
    assert "is accepted already" in done.stdout
    # And back: the earlier code needs no acceptance.
    edit(committed, RENAMED, BEFORE)
    assert "nothing to run" in committed.must(WHY)


def test_a_change_of_the_last_bits_is_refused(committed: Checkout) -> None:
    edit(committed, BEFORE, OTHER)
    text = acceptances(committed).read_text()
    done = committed.shell(ACCEPT)
    assert done.returncode == 1
    assert "training of vae, digits-gaussian, cpu: 1 made again, not equal" in done.stdout
    assert "arrays differ, by" in done.stdout
    assert "value of test_bound" in done.stdout
    assert "refused: the change changes results; nothing was written" in done.stdout
    assert acceptances(committed).read_text() == text


def test_a_gradient_that_one_likelihood_alone_has_is_refused(committed: Checkout) -> None:
    path = committed.folder / "workflow_src" / "models" / "likelihoods.py"
    before = "return None, for_mean * gradient, for_precision * gradient"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, before.replace("* gradient", "* (2 * gradient)")))
    done = committed.shell(ACCEPT)
    assert done.returncode == 1, done.stdout
    assert "training of vae, digits-binomial, cpu: 1 made again, bit-equal" in done.stdout
    assert "training of vae, digits-gaussian, cpu: 1 made again, not equal" in done.stdout


def test_an_inverted_choice_is_refused(committed: Checkout) -> None:
    path = committed.folder / "workflow_src" / "evaluate" / "selection.py"
    before = 'validation_bound=content["result"]["best_validation_bound"]'
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, before.replace("=content", "=-content")))
    done = committed.shell(ACCEPT)
    assert done.returncode == 1, done.stdout
    assert "evaluation of vae, digits-gaussian: 1 made again, not equal" in done.stdout
    assert "the winner is" in done.stdout


def test_what_cannot_be_tried_is_accepted_on_request_alone(committed: Checkout) -> None:
    edit(committed, BEFORE, RENAMED)
    for path in (committed.folder / "data" / "prepared").glob("digits-gaussian-*"):
        shutil.rmtree(path)
    done = committed.shell(ACCEPT)
    assert done.returncode == 2, done.stdout
    line = "not to be tried: training of vae, digits-gaussian, cpu (the prepared data are not here)"
    assert line in done.stdout
    assert "--untried" in done.stdout.splitlines()[-1]
    assert "bit-equal" not in done.stdout
    told = committed.must(f"{ACCEPT} --device cuda --untried")
    assert "training of vae, digits-binomial, cpu: not run again (made on cpu)" in told
    assert "family: digits-gaussian, cpu" in acceptances(committed).read_text()


def test_an_acceptance_has_its_effect_where_versions_count_as_code(committed: Checkout) -> None:
    config = committed.folder / "config.yaml"
    config.write_text(config.read_text() + "identity: {environment: true}\n")
    committed.snakemake()
    committed.commit("versions count")
    edit(committed, BEFORE, RENAMED)
    told = committed.must(f"{ACCEPT} --sample 0")
    assert "nothing to run" in told
    assert "does not have its whole effect" not in told


def test_other_code_of_the_preparation_is_prepared_again(committed: Checkout) -> None:
    path = committed.folder / "workflow_src" / "data" / "preparation.py"
    path.write_text(path.read_text().replace("generator.standard_normal(", "1 * generator.normal("))
    path.write_text(path.read_text().replace("1 * generator.normal(", "generator.normal(0, 1, "))
    told = committed.must(ACCEPT)
    assert "preparation, digits-gaussian: 1 made again, bit-equal" in told
    assert "preparation, digits-binomial: 1 made again, bit-equal" in told
    assert "nothing to run" in told


def test_without_a_sample_the_acceptance_says_so(committed: Checkout) -> None:
    edit(committed, BEFORE, RENAMED)
    told = committed.must(f"{ACCEPT} --sample 0")
    assert "training of vae: not run again (not asked for: --sample 0)" in told
    assert "nothing to run" in told
    assert "equal: null" in acceptances(committed).read_text()


def test_without_results_the_acceptance_says_so(checkout: Checkout) -> None:
    checkout.commit("as it was")
    edit(checkout, BEFORE, RENAMED)
    (checkout.folder / "config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0, 1]\n")
    told = checkout.must(ACCEPT)
    assert "training of vae: not run again (no result of the old code is here)" in told
    assert "not covered: seeds [0] -> [0, 1]" in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--since HEAD --why x", "no code that a result depends on was changed since HEAD"),
        ("--since HEAD --why ' '", "an acceptance needs its reason"),
        ("--since nowhere --why x", "git knows no revision 'nowhere'"),
        ("--since HEAD --why x --sample -1", "cannot be sampled"),
    ],
)
def test_what_cannot_be_accepted_is_one_line(words: str, told: str, checkout: Checkout) -> None:
    checkout.commit("as it was")
    done = checkout.shell(f"python -m workflow_src accept {words}")
    assert done.returncode == 2
    assert told in done.stdout
    assert done.stdout.count("\n") == 1


def test_the_report_alone_is_never_accepted(checkout: Checkout) -> None:
    checkout.commit("as it was")
    path = checkout.folder / "workflow_src" / "report" / "report.py"
    path.write_text(path.read_text() + "\nEDITED = True\n")
    done = checkout.shell(ACCEPT)
    assert done.returncode == 2
    assert "only the report's code was changed" in done.stdout


def test_a_revision_from_before_plans_could_be_compared(checkout: Checkout) -> None:
    command = checkout.folder / "workflow_src" / "commands" / "plan.py"
    text = command.read_text()
    command.write_text(text.replace('"--json"', '"--no-such"'))
    checkout.commit("long ago")
    command.write_text(text)
    done = checkout.shell(f"{WHY} --since HEAD")
    assert done.returncode == 2
    assert "is of a time when plans could not be compared" in done.stdout


def test_a_revision_is_planned_with_its_own_settings_and_study(checkout: Checkout) -> None:
    checkout.commit("as it was")
    (checkout.folder / "config.yaml").write_text("studies: [tiny.yaml]\nseeds: [0, 7]\n")
    study = checkout.folder / "tiny.yaml"
    study.write_text(study.read_text().replace("learning_rate: 0.01", "learning_rate: 0.02"))
    told = checkout.must(f"{WHY} --since HEAD")
    assert "seeds [0] -> [0, 7]" in told
    assert "spvae: learning_rate 0.01 -> 0.02" in told
    assert "code: nothing changed" in told


def test_files_that_git_does_not_keep_are_taken_as_they_are_now(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    folder.mkdir()
    checkout = Checkout(folder)
    (folder / "tiny.yaml").rename(tmp_path / "tiny.yaml")
    (folder / "config.yaml").write_text("studies: [../tiny.yaml]\nseeds: [0]\n")
    checkout.commit("as it was")
    (folder / "more.yaml").write_text("seeds: [5]\n")
    told = checkout.must(f"{WHY} --since HEAD --configfile more.yaml")
    assert "code: nothing changed" in told
    assert "settings" not in told


def test_a_checkout_with_conflicts_is_refused_in_one_line(checkout: Checkout) -> None:
    path = checkout.folder / MODEL
    conflict = f"<<<<<<< HEAD\n{BEFORE}=======\n{OTHER}>>>>>>> other\n"
    path.write_text(path.read_text().replace(BEFORE, conflict))
    for command in ("python -m workflow_src plan", WHY, "snakemake --profile local -n"):
        done = checkout.shell(command)
        assert done.returncode != 0
        (line,) = [one for one in done.stdout.splitlines() if one.startswith("error")]
        assert "whole_images.py:38: unresolved merge conflict" in line
