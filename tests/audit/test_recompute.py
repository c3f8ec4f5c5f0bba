"""Measuring again finds what no digest can: arrays that are not those of checkpoint and data."""

from __future__ import annotations

import io
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from support.checkout import Checkout
from support.forging import forge, read, settle
from support.spoiling import World

from workflow_src.audit.audit import audit
from workflow_src.audit.recompute import Repetition, _is_within, _memory, recompute
from workflow_src.config.loading import settings_from_mapping
from workflow_src.storage import write_json

pytestmark = pytest.mark.workflow

FAMILY = "vae/digits-gaussian"
EVALUATION = f"results/evaluations/{FAMILY}/*/evaluation.json"
MEASUREMENT = f"results/measurements/{FAMILY}/*/measurement.json"


def repeated(world: World, count: int = 4, seed: int | None = 0) -> Repetition:
    plan = world.plan()
    audited = audit(plan, jobs=1)
    assert audited.report.findings == ()
    return recompute(plan, audited, count, seed)


def shift(world: World, by: float) -> None:
    """Add to all bounds of one measurement, and make all that is made from it follow."""
    path = world.file(MEASUREMENT).with_name("bounds.npz")
    with np.load(path) as kept:
        arrays = {"importance_samples": kept["importance_samples"], "bounds": kept["bounds"] + by}
    stream = io.BytesIO()
    np.savez_compressed(stream, **{k: np.asarray(v, v.dtype) for k, v in arrays.items()})
    path.write_bytes(stream.getvalue())
    means = arrays["bounds"].astype(np.float64).mean(axis=1)
    for place in (world.file(MEASUREMENT), world.file(EVALUATION)):
        record = read(place)
        dimensions = {"test_bound": 1, "test_bound_per_dimension": 64}
        for metric, divisor in dimensions.items():
            rows = [row for row in record["content"]["metrics"] if row["metric"] == metric]
            for row, mean in zip(rows, means / divisor, strict=True):
                row["value"] = float(mean)
        write_json(place, record)
    settle()
    report_again(world)


def report_again(world: World) -> None:
    """Have the pages, which tell digests, follow what was forged."""
    membership = world.file("results/plan/reports/*.json")
    Checkout(world.folder).must(f"python -m workflow_src report --report {membership}")
    settle()


def elsewhere(world: World) -> None:
    """Have all records be of a machine with another version of torch."""
    for pattern in ("runs", "measurements", "evaluations"):
        for path in world.files(f"results/{pattern}/*/*/*/*.json"):
            record: dict[str, Any] = read(path)
            record["environment"]["packages"]["torch"] = "1.0"
            write_json(path, record)
    settle()


def test_the_same_machine_gives_the_same_bits(world: World) -> None:
    found = repeated(world)
    assert found.report.findings == ()
    assert sum("equal bit for bit" in line for line in found.lines) == 4
    assert sum("prepared again and compared" in line for line in found.lines) == 2
    # All of them: bounds alone would be a thousand.
    assert all(
        int(line.split()[-6]) > 5000 for line in found.lines if line.endswith("equal bit for bit")
    )


def test_the_seed_says_which_ones(world: World) -> None:
    first, second, other = (repeated(world, 2, seed).lines for seed in (1, 1, None))
    assert first == second
    assert "2 of 4" in first[0]
    assert "--seed 1" in first[0]
    assert "--seed" in other[0]


def test_bounds_forged_throughout_are_found(world: World) -> None:
    shift(world, 1.0)
    (finding,) = repeated(world).report.findings
    assert finding.place == str(world.file(MEASUREMENT))
    assert "measured again it differs by at most 1 nats" in finding.text


def test_filled_in_pixels_forged_throughout_are_found(world: World) -> None:
    path = world.file(MEASUREMENT).with_name("inpainting.npz")
    with np.load(path) as kept:
        arrays = dict(kept)
    arrays["completions"] = arrays["completions"][:, :, ::-1]
    np.savez_compressed(path, allow_pickle=False, **arrays)
    settle()
    report_again(world)
    (finding,) = repeated(world).report.findings
    assert "expected equal bits" in finding.text


def test_another_checkpoint_is_found(world: World) -> None:
    for path in world.files("results/runs/vae/digits-gaussian/*/checkpoint.safetensors"):
        data = bytearray(path.read_bytes())
        data[-2] ^= 0x40
        path.write_bytes(data)
    settle()
    # The pages tell the digest of the checkpoint that the numbers were measured on.
    plan = world.plan()
    audited = audit(plan, jobs=1)
    assert [Path(one.place).name for one in audited.report.findings] == ["provenance-tiny.js"]
    again = recompute(plan, audited, 4, 0).report.findings
    assert len(again) > 1


def test_other_prepared_images_are_found(world: World) -> None:
    path = world.file("data/prepared/*gaussian*/test.npy")
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    path.write_bytes(data)
    settle()
    texts = [finding.text for finding in repeated(world).report.findings]
    assert any("prepared again" in text for text in texts)


def test_elsewhere_bounds_may_differ_a_little(world: World) -> None:
    elsewhere(world)
    shift(world, 1e-4)
    found = repeated(world)
    assert found.report.findings == ()
    assert any(
        "torch" in line and "sums are taken in another order" in line for line in found.lines
    )


def test_elsewhere_bounds_may_not_differ_much(world: World) -> None:
    elsewhere(world)
    shift(world, 0.5)
    (finding,) = repeated(world).report.findings
    assert "expected 0.0001 of a bound" in finding.text


def test_on_the_same_machine_bounds_may_not_even_differ_a_little(world: World) -> None:
    shift(world, 1e-4)
    (finding,) = repeated(world).report.findings
    assert "expected equal bits" in finding.text


def test_without_data_nothing_can_be_repeated(world: World) -> None:
    for path in sorted(Path("data/prepared").glob("*/record.json")):
        path.unlink()
    plan = world.plan()
    found = recompute(plan, audit(plan, jobs=1), 2, 0)
    assert "0 of 0 measurements that can be repeated (of 4)" in found.lines[0]


def test_the_command_says_what_was_compared(copy_of_finished: Checkout) -> None:
    said = copy_of_finished.must("python -m workflow_src audit --recompute 1 --seed 3")
    assert "recompute 1 of 4" in said
    assert "equal bit for bit" in said
    assert said.splitlines()[-1].startswith("verdict: every number stands")


def test_a_measurement_of_other_samples_cannot_pass(world: World) -> None:
    forge(world.file(MEASUREMENT), lambda record: record["content"].update(images=249))
    plan = world.plan()
    assert audit(plan, jobs=1).report.findings != ()


@pytest.mark.parametrize(
    ("again", "said", "within"),
    [
        (-math.inf, -math.inf, True),
        (math.nan, math.nan, True),
        (-math.inf, -100.0, False),
        (-100.0, -math.inf, False),
        (math.nan, -100.0, False),
        (-100.0, -100.001, True),
        (-100.0, -101.0, False),
    ],
)
def test_bounds_that_are_no_numbers_are_equal_to_themselves_alone(
    again: float, said: float, within: bool
) -> None:
    row = {"metric": "test_bound", "importance_samples": 1, "unit": "nats"}
    one, other = ([{**row, "value": v, "standard_error": math.nan}] for v in (again, said))
    assert _is_within(one, other, device=True) is within


def test_the_budget_is_that_of_the_record_and_of_its_device() -> None:
    plan: Any = SimpleNamespace(
        settings=settings_from_mapping({"evaluation": {"memory_megabytes": 50}})
    )
    asked = {"memory_megabytes": 70, "gpu_memory_megabytes": 900}
    content = {"settings": {"evaluation": asked}}
    assert [_memory(plan, content, device) for device in ("cpu", "cuda")] == [70, 900]
    # What a record does not say is as the plan has it.
    assert _memory(plan, {}, "cpu") == 50
