"""One training step: banks of leaves against a plain loop over them, and SPVAEs against VAEs.

    python benchmarks/training_step.py [--threads 2] [--rounds 15] [--cells 7] [--device cpu]

The loop is what one writes first: 32 modules of torch.nn, torch.distributions, one leaf after the
other, the same circuit on top. All ways take batch 128, 5 importance samples, 28 x 28 images, and
include Adam. With one thread the times are processor time. Peak memory is that of a process that
takes three steps, beyond its start.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from memory import in_own_process, measured
from pairing import clock_for, tell, times_in_turn
from plain_leaves import plain_bounds
from torch import Tensor

from workflow_src.compute import open_device
from workflow_src.config.models import model_declaration
from workflow_src.models.building import build_model
from workflow_src.models.leaf_models import LeafModel, bound, noise_shape, stack_runs
from workflow_src.train.gradient.optimizer import BankAdam

BATCH, SAMPLES, SIDE = 128, 5, 28
OBJECTIVE = "importance_weighted_bound"

Cell = tuple[str, str, int, int]
"""Model, likelihood, hidden units, latent dimensions."""

CELLS: list[tuple[Cell, Cell]] = [
    (("spvae", "gaussian", 16, 5), ("vae", "gaussian", 300, 50)),
    (("spvae", "gaussian", 30, 25), ("vae", "gaussian", 300, 50)),
    (("spvae", "gaussian", 32, 50), ("vae", "gaussian", 300, 50)),
    (("spvae", "binomial", 16, 5), ("vae", "binomial", 300, 50)),
    (("spvae", "binomial", 30, 25), ("vae", "binomial", 300, 50)),
    (("conv_spvae", "gaussian", 64, 25), ("conv_vae", "gaussian", 64, 200)),
    (("conv_spvae", "binomial", 64, 25), ("conv_vae", "binomial", 64, 200)),
]
"""SPVAEs, and the VAEs beside which they are timed."""

WAYS = ("bank", "loop")


def build(cell: Cell) -> LeafModel:
    """The model with its defaults and 7 x 7 super-pixels."""
    name, likelihood, hidden, latent = cell
    declared = model_declaration(name).hyperparameters
    values = {key: one.default for key, one in declared.items() if one.default is not None}
    values |= {"hidden_units": hidden, "latent_dimensions": latent, "split_step": SIDE // 4}
    spec = {"model": name, "likelihood": likelihood, **values}
    return build_model(spec, (SIDE, SIDE), 255)


def pictures(likelihood: str, device: torch.device) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(1, SIDE * SIDE, BATCH, generator=generator)
    return (images if likelihood == "gaussian" else (images * 255).round()).to(device)


def plain_loop(model: LeafModel, device: torch.device) -> Callable[[], object]:
    with device:
        parameters, bounds = plain_bounds(model, SAMPLES)
    adam = torch.optim.Adam(parameters, lr=0.01)
    images = pictures(model.images.likelihood, device)

    def step() -> None:
        objective = bounds(images).mean()
        adam.zero_grad()
        (-objective).backward()
        adam.step()
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def banked(model: LeafModel, runs: int, device: torch.device) -> Callable[[], object]:
    generator = torch.Generator().manual_seed(0)
    start = stack_runs([model.initial_parameters(generator) for _ in range(runs)])
    adam = BankAdam({name: value.to(device) for name, value in start.items()}, 0.01)
    images = pictures(model.images.likelihood, device).expand(runs, -1, -1)

    def step() -> None:
        noise = torch.randn(runs, *noise_shape(model, SAMPLES, BATCH), device=device)
        bounds = bound(model, adam.parameters, images, noise, OBJECTIVE)
        adam.maximise(bounds.mean(dim=1).sum())
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def tell_memory(cell: Cell, ways: dict[str, list[str]], program: str) -> None:
    """Print the peak memory of every way, each in a process of its own."""
    for way, arguments in ways.items():
        taken = in_own_process(program, [*arguments, "--memory-of", way, "--cell", *map(str, cell)])
        print(f"{'peak memory, ' + way:<40} {taken.megabytes:9.0f} MB beyond the start")


def cell_given(words: list[str]) -> Cell:
    return words[0], words[1], int(words[2]), int(words[3])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--cells", type=int, default=len(CELLS), help="the last so many")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    if arguments.memory_of:
        model = build(cell_given(arguments.cell))
        measured(lambda: steps(model, arguments.memory_of, device))
        return
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for cell, other in CELLS[-arguments.cells :]:
        print("\n" + " ".join(map(str, cell)))
        model, name = build(cell), " ".join(map(str, other))
        ways = {
            "bank of leaves": banked(model, 1, device),
            "loop over leaves": plain_loop(model, device),
            name: banked(build(other), 1, device),
            f"{name}, plain": plain_loop(build(other), device),
        }
        clock = clock_for(device.type, arguments.threads)
        tell(times_in_turn(ways, arguments.rounds, clock=clock), "bank of leaves")
        if device.type == "cpu":
            for one in (cell, other):
                print(" ".join(map(str, one)))
                tell_memory(one, {way: ["--threads", "1"] for way in WAYS}, __file__)


def steps(model: LeafModel, way: str, device: torch.device) -> None:
    step = banked(model, 1, device) if way == "bank" else plain_loop(model, device)
    for _ in range(3):
        step()


if __name__ == "__main__":
    main()
