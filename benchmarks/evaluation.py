"""The 5000-sample bound: images per second and memory, streamed against written plainly.

    python benchmarks/evaluation.py [--images 128] [--threads 1] [--megabytes 1024]

Plainly means one image at a time with all 5000 samples at once, the way it is mostly written. Peak
memory is each process's own, so every way runs in a process of its own, in turn.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import statistics
import subprocess
import sys
import time

import torch
from training_step import build_spvae, build_vae, pictures

from workflow_src.compute import open_device
from workflow_src.evaluate.bounds import importance_weighted_bounds
from workflow_src.models.leaf_models import (
    LeafModel,
    importance_weighted_bound,
    noise_shape,
    stack_runs,
)

SAMPLES = 5000
ROUNDS = 3


def model_named(name: str) -> LeafModel:
    return build_vae("gaussian") if name == "vae" else build_spvae(("gaussian", 30, 25))


def streamed(model: LeafModel, images: torch.Tensor, megabytes: int) -> float:
    parameters = model.initial_parameters(torch.Generator().manual_seed(0))
    found = importance_weighted_bounds(
        model,
        parameters,
        images,
        [SAMPLES],
        lambda block: torch.Generator().manual_seed(block),
        megabytes << 20,
    )
    return float(found.bounds.mean())


@torch.no_grad()
def plain(model: LeafModel, images: torch.Tensor) -> float:
    parameters = stack_runs([model.initial_parameters(torch.Generator().manual_seed(0))])
    total = 0.0
    for image in images:
        noise = torch.randn(1, *noise_shape(model, SAMPLES, 1))
        pixels = image.reshape(1, -1, 1)
        total += float(importance_weighted_bound(model, parameters, pixels, noise))
    return total / len(images)


def work(arguments: argparse.Namespace) -> None:
    open_device("cpu", arguments.threads)
    model = model_named(arguments.model)
    images = pictures("gaussian", torch.device("cpu"))[0].T.contiguous()
    images = images.repeat(math.ceil(arguments.images / len(images)), 1)[: arguments.images]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    if arguments.way == "streamed":
        streamed(model, images, arguments.megabytes)
    else:
        plain(model, images)
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "megabytes": (after - before) / 1024}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--model", choices=["vae", "spvae"])
    parser.add_argument("--way", choices=["streamed", "plain"])
    arguments = parser.parse_args()
    if arguments.way:
        work(arguments)
        return
    for model in ("spvae", "vae"):
        found: dict[str, list[dict[str, float]]] = {"streamed": [], "plain": []}
        for _ in range(ROUNDS):
            for way, results in found.items():
                command = [sys.executable, __file__, "--model", model, "--way", way]
                command += ["--images", str(arguments.images), "--threads", str(arguments.threads)]
                command += ["--megabytes", str(arguments.megabytes)]
                out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                results.append(json.loads(out))
        for way, results in found.items():
            seconds = statistics.median(result["seconds"] for result in results)
            memory = max(result["megabytes"] for result in results)
            print(
                f"{model:<6} {way:<9} {arguments.images / seconds:7.2f} images per second, "
                f"{memory:6.0f} MB beyond the start"
            )
        ratios = [
            b["seconds"] / a["seconds"]
            for a, b in zip(found["streamed"], found["plain"], strict=True)
        ]
        print(f"{model:<6} plain / streamed: median {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
