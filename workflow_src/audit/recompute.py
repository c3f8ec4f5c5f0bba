"""Measures randomly chosen winners again from their checkpoints, and compares.

On the machine that a measurement was made on (the same model of processor and card, versions of
libraries, and number of threads) all arrays must be equal bit for bit. Elsewhere

- on the same kind of device, the noise is the same and float32 sums are taken in another order. A
  log-density is a sum of some thousand terms, each rounded to 6e-8 of itself; bounds may differ by
  1e-4 of themselves, a decade more than was ever seen, and by four standard errors of the log
  partition function in them, whose Markov chains part at the first bit that rounds otherwise;
- between CPU and GPU, the noise is another one. Given the images, two draws of it differ less than
  two draws of images would: bounds may differ by four of their standard errors.

Exact densities have no noise: on any device they may differ by 1e-4 of themselves, or of one nat
where that is more, since some are ends of searches; counts and shares by the one entry that
rounding may turn. Times may be any.

What is made of importance weights or by Markov chains may always differ by four standard errors,
and what classifiers say as well, or by the answer that rounding may turn; sizes must be equal.
Scores of images are as exact densities are, and areas under ROC curves may differ by the one pair
that rounding may turn; made of bounds, on another kind of device, by four standard errors.
"""

from __future__ import annotations

import io
import logging
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from workflow_src.archive.results import CHECKPOINT, Results
from workflow_src.audit import exact_densities, image_densities
from workflow_src.audit.audit import Audited
from workflow_src.audit.density_files import one_flip
from workflow_src.audit.findings import Notes, Repetition
from workflow_src.audit.judged import METRICS as OF_ANSWERS
from workflow_src.audit.judged import judges_in, one_answer
from workflow_src.audit.records import PACKAGES, Examined
from workflow_src.audit.scores import AREAS, MEANS
from workflow_src.compute import open_device
from workflow_src.data.arrays import SPLITS, PreparedData
from workflow_src.data.preparation import prepare
from workflow_src.data.prepared import open_verified
from workflow_src.data.raw import DataError, facts_of
from workflow_src.evaluate.judge_runs import judges_of_record, lacking_judges
from workflow_src.evaluate.measurement import Measurement, MemoryBudgetError
from workflow_src.evaluate.measuring import measure_run
from workflow_src.plan.plan import Plan
from workflow_src.plan.planned import PlannedRun
from workflow_src.provenance.environment import describe_environment
from workflow_src.provenance.machine import describe_machine
from workflow_src.provenance.record import untimed
from workflow_src.train.checkpoints import tensors_of

RELATIVE = 1e-4
STANDARD_ERRORS = 4.0
# Made of importance weights, which are exponentials of bounds, and a few of them decide.
_OF_WEIGHTS = ("effective_sample_size", "inpainting_log_density", "inpainting_error")
# Made by Markov chains; in bounds and divergences it is a summand.
_OF_CHAINS = "log_partition_function"
_WITH_CHAINS = ("test_bound", "test_smoothed_bound", "kl_divergence")
# Bounds in other units, and the bound in nats.
_SHARES = {
    "test_bound_per_dimension": "test_bound",
    "test_bits_per_dimension": "test_bound",
    "test_smoothed_bits_per_dimension": "test_smoothed_bound",
}
_OF_TRAINING = ("test_joint_bound", "test_marginal_bound")
_BOUNDS = ("test_bound", *_OF_TRAINING)
_GAINS = ("test_bound_gain", "marginal_bound_gain")
# Means over points that one entry decides to be of them or not.
_OF_SOME_POINTS = ("multimodal_approximation_gap", "unimodal_approximation_gap")
_NO_FLIPS: Mapping[str, float] = MappingProxyType({})
_SEEDS = 2**31

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Alike:
    """How alike this machine is to the one of a record.

    Attributes
    ----------
    difference:
        What differs, in words; None where bits must be equal.
    device:
        Whether the kind of device is the same.
    host:
        Whether even the host is the same.
    """

    difference: str | None
    device: bool
    host: bool


def recompute(plan: Plan, audited: Audited, count: int, seed: int | None = None) -> Repetition:
    """Measure ``count`` of the plan's winners again, chosen by ``seed``, as the records say how.

    Only what the audit found whole and what the present code made, or code that was accepted as
    equivalent, is repeated; a winner whose checkpoint or data are not here cannot be.
    """
    seed = random.SystemRandom().randrange(_SEEDS) if seed is None else seed
    notes = Notes(list(audited.report.findings), list(audited.report.remarks))
    notes.counted.update(audited.report.counted)
    results = Results(plan.root / plan.layout.results)
    known = sorted(audited.measurements, key=lambda one: one.directory)
    possible = [one for one in known if _is_possible(plan, results, one)]
    chosen = random.Random(seed).sample(possible, min(count, len(possible)))
    lines = [
        f"recompute {len(chosen)} of {len(possible)} measurements that can be repeated "
        f"(of {len(known)}), chosen by --seed {seed}"
    ]
    prepared: dict[str, PreparedData] = {}
    for one in chosen:
        with notes.reading(one.place):
            run = plan.runs[_content(one)["run"]]
            data = prepared.get(run.prepared.fingerprint)
            if data is None:
                directory = plan.root / run.prepared.directory
                data = open_verified(directory, run.prepared.fingerprint)
                prepared[run.prepared.fingerprint] = data
                lines += _prepare_again(plan, run, data, notes)
            judges = {
                name: _data_of_judge(plan, name, prepared) for name in judges_in(_content(one))
            }
            lines.append(_measure_again(plan, results, one, run, data, judges, notes))
    notes.counted["measurements repeated"] += len(chosen)
    return Repetition(notes.report(), tuple(lines))


def _is_possible(plan: Plan, results: Results, one: Examined) -> bool:
    run = plan.runs.get(str(_content(one)["run"]))
    if run is None or not (plan.root / run.prepared.record).is_file():
        return False
    directory = _below(plan, run)
    there = results.is_loose(directory) or results.is_packed(directory)
    if not there or CHECKPOINT not in results.names(directory):
        return False
    judges = [plan.runs.get(name) for name in judges_in(_content(one))]
    if any(judge is None or not (plan.root / judge.prepared.record).is_file() for judge in judges):
        return False
    return not lacking_judges(_content(one), results)


def _data_of_judge(plan: Plan, name: str, known: dict[str, PreparedData]) -> PreparedData:
    """What a judge was trained on; opened once."""
    prepared = plan.runs[name].prepared
    if prepared.fingerprint not in known:
        known[prepared.fingerprint] = open_verified(
            plan.root / prepared.directory, prepared.fingerprint
        )
    return known[prepared.fingerprint]


def _below(plan: Plan, run: PlannedRun) -> str:
    return run.directory.relative_to(plan.layout.results).as_posix()


def _measure_again(
    plan: Plan,
    results: Results,
    one: Examined,
    run: PlannedRun,
    data: PreparedData,
    data_of_judges: Mapping[str, PreparedData],
    notes: Notes,
) -> str:
    """Repeat one measurement and note what differs; a line that says what was compared."""
    record = one.record or {}
    content = _content(one)
    wanted = "cpu" if record["machine"]["gpu"] is None else "cuda"
    name = wanted if wanted == "cpu" or torch.cuda.is_available() else "cpu"
    device = open_device(name, int(record["threads"] or 1))
    log.info("measuring %s again", one.directory)
    parameters = tensors_of(results.read(_below(plan, run), CHECKPOINT))
    memory = _memory(plan, content, device.type) << 20
    judges = judges_of_record(
        content, results, lambda judge: data_of_judges[judge["fingerprint"]], device
    )
    try:
        again = measure_run(
            content["spec"], parameters, data, content["measures"], device, memory, judges
        )
    except MemoryBudgetError as error:
        notes.find("number", one.place, f"it cannot be repeated: {error}")
        return f"recompute {one.place}: not repeated"
    alike = _alike(plan.root, record)
    arrays = _arrays(results, one)
    equal, compared = _is_equal(again, content, arrays)
    largest = _largest_difference(again.metrics, content["metrics"])
    if equal:
        return f"recompute {one.place}: {compared} numbers equal bit for bit"
    flips = {
        **one_flip(again.arrays),
        **one_answer(again.arrays),
        **image_densities.one_flip(again.arrays),
    }
    within = _is_within(again.metrics, content["metrics"], device=alike.device, flips=flips)
    if not within or (alike.difference is None and alike.host):
        expected = _expected(alike) if not within else "equal bits, as the machine is the same"
        notes.find(
            "number", one.place, f"measured again it differs by {largest}; expected {expected}"
        )
        return f"recompute {one.place}: differs by {largest}"
    where = alike.difference or "another host with the same processor"
    return f"recompute {one.place}: equal within {_expected(alike)} ({where}); {largest}"


def _prepare_again(plan: Plan, run: PlannedRun, data: PreparedData, notes: Notes) -> list[str]:
    """Prepare a data set again where its raw files are here."""
    raw = plan.root / plan.layout.raw(run.prepared.raw_name)
    place = run.prepared.directory.as_posix()
    if not raw.is_dir():
        return [f"recompute {place}: not prepared again, the raw files are not here"]
    try:
        again = prepare(facts_of(run.prepared.recipe), data.likelihood, raw)
    except DataError as error:
        notes.find("changed", error.place, f"{error.problem}; expected {error.expected}")
        return [f"recompute {place}: cannot be prepared again"]
    for split in SPLITS:
        same = np.array_equal(again[split].images, data.images(split))
        if not same or not np.array_equal(again[split].labels, data.labels[split]):
            notes.find(
                "number", place, f"prepared again, the {split} images differ; expected equal bits"
            )
    return [f"recompute {place}: prepared again and compared"]


def _content(one: Examined) -> Mapping[str, Any]:
    content: Mapping[str, Any] = (one.record or {})["content"]
    return content


def _memory(plan: Plan, content: Mapping[str, Any], device: str) -> int:
    """Megabytes, as they were asked for then; what a record does not say is as it is now."""
    asked = content.get("settings", {}).get("evaluation", {})
    settings = plan.settings.evaluation.model_copy(update=asked)
    return settings.budget_megabytes(device)


def _arrays(results: Results, one: Examined) -> dict[str, dict[str, Any]]:
    """The arrays that the record vouches for, as far as they were kept."""
    found = {}
    for name in results.names(one.directory):
        if name.endswith(".npz") and name not in (one.record or {}).get("timed_outputs", ()):
            with np.load(io.BytesIO(results.read(one.directory, name))) as arrays:
                found[name.removesuffix(".npz")] = dict(arrays)
    return found


def _is_equal(
    again: Measurement, content: Mapping[str, Any], arrays: Mapping[str, Mapping[str, Any]]
) -> tuple[bool, int]:
    """Whether all is equal bit for bit, and how many numbers were compared."""
    compared = len(again.metrics)
    said = _ordered(content["metrics"])
    equal = repr(untimed(again.metrics)) == repr(untimed(said))
    for name, kept in arrays.items():
        made = again.arrays.get(name, {})
        equal = equal and made.keys() == kept.keys()
        for key, value in kept.items():
            compared += value.size
            equal = equal and key in made and _same_bits(made[key], value)
    return equal, compared


def _ordered(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows with their keys in the order in which measuring gives them; JSON sorts them."""
    keys = ("metric", "value", "standard_error", "unit", "importance_samples")
    return [{key: row[key] for key in keys} for row in rows]


def _same_bits(first: Any, second: Any) -> bool:
    one, other = np.asarray(first), np.asarray(second)
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def _pairs(
    again: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
    known = {(row["metric"], row["importance_samples"]): row for row in said}
    return [(row, known.get((row["metric"], row["importance_samples"]))) for row in again]


def _largest_difference(
    again: Sequence[Mapping[str, Any]], said: Sequence[Mapping[str, Any]]
) -> str:
    """The largest difference of a bound, in words."""
    differences = [
        0.0 if _is_equal_value(row, other) else abs(row["value"] - other["value"])
        for row, other in _pairs(again, said)
        if other is not None and row["metric"] in ("test_bound", "test_log_likelihood")
    ]
    return f"at most {max(differences, default=0.0):.3g} nats in a bound"


def _is_within(
    again: Sequence[Mapping[str, Any]],
    said: Sequence[Mapping[str, Any]],
    *,
    device: bool,
    flips: Mapping[str, float] = _NO_FLIPS,
) -> bool:
    """Whether all rows are near enough; ``flips`` are what counts and shares may move by."""
    if len(again) != len(said):
        return False
    for row, other in _pairs(again, said):
        if other is None:
            return False
        if row["unit"] == "s":
            continue
        room = _room(row, again, device=device) + flips.get(row["metric"], 0.0)
        near = math.isfinite(room) and abs(row["value"] - other["value"]) <= room
        if not near and not _is_equal_value(row, other):
            return False
    return True


def _room(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, device: bool) -> float:
    """How far a metric may be from what was said; ``rows`` are all that were measured again."""
    metric, by_noise = row["metric"], STANDARD_ERRORS * _error(row)
    if metric in (*_OF_WEIGHTS, _OF_CHAINS, *OF_ANSWERS):
        return by_noise
    if metric in _OF_SOME_POINTS:
        return by_noise + RELATIVE * max(1.0, abs(float(row["value"])))
    if metric in AREAS and row["importance_samples"] is not None and not device:
        return by_noise
    if metric in (*exact_densities.METRICS, *image_densities.METRICS, *AREAS, *MEANS):
        return RELATIVE * max(1.0, abs(float(row["value"])))
    if metric not in (*_WITH_CHAINS, *_SHARES, *_OF_TRAINING, *_GAINS):
        return 0.0
    if not device:
        return by_noise
    if metric in _GAINS:
        # A difference of bounds, each of which may be off.
        bounds = [abs(one["value"]) for one in rows if one["metric"] in _BOUNDS]
        return 2 * RELATIVE * max(bounds, default=0.0)
    chains = [STANDARD_ERRORS * _error(one) for one in rows if one["metric"] == _OF_CHAINS]
    scale = 1.0 if metric in _WITH_CHAINS else 0.0
    if metric in _SHARES:
        scale = abs(row["value"] / _bound(rows, _SHARES[metric], row["importance_samples"]))
    return float(RELATIVE * abs(row["value"]) + scale * sum(chains))


def _bound(rows: Sequence[Mapping[str, Any]], metric: str, samples: int) -> float:
    """That metric of so many samples; infinite where there is none."""
    known = {one["importance_samples"]: one for one in rows if one["metric"] == metric}
    return float(known[samples]["value"]) if samples in known else math.inf


def _is_equal_value(row: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two values are equal, or both not a number."""
    first, second = row["value"], other["value"]
    return bool(first == second or (math.isnan(first) and math.isnan(second)))


def _error(row: Mapping[str, Any]) -> float:
    return float(row["standard_error"] or 0.0)


def _expected(alike: _Alike) -> str:
    if alike.device:
        return f"{RELATIVE:g} of a bound, since sums are taken in another order"
    return f"{STANDARD_ERRORS:g} standard errors, since CPU and GPU draw other noise"


def _alike(root: Path, record: Mapping[str, Any]) -> _Alike:
    """Compare this machine and its libraries with those of a record."""
    here, there = describe_machine(), record["machine"]
    environment = describe_environment(root)
    facts = {
        "processor": (here["cpu"], there["cpu"]),
        "card": tuple((one["gpu"] or {}).get("name") for one in (here, there)),
        "Python": (environment["python"], record["environment"]["python"]),
        "threads": (torch.get_num_threads(), record["threads"]),
    }
    for name in PACKAGES:
        said = record["environment"]["packages"].get(name)
        facts[name] = (environment["packages"].get(name), said)
    differing = [f"{name} {a}, not {b}" for name, (a, b) in facts.items() if a != b]
    return _Alike(
        difference="; ".join(differing) or None,
        device=(here["gpu"] is None) == (there["gpu"] is None),
        host=here["host"] == there["host"],
    )
