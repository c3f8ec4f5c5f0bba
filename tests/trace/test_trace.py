"""From every number the whole line down is told, with what of it stands now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.checkout import Checkout
from support.spoiling import World

from workflow_src.__main__ import main
from workflow_src.errors import UserError
from workflow_src.lineage.records import ABSENT, DIFFERS, NOT_KEPT, OK, Ground
from workflow_src.plan.acceptances import Acceptance, append_acceptance, identifier_of
from workflow_src.plan.fingerprints import Closures
from workflow_src.provenance.record import result_digest
from workflow_src.storage import digest, write_json
from workflow_src.trace.links import Link, all_links
from workflow_src.trace.trace import find_cell, find_run, trace_cell, trace_run

pytestmark = pytest.mark.workflow

RESULTS = Path("results")
NAMES = ("comparison", "vae", "gaussian")


def traced(package_root: Path | None = None) -> Link:
    """The line below the number of VAE on Gaussian digits, whose winner had one competitor."""
    ground = Ground(RESULTS, package_root=package_root or Path("workflow_src").resolve())
    return trace_cell(ground, find_cell(RESULTS, *NAMES))


def links(line: Link) -> Iterator[Link]:
    return iter(all_links([line]))


def link(line: Link, title: str) -> Link:
    """The first link whose title starts so."""
    return next(one for one in links(line) if one.title.startswith(title))


def verdicts(line: Link) -> set[str | None]:
    return {one.verdict for one in links(line)}


def the_run(world: World) -> Path:
    """The record of the winner."""
    cell = find_cell(RESULTS, *NAMES)
    return world.file(f"results/runs/vae/digits-gaussian/*-{cell.fields['winners']}/run.json")


def test_the_whole_line_is_told_and_stands(world: World) -> None:
    line = traced()
    assert verdicts(line) <= {OK, None}
    code = [one.facts for one in links(line) if one.title.startswith("code of")]
    assert len(code) > 3
    assert all("the code here says the same" in facts for facts in code)
    for title in (
        "table results/tables/tiny_comparison.csv",
        "report manifest",
        "rows of results/metrics.parquet",
        "seed 0: evaluation",
        "measurement",
        "bounds.npz",
        "run",
        "checkpoint.safetensors",
        "prepared data",
        "split_indices.npz",
        "raw data",
        "code of training of vae",
        "code of measurement of vae",
        "code of preparation",
        "commit",
        "environment: Python",
        "machine",
        "records of the 1 other candidates",
    ):
        assert link(line, title)


def test_the_number_is_the_table_s(world: World) -> None:
    cell = find_cell(RESULTS, *NAMES)
    line = traced()
    assert f"{float(cell.fields['ours']):.7g}" in line.title
    assert cell.row == "vae.authors.full"
    assert cell.column == "gaussian.digits"
    record = json.loads(the_run(world).read_text())
    assert record["outputs"]["checkpoint.safetensors"]["sha256"] in str(
        link(line, "checkpoint").facts
    )


@pytest.mark.parametrize(
    "names",
    [
        ("tiny_comparison", "vae.authors.full", "gaussian.digits"),
        ("tiny/comparison", "vae", "gaussian"),
        ("comparison", "vae.authors", "gaussian.dig"),
        ("comp", "v", "g"),
    ],
)
def test_names_may_be_shortened(world: World, names: tuple[str, str, str]) -> None:
    cell = find_cell(RESULTS, *names)
    assert (cell.row, cell.column) == ("vae.authors.full", "gaussian.digits")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (("tiny_comparisn", "vae", "gaussian"), "did you mean tiny_comparison"),
        (("comparison", "vea", "gaussian"), "vae.authors.full"),
        (("comparison", "vae", "gaussian.mnist"), "binomial.digits"),
        (("comparison", "", "gaussian"), "may be spvae.authors.full, vae.authors.full"),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(
    world: World, names: tuple[str, str, str], told: str
) -> None:
    with pytest.raises(UserError) as refused:
        find_cell(RESULTS, *names)
    assert told in str(refused.value)


def test_the_command_prints_plain_text_where_no_terminal_is(finished: Checkout) -> None:
    done = finished.shell("python -m workflow_src trace comparison vae gaussian")
    assert done.returncode == 0
    assert "\n      checkpoint.safetensors [ok]\n" in done.stdout
    assert "\x1b" not in done.stdout
    refused = finished.shell("python -m workflow_src trace comparison vae nothing")
    assert refused.returncode == 2
    assert refused.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "words", [["trace"], ["trace", "comparison"], ["trace", "a", "b", "c", "--run", "d"]]
)
def test_half_a_question_is_refused(words: list[str], world: World) -> None:
    assert main(words) == 2


def test_a_changed_byte_is_told_at_its_link_alone(world: World) -> None:
    path = the_run(world).with_name("checkpoint.safetensors")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    line = traced()
    assert [one.title for one in links(line) if one.verdict == DIFFERS] == [path.name]


def test_a_changed_record_is_told(world: World) -> None:
    path = the_run(world)
    record = json.loads(path.read_text())
    record["content"]["result"]["best_validation_bound"] = 0.0
    write_json(path, record)
    told = link(traced(), "run")
    assert told.verdict == DIFFERS
    assert "the record was changed after it was written" in told.facts


def test_a_changed_table_is_told(world: World) -> None:
    table = world.file("results/tables/tiny_comparison.csv")
    ours = find_cell(RESULTS, *NAMES).fields["ours"]
    table.write_text(table.read_text().replace(ours, "-1.5"))
    line = traced()
    assert link(line, "table").verdict == DIFFERS
    assert "their mean is not the table's number" in link(line, "rows of").facts


def test_what_is_gone_is_not_here(world: World) -> None:
    the_run(world).with_name("checkpoint.safetensors").unlink()
    assert link(traced(), "checkpoint").verdict == ABSENT


def test_a_checkpoint_that_was_left_out_is_not_kept(world: World) -> None:
    path = the_run(world).with_name("checkpoint.safetensors")
    facts = json.loads(the_run(world).read_text())["outputs"][path.name]
    path.unlink()
    write_json(path.with_name("not_kept.json"), {path.name: facts})
    assert link(traced(), "checkpoint").verdict == NOT_KEPT


def test_packed_results_are_told_as_loose_ones(world: World) -> None:
    loose = traced()
    assert main(["pack", "--remove-loose"]) == 0
    packed = traced()
    assert [one.title for one in links(packed)] == [one.title for one in links(loose)]
    assert verdicts(packed) <= {OK, None}
    assert "packed in runs-vae-digits-gaussian.zip" in str(link(packed, "run").facts)


def test_a_run_is_found_by_fingerprint_beginning_and_directory(world: World) -> None:
    ground = Ground(RESULTS)
    directory = the_run(world).parent
    fingerprint = directory.name.rpartition("-")[2]
    for name in (fingerprint, fingerprint[:8], str(directory), f"{directory}/run.json"):
        assert find_run(ground, name) == fingerprint
    assert trace_run(ground, fingerprint).title.startswith(f"run {fingerprint}")
    with pytest.raises(UserError):
        find_run(ground, "")
    with pytest.raises(UserError) as refused:
        find_run(ground, "nothing")
    assert str(refused.value) == (
        "there is no run 'nothing'; expected one of the 6 runs in results/runs; to mend it: "
        "list them by `ls -d results/runs/*/*/*`, where packs hold none of them"
    )


def test_an_acceptance_that_the_number_counts_by_is_told(world: World) -> None:
    package = Path("workflow_src").resolve()
    before = Closures(package).of_model("vae").digest
    module = package / "models" / "vae" / "model.py"
    module.write_text(f"{module.read_text()}\nUNUSED = 0\n")
    step = "training of vae"
    values = {
        "why": "a name that nothing uses",
        "by": "nobody",
        "at": "2026-01-01T00:00:00+00:00",
        "since": "a" * 40,
        "until": "b" * 40,
        "steps": {step: {"old": before, "new": Closures(package).of_model("vae").digest}},
        "evidence": [{"step": step, "equal": True, "runs": ["0123456789abcdef"]}],
    }
    append_acceptance(package, Acceptance(**values, identifier=identifier_of(values)))
    told = link(traced(package), f"acceptance {identifier_of(values)}")
    assert "why: a name that nothing uses" in told.facts
    assert "made again and found bit-equal: 0123456789abcdef" in told.facts
    assert "the code here differs in models.vae.model" in link(traced(), f"code of {step}").facts


def test_a_record_of_a_newer_schema_is_refused(world: World) -> None:
    path = the_run(world)
    record = json.loads(path.read_text()) | {"schema_version": 99}
    del record["record_digest"]
    write_json(path, record | {"record_digest": digest(record)})
    with pytest.raises(UserError, match="schema 99"):
        traced()


def test_uncommitted_changes_are_told_with_their_file(world: World) -> None:
    git = {"commit": "a" * 40, "dirty": True, "changes_digest": digest("x"), "changed_files": ["a"]}
    path = the_run(world)
    record = json.loads(path.read_text()) | {"git": git}
    del record["record_digest"]
    write_json(path, record | {"record_digest": digest(record)})
    line = traced()
    assert link(line, "run").verdict == DIFFERS, "its digest is not what the evaluation remembers"
    assert link(line, f"commit {'a' * 40}").verdict == ABSENT
    assert link(line, f"uncommitted changes results/sources/{digest('x')}.patch").verdict == ABSENT


def test_changes_that_could_not_be_copied_are_told(world: World) -> None:
    git = {"commit": "a" * 40, "dirty": True, "changed_files": ["a"], "reason": "git add failed"}
    path = the_run(world)
    record = json.loads(path.read_text()) | {"git": git}
    write_json(path, with_digests(record))
    told = link(traced(), "uncommitted changes without a copy")
    assert told.verdict == ABSENT
    assert "git add failed" in told.facts


def with_digests(record: dict[str, Any]) -> dict[str, Any]:
    """A record with the digests that its writer would have given it."""
    record = {name: one for name, one in record.items() if not name.endswith("_digest")}
    record["result_digest"] = result_digest(record)
    return record | {"record_digest": digest(record)}


def test_a_run_made_again_with_an_equal_result_stands(world: World) -> None:
    path = the_run(world)
    record = json.loads(path.read_text())
    later = {"started": "2999-01-01T00:00:00.000+00:00", "ended": "2999-01-01T00:00:01.000+00:00"}
    record["time"] |= later
    write_json(path, with_digests(record))
    line = traced()
    assert verdicts(line) <= {OK, None}
    assert "made again since, with an equal result" in link(line, "run").facts
    record["content"]["result"]["best_validation_bound"] += 1.0
    write_json(path, with_digests(record))
    assert link(traced(), "run").verdict == DIFFERS


def test_data_in_another_folder_are_found_there(world: World) -> None:
    Path("data").rename("elsewhere")
    ground = Ground(RESULTS, data=Path("elsewhere"))
    line = trace_cell(ground, find_cell(RESULTS, *NAMES))
    assert verdicts(line) <= {OK, None}
    assert link(line, "prepared data").title.rpartition(" at ")[2].startswith("elsewhere/prepared")


@pytest.mark.parametrize(
    "pattern",
    [
        "results/evaluations/vae/digits-gaussian/*/evaluation.json",
        "results/measurements/vae/digits-gaussian/*/measurement.json",
        "data/prepared/digits-gaussian-*/record.json",
        "results/report/manifest-*.json",
    ],
)
@pytest.mark.parametrize("part", ["content", "outputs", "parents", "time"])
def test_a_record_of_another_shape_differs_and_stops_nothing(
    world: World, pattern: str, part: str
) -> None:
    for path in world.files(pattern):
        record = json.loads(path.read_text()) | {part: [1]}
        write_json(path, record | {"record_digest": digest(record)})
    assert DIFFERS in verdicts(traced())


def test_a_table_without_its_columns_is_told(world: World) -> None:
    table = world.file("results/tables/tiny_comparison.csv")
    for old, new in [("digits.evaluations", "digits.others"), ("importance_samples", "samples")]:
        before = table.read_text()
        table.write_text(before.replace(old, new))
        with pytest.raises(UserError, match="the table cannot be read"):
            find_cell(RESULTS, *NAMES)
        table.write_text(before)


def test_an_evaluation_that_the_manifest_does_not_name_is_told(world: World) -> None:
    path = world.file("results/report/manifest-*.json")
    record = json.loads(path.read_text()) | {"parents": []}
    write_json(path, with_digests(record))
    told = link(traced(), "seed 0: evaluation")
    assert told.verdict == DIFFERS
    assert "the report's manifest does not name it" in told.facts
