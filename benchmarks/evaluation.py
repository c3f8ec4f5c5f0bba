"""The 5000-sample bound: images per core second and memory, streamed against written plainly.

    python benchmarks/evaluation.py [--images 128] [--rounds 3] [--threads 1] [--megabytes 1024]

Two plain ways, both one image at a time with all 5000 samples at once, the way it is mostly
written: with the banks of this package, and with a loop over modules of torch.nn. Peak memory is
each process's own, so every way runs in a process of its own, in turn.
"""

from __future__ import annotations

import argparse
import math
import statistics

import torch
from memory import Taken, in_own_process, measured
from plain_leaves import plain_bounds
from training_step import OBJECTIVE, Cell, build, pictures

from workflow_src.compute import open_device
from workflow_src.evaluate.leaf_models.bounds import importance_weighted_bounds
from workflow_src.models.leaf_models import LeafModel, bound, noise_shape, stack_runs

SAMPLES = 5000
CELLS: dict[str, Cell] = {
    "spvae": ("spvae", "gaussian", 30, 25),
    "vae": ("vae", "gaussian", 300, 50),
    "conv_spvae": ("conv_spvae", "gaussian", 64, 25),
    "conv_vae": ("conv_vae", "gaussian", 64, 200),
}


def streamed(model: LeafModel, images: torch.Tensor, megabytes: int) -> None:
    importance_weighted_bounds(
        model,
        model.initial_parameters(torch.Generator().manual_seed(0)),
        images,
        [SAMPLES],
        lambda block: torch.Generator().manual_seed(block),
        megabytes << 20,
    )


@torch.no_grad()
def image_by_image(model: LeafModel, images: torch.Tensor) -> None:
    parameters = stack_runs([model.initial_parameters(torch.Generator().manual_seed(0))])
    for image in images:
        noise = torch.randn(1, *noise_shape(model, SAMPLES, 1))
        bound(model, parameters, image.reshape(1, -1, 1), noise, OBJECTIVE)


@torch.no_grad()
def plain_modules(model: LeafModel, images: torch.Tensor) -> None:
    _, bounds = plain_bounds(model, SAMPLES)
    for image in images:
        bounds(image.reshape(1, -1, 1))


WAYS = ("streamed", "bank, image by image", "loop, image by image")


def work(arguments: argparse.Namespace) -> None:
    open_device("cpu", arguments.threads)
    model = build(CELLS[arguments.model])
    images = pictures("gaussian", torch.device("cpu"))[0].T.contiguous()
    images = images.repeat(math.ceil(arguments.images / len(images)), 1)[: arguments.images]
    ways = {
        WAYS[0]: lambda: streamed(model, images, arguments.megabytes),
        WAYS[1]: lambda: image_by_image(model, images),
        WAYS[2]: lambda: plain_modules(model, images),
    }
    measured(ways[arguments.way])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--models", nargs="+", choices=CELLS, default=list(CELLS))
    parser.add_argument("--model", choices=CELLS, help=argparse.SUPPRESS)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        work(arguments)
        return
    given = ["--images", str(arguments.images), "--threads", str(arguments.threads)]
    given += ["--megabytes", str(arguments.megabytes)]
    for model in arguments.models:
        found: dict[str, list[Taken]] = {way: [] for way in WAYS}
        for _ in range(arguments.rounds):
            for way, results in found.items():
                own = [*given, "--model", model, "--way", way]
                results.append(in_own_process(__file__, own))
        for way, results in found.items():
            seconds = statistics.median(one.seconds for one in results)
            memory = max(one.megabytes for one in results)
            pairs = zip(results, found["streamed"], strict=True)
            ratio = statistics.median(one.seconds / other.seconds for one, other in pairs)
            print(
                f"{model:<11} {way:<22} {arguments.images / seconds:7.2f} images per core second, "
                f"{memory:6.0f} MB beyond the start, {ratio:5.2f} times as long as streamed"
            )


if __name__ == "__main__":
    main()
