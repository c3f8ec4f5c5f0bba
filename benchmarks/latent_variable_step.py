"""One training step of models with latent variables: what a Boltzmann machine and a bank cost.

    python benchmarks/latent_variable_step.py [--threads 1] [--rounds 5] [--device cpu]
        [--models discrete_vae dvaepp] [--architecture digits] [--groups 4] [--batch 100]

Each model is timed with a restricted Boltzmann machine as its prior, beside itself with a directed
one (discrete_vae: independent units; dvaepp: normal global variables), and as five seeds in a bank
beside five alone. A step draws its noise, moves the chains (1000 of them, 40 sweeps), computes
objective and gradients, and takes a step of AdaMax. With one thread the times are processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import torch
from pairing import clock_for, tell, times_in_turn

from workflow_src.compute import open_device
from workflow_src.config.models import model_declaration
from workflow_src.models.building import build_model
from workflow_src.models.latent_variables import LatentVariableModel, Schedule, draw_noise

SEEDS = 5
SIDES = {"digits": 8, "cifar10": 32}
"""Of an architecture's images; others are for 28 x 28."""

MODELS: dict[str, dict[str, dict[str, Any]]] = {
    "discrete_vae": {
        "Boltzmann machine": {"prior": "boltzmann_machine"},
        "directed prior": {"prior": "directed"},
    },
    "dvaepp": {
        "Boltzmann machine": {"global_latents": "boltzmann_machine"},
        "normal prior": {"global_latents": "normal"},
    },
}
"""The priors of every model; the first is the Boltzmann machine."""

COMMON: dict[str, dict[str, Any]] = {
    "discrete_vae": {"network": "nonlinear", "normalisation": "batch", "objective": "joint_bound"},
    "dvaepp": {},
}


def build(name: str, values: Mapping[str, Any], architecture: str, groups: int) -> Any:
    """The model with its defaults and these values."""
    declared = model_declaration(name).hyperparameters
    spec = {key: one.default for key, one in declared.items() if one.default is not None}
    side = 28
    if name == "dvaepp":
        spec |= {"architecture": architecture, "local_groups": groups}
        side = SIDES.get(architecture, 28)
    colour = name == "dvaepp" and architecture == "cifar10"
    likelihood = "discretised_logistic" if colour else "bernoulli"
    spec |= {"model": name, "likelihood": likelihood, **COMMON[name], **values}
    return build_model(spec, (side, side), 255 if colour else 1, 3 if colour else 1)


def stepping(
    model: LatentVariableModel, seeds: range, batch: int, device: torch.device
) -> Callable[[], None]:
    """One step of a bank of these seeds."""
    starts = [torch.Generator().manual_seed(seed) for seed in seeds]
    generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
    mean = torch.full((model.images.pixels,), 0.2)

    def stacked(members: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
        return {
            name: torch.stack([member[name] for member in members]).to(device)
            for name in members[0]
        }

    parameters = stacked([model.initial_parameters(one, mean) for one in starts])
    state = stacked([model.initial_state(one, mean) for one in starts])
    for value in parameters.values():
        value.requires_grad_()
    optimizer = torch.optim.Adamax(list(parameters.values()), lr=1e-3)
    shape = (len(seeds), batch, model.images.pixels)
    images = (torch.rand(shape, generator=starts[0]) < 0.2).float().to(device)
    schedule = Schedule(progress=0.1, kl_weight=0.5)

    def step() -> None:
        nonlocal state
        noise = draw_noise(model.training_noise(batch), generators, device)
        state = model.advance(parameters, state, generators)
        result = model.training_step(parameters, state, images, noise, schedule)
        optimizer.zero_grad()
        (-result.objective.sum()).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        state = result.state
        if device.type == "cuda":
            torch.cuda.synchronize()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--architecture", default="digits", help="of dvaepp")
    parser.add_argument("--groups", type=int, default=4, help="of dvaepp's local variables")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for name in arguments.models:
        compare(name, arguments, device)


def compare(name: str, arguments: argparse.Namespace, device: torch.device) -> None:
    built = {
        prior: build(name, values, arguments.architecture, arguments.groups)
        for prior, values in MODELS[name].items()
    }
    clock = clock_for(device.type, arguments.threads)
    print(f"\n{name}, batch {arguments.batch}")
    priors = {
        prior: stepping(model, range(1), arguments.batch, device) for prior, model in built.items()
    }
    seconds = times_in_turn(priors, arguments.rounds, clock=clock)
    tell(seconds, next(iter(seconds)))
    model = next(iter(built.values()))
    bank = stepping(model, range(SEEDS), arguments.batch, device)
    alone = [
        stepping(model, range(seed, seed + 1), arguments.batch, device) for seed in range(SEEDS)
    ]
    ways = {"five seeds in a bank": bank, "five alone": lambda: [step() for step in alone]}
    tell(times_in_turn(ways, arguments.rounds, clock=clock), "five alone")


if __name__ == "__main__":
    main()
