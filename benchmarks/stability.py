"""Trains the corners of the paper's grid and tells which of them stay finite.

    python benchmarks/stability.py [--steps 200] [--prepared DIRECTORY ...] [--learning-rate RATE]
        [--models NAME ...] [--objective NAME] [--threads 2] [--device cpu]

Corners are the cells of Table 1's grid with the least and the most hidden units and latent
dimensions, for all models and both likelihoods, at the learning rates of the authors' program. The
images are those of prepared directories of MNIST (data/prepared/mnist-...), of whose validation
images the first are taken, or else random pixels of that size, which no density can learn.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workflow_src.compute import open_device
from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.models import model_declarations
from workflow_src.config.studies import load_study
from workflow_src.data.arrays import PIXEL_TYPES, PreparedData
from workflow_src.data.prepared import open_prepared
from workflow_src.plan.grids import expand
from workflow_src.train.bank import train_bank
from workflow_src.train.gradient import trainer

SIDE, LEVELS = 28, 255
VALIDATIONS = 4
TRAINING_IMAGES, VALIDATION_IMAGES = 10_000, 512
SIZES = ("hidden_units", "latent_dimensions")
LIKELIHOODS = ("gaussian", "binomial")


def corners(models: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Specs of the grid's corners, for one seed of MNIST."""
    settings = settings_from_mapping(
        {
            "studies": ["spvae"],
            "scale": "paper",
            "experiments": ["table1"],
            "data_sets": ["mnist"],
            "seeds": [0],
            "protocols": ["authors"],
            "streams": ["full"],
        }
    )
    for group in expand(load_study("spvae"), settings):
        if group.axes["model"] in models:
            specs = [run.canonical() for run in group.runs]
            ends = {size: {f(spec[size] for spec in specs) for f in (min, max)} for size in SIZES}
            yield from (s for s in specs if all(s[size] in ends[size] for size in SIZES))


def random_images(likelihood: str) -> PreparedData:
    generator = np.random.default_rng(0)
    shares = generator.random((TRAINING_IMAGES + VALIDATION_IMAGES, SIDE * SIDE))
    pixels = shares if likelihood == "gaussian" else np.round(shares * LEVELS)
    images = pixels.astype(PIXEL_TYPES[likelihood])
    train, validation = images[:TRAINING_IMAGES], images[TRAINING_IMAGES:]
    shape = (SIDE, SIDE)
    return PreparedData(train, validation, validation, {}, shape, LEVELS, "random", likelihood, "")


def trained(spec: dict[str, Any], data: PreparedData, device: torch.device) -> trainer.Outcome:
    hooks = trainer.Hooks(
        save=lambda run, state: None,
        saving_is_due=lambda: False,
        stop_is_wanted=lambda: False,
        progress=lambda told: None,
    )
    ((outcome, _),) = train_bank(trainer, [spec], data, device, [None], hooks)
    one: trainer.Outcome = outcome
    return one


def tell(spec: dict[str, Any], outcome: trainer.Outcome, seconds: float) -> None:
    bounds = [row["validation_bound"] for row in outcome.history]
    finite = all(torch.isfinite(value).all() for value in outcome.parameters.values())
    ended = (
        outcome.reason if outcome.state == "diverged" else ("finite" if finite else "NOT FINITE")
    )
    best = math.nan if outcome.best_validation_bound is None else outcome.best_validation_bound
    print(
        f"{spec['model']:<11} {spec['likelihood']:<9} {spec['hidden_units']:>4} "
        f"{spec['latent_dimensions']:>4} {spec['learning_rate']:>8g} {outcome.steps:>6} "
        f"{bounds[0]:>12.1f} {best:>12.1f} {bounds[-1]:>12.1f} {seconds:>8.1f} s   {ended}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--prepared", type=Path, nargs="*", default=[])
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--models", nargs="*", default=list(model_declarations()))
    parser.add_argument("--objective", default="importance_weighted_bound")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    given = [open_prepared(directory) for directory in arguments.prepared]
    data = {
        one.likelihood: replace(one, validation=one.validation[:VALIDATION_IMAGES]) for one in given
    } or {likelihood: random_images(likelihood) for likelihood in LIKELIHOODS}
    print(
        "model       pixels    units codes     rate  steps  first bound   best bound   last bound"
    )
    for corner in corners(arguments.models):
        spec = corner | {
            "objective": arguments.objective,
            "maximum_steps": arguments.steps,
            "validation_interval": max(1, arguments.steps // VALIDATIONS),
        }
        if arguments.learning_rate is not None:
            spec["learning_rate"] = arguments.learning_rate
        if spec["likelihood"] in data:
            started = time.perf_counter()
            outcome = trained(spec, data[spec["likelihood"]], device)
            tell(spec, outcome, time.perf_counter() - started)


if __name__ == "__main__":
    main()
