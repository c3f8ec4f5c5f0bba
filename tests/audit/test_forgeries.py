"""Forgers who make every digest right again are found by what does not follow from what."""

from __future__ import annotations

import functools
import io
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.forging import drop_output, forge, read, sealed, settle
from support.spoiling import World

from workflow_src.errors import UserError
from workflow_src.storage import digest, write_json

pytestmark = pytest.mark.workflow

EVALUATION = "results/evaluations/vae/digits-gaussian/*/evaluation.json"
MEASUREMENT = "results/measurements/vae/digits-gaussian/*/measurement.json"
RUN = "results/runs/vae/digits-gaussian/*/run.json"
MANIFEST = "results/report/manifest-*.json"


def found(world: World, kind: str, place: Path | str) -> str:
    """The text of a finding of that kind at that place, which must be there."""
    findings = world.audit().findings
    texts = [one.text for one in findings if one.kind == kind and str(place) in one.place]
    assert texts, findings
    return texts[0]


def test_a_forger_who_changes_nothing_is_not_found(world: World) -> None:
    settle()
    assert world.audit().findings == ()


@pytest.mark.parametrize(
    "name",
    [
        "tables/tiny_comparison.csv",
        "tables/tiny_comparison.md",
        "tables/tiny_claims.csv",
        "tables/tiny_claims.md",
        "report/tiny.html",
        "metrics.json",
        "plots/test_bounds.csv",
        "plots/validation_bounds.csv",
    ],
)
def test_a_number_changed_in_a_text(world: World, name: str) -> None:
    path = Path("results", name)
    text = path.read_text()
    # The last number before which something that is no part of a name or a date stands.
    *_, last = re.finditer(r"(?<=[ ,>|])-?\d{2,3}\.\d", text)
    other = "5" if last[0][-1] != "5" else "6"
    path.write_text(text[: last.end() - 1] + other + text[last.end() :])
    settle()
    found(world, "number", path)


@pytest.mark.parametrize("name", ["metrics.parquet", "runs.parquet"])
def test_a_number_changed_in_a_parquet_file(world: World, name: str) -> None:
    path = Path("results", name)
    table = pq.read_table(path)
    rows = table.to_pylist()
    column = "value" if name == "metrics.parquet" else "validation_bound"
    rows[1][column] += 0.5
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    settle()
    text = found(world, "number", path)
    assert text.startswith(f"{column} of")
    assert str(rows[1][column]) in text


def test_a_verdict_changed_in_the_claims(world: World) -> None:
    path = Path("results/tables/tiny_claims.csv")
    *lines, last = path.read_text().splitlines(keepends=True)
    claim, scope, protocol, stream, outcome, *rest = last.split(",")
    other = "fails" if outcome == "holds" else "holds"
    path.write_text("".join([*lines, ",".join([claim, scope, protocol, stream, other, *rest])]))
    settle()
    text = found(world, "number", path)
    assert f"verdict of {claim} {scope} {protocol} {stream} is {other}; expected {outcome}" in text


def test_a_commit_changed_in_the_footer_of_a_parquet_file(world: World) -> None:
    path = Path("results/metrics.parquet")
    table = pq.read_table(path)
    other = {**table.schema.metadata, b"density_bench.git_commit": b"0" * 40}
    pq.write_table(table.replace_schema_metadata(other), path)
    settle()
    found(world, "number", path)


def test_a_parquet_file_cut_off_is_a_finding(world: World) -> None:
    path = Path("results/metrics.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    settle()
    assert "Parquet" in found(world, "changed", path)


def test_a_cell_taken_out_of_a_table(world: World) -> None:
    path = Path("results/tables/tiny_comparison.csv")
    *kept, _ = path.read_text().splitlines(keepends=True)
    path.write_text("".join(kept))
    settle()
    assert "left out" in found(world, "number", path)


def test_a_table_taken_out_of_the_report(world: World) -> None:
    path, manifest = Path("results/tables/tiny_comparison.csv"), world.file(MANIFEST)
    path.unlink()
    forge(manifest, lambda record: drop_output(record, path, manifest.parent))
    found(world, "missing", path)


def test_an_evaluation_taken_out_of_the_report(world: World) -> None:
    forge(world.file(MANIFEST), lambda record: record["parents"].pop())
    found(world, "chain", "manifest-")


def test_a_metric_changed_in_an_evaluation(world: World) -> None:
    path = world.file(EVALUATION)
    forge(path, lambda record: raise_bounds(record["content"]))
    assert "metrics" in found(world, "number", path)


def test_a_metric_changed_in_an_evaluation_and_its_measurement(world: World) -> None:
    for path in (world.file(EVALUATION), world.file(MEASUREMENT)):
        forge(path, lambda record: raise_bounds(record["content"]))
    assert "bounds.npz" in found(world, "number", world.file(MEASUREMENT))


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("test_bound_per_dimension", "bounds.npz"),
        ("test_bound_gain", "bounds.npz"),
        ("inpainting_log_density", "inpainting.npz"),
        ("inpainting_error", "inpainting.npz"),
    ],
)
def test_another_metric_changed_in_both(world: World, metric: str, told: str) -> None:
    def improve(record: dict[str, Any]) -> None:
        for row in record["content"]["metrics"]:
            if row["metric"] == metric:
                row["value"] *= 0.99

    for path in (world.file(EVALUATION), world.file(MEASUREMENT)):
        forge(path, improve)
    assert told in found(world, "number", world.file(MEASUREMENT))


def test_pixels_of_an_image_miscounted(world: World) -> None:
    path = world.file(MEASUREMENT)
    forge(path, lambda record: record["content"].update(dimensions=784))
    texts = [one.text for one in world.audit().findings if one.place == str(path)]
    assert "dimensions: 784; expected 64 (the pixels of an image)" in texts


def test_filled_in_pixels_taken_out(world: World) -> None:
    path = world.file(MEASUREMENT)
    arrays = path.with_name("inpainting.npz")
    arrays.unlink()
    forge(path, lambda record: drop_output(record, arrays, path.parent))
    assert "inpainting.npz" in found(world, "lacking", path)


def test_probabilities_of_leaves_taken_out(world: World) -> None:
    path = world.file("results/measurements/spvae/*gaussian/*/measurement.json")
    arrays = path.with_name("leaf_posteriors.npz")
    arrays.unlink()
    forge(path, lambda record: drop_output(record, arrays, path.parent))
    assert "leaf_posteriors.npz" in found(world, "lacking", path)


def take_leaf_posteriors_out(world: World) -> Path:
    """Of every measurement of SPVAE; the first one's place."""
    paths = world.files("results/measurements/spvae/*/*/measurement.json")
    for path in paths:
        arrays = path.with_name("leaf_posteriors.npz")
        arrays.unlink()
        forge(path, functools.partial(drop_output, path=arrays, folder=path.parent))
    return paths[0]


def test_what_no_table_shows_must_be_whole_if_this_code_made_it(world: World) -> None:
    path = take_leaf_posteriors_out(world)
    text = Path("tiny.yaml").read_text()
    Path("tiny.yaml").write_text(text.replace("samples: 4", "samples: 3"))
    assert "leaf_posteriors.npz" in found(world, "lacking", path)


def test_what_earlier_code_did_not_write_is_a_remark(world: World) -> None:
    path = take_leaf_posteriors_out(world)
    package = Path("workflow_src").resolve()
    module = package / "evaluate" / "leaf_models" / "bounds.py"
    module.write_text(f"{module.read_text()}\nUNUSED = 0\n")
    report = world.audit(package_root=package)
    assert "lacking" not in {finding.kind for finding in report.findings}
    (remark,) = [one.text for one in report.remarks if one.text.startswith("2 measurements of")]
    assert remark.endswith("it vouches for no leaf_posteriors.npz; expected one beside it")
    assert path.is_file()


def raise_bounds(content: dict[str, Any]) -> None:
    for row in content["metrics"]:
        if row["metric"] == "test_bound":
            row["value"] += 1.0


def test_a_size_that_the_checkpoint_does_not_have(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["content"]["result"].update(parameter_count=7))
    assert "checkpoint" in found(world, "number", path)


def test_another_winner(world: World) -> None:
    path = world.file(EVALUATION)
    forge(path, exchange_winner)
    found(world, "selection", path)


def exchange_winner(record: dict[str, Any]) -> None:
    content = record["content"]
    names = {candidate["fingerprint"] for candidate in content["candidates"]}
    (content["winner"],) = names - {content["winner"]}


def test_another_winner_by_a_bound_that_its_run_does_not_have(world: World) -> None:
    path = world.file(EVALUATION)

    def favour_the_other(record: dict[str, Any]) -> None:
        exchange_winner(record)
        for candidate in record["content"]["candidates"]:
            if candidate["fingerprint"] == record["content"]["winner"]:
                candidate["validation_bound"] = 1e6

    forge(path, favour_the_other)
    assert "validation_bound" in found(world, "number", path)


def test_a_validation_bound_that_the_history_does_not_have(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["content"]["result"].update(best_validation_bound=1e6))
    assert "history.parquet" in found(world, "number", path)


def test_a_run_that_is_said_to_have_ended_otherwise(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["content"]["status"].update(reason="early stopping"))
    assert "maximum_steps" in found(world, "number", path)


def test_a_history_that_cannot_be_read(world: World) -> None:
    path = world.file(RUN)
    path.with_name("history.parquet").write_bytes(b"PAR1 nothing else")
    settle()
    assert "cannot be read" in found(world, "number", path)


def test_a_choice_by_the_test_bound(world: World) -> None:
    path = world.file(EVALUATION)
    forge(path, lambda record: record["content"]["selection"].update(metric="test_bound"))
    assert "validation" in found(world, "number", path)


def test_test_images_among_the_training_images(world: World) -> None:
    path = world.file("data/prepared/*/split_indices.npz")
    with np.load(path) as arrays:
        splits = {name: array.copy() for name, array in arrays.items()}
    splits["train"][0] = splits["test"][0]
    stream = io.BytesIO()
    np.savez(stream, **splits)
    path.write_bytes(stream.getvalue())
    settle()
    assert "overlap" in found(world, "selection", path)


def other_code(record: dict[str, Any]) -> None:
    code = record["content"]["code"]
    code["modules"]["workflow_src.models.vae.model"] = "0" * 64
    code["digest"] = digest(code["modules"])


@pytest.mark.parametrize("pattern", [EVALUATION, MEASUREMENT, RUN, MANIFEST])
def test_other_code_under_the_same_fingerprint(world: World, pattern: str) -> None:
    path = world.file(pattern)
    forge(path, other_code)
    assert "acceptance" in found(world, "mixture", path)
    found(world, "identity", path)
    found(world, "code", path)


def test_a_code_digest_that_is_not_that_of_the_modules(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["content"]["code"]["modules"].popitem())
    assert "modules" in found(world, "identity", path)


def test_another_setting_under_the_same_fingerprint(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["content"]["spec"].update(learning_rate=0.5))
    assert "spec, data and code" in found(world, "identity", path)


def test_a_run_of_another_name(world: World) -> None:
    one, other = world.files("results/runs/vae/digits-gaussian/*/run.json")
    for file in ("run.json", "history.parquet", "checkpoint.safetensors"):
        other.with_name(file).write_bytes(one.with_name(file).read_bytes())
    found(world, "identity", other.parent)


def test_another_version_of_a_library_in_one_run(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["environment"]["packages"].update(torch="1.0"))
    assert "torch 1.0" in found(world, "mixture", "table tiny comparison")


def test_a_run_on_another_kind_of_device(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["machine"].update(gpu={"name": "H200"}))
    assert "GPU" in found(world, "mixture", "table tiny comparison")


def test_another_host_is_a_remark(world: World) -> None:
    path = world.file(RUN)
    forge(path, lambda record: record["machine"].update(host="elsewhere"))
    report = world.audit()
    # Pages name the host that the record had when they were made; nothing else objects.
    assert [one.place for one in report.findings] == ["results/report/assets/provenance-tiny.js"]
    assert any("elsewhere" in str(remark) for remark in report.remarks)


def test_a_space_more_in_a_record_changes_nothing_and_is_found(world: World) -> None:
    path = world.file(RUN)
    path.write_text(path.read_text().replace('"kind": "run"', '"kind":  "run"'))
    found(world, "changed", path)


@pytest.mark.parametrize("pattern", [EVALUATION, MEASUREMENT, RUN, MANIFEST])
def test_a_record_of_a_newer_schema_is_refused(world: World, pattern: str) -> None:
    forge(world.file(pattern), lambda record: record.update(schema_version=99))
    with pytest.raises(UserError, match="schema 99"):
        world.audit()


@pytest.mark.parametrize("pattern", [EVALUATION, MEASUREMENT, RUN, MANIFEST])
@pytest.mark.parametrize("lost", ["content", "outputs", "parents", "environment", "git", "machine"])
def test_a_record_that_lacks_a_part_is_a_finding_and_no_crash(
    world: World, pattern: str, lost: str
) -> None:
    path = world.file(pattern)
    record = read(path)
    del record[lost]
    write_json(path, sealed(record))
    assert any(str(path.parent) in finding.place for finding in world.audit().findings)


def walk(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, dict):
        return {key: walk(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [walk(one, change) for one in value]
    return change(value)


@pytest.mark.parametrize("change", [str, lambda value: None, lambda value: [value]])
def test_a_record_of_wrong_types_is_a_finding_and_no_crash(
    world: World, change: Callable[[Any], Any]
) -> None:
    for pattern in (EVALUATION, MEASUREMENT, RUN, MANIFEST, "data/*/*/record.json"):
        path = world.file(pattern)
        record, before = read(path), path.read_bytes()
        content = walk(record["content"], change)
        write_json(path, sealed(record | {"content": content}))
        assert any(str(path.parent) in one.place for one in world.audit().findings), pattern
        path.write_bytes(before)


def test_a_bound_that_is_not_a_number_is_what_it_is(world: World) -> None:
    path = world.file(EVALUATION)

    def lose_bounds(record: dict[str, Any]) -> None:
        for row in record["content"]["metrics"]:
            row["value"] = math.nan

    forge(path, lose_bounds)
    found(world, "number", path)
