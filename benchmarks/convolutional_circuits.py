"""A step of expectation maximisation of DGC-SPNs, for one seed and five in a bank.

    python benchmarks/convolutional_circuits.py [--threads 1] [--rounds 5] [--sums 16]
        [--batch 100] [--side 28] [--device cpu] [--runs 1 5]

The plain way pads, unfolds and leaves the rest to autograd, with maps as torch has them; for a bank
it goes through the seeds one by one. Both ways do a whole step of the same parameters: densities,
statistics and new parameters. With one thread the times are processor time.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from pairing import clock_for, tell, times_in_turn
from plain_convolutional_circuit import plain_step
from torch import Tensor

from workflow_src.compute import open_device
from workflow_src.models.dgc_spn.model import DgcSpn, build
from workflow_src.models.images import ImageFacts

STEP_SIZE = 0.05


def bank(model: DgcSpn, runs: int, pixels: Tensor) -> dict[str, Tensor]:
    starts = [
        model.initial_parameters(torch.Generator().manual_seed(run), pixels) for run in range(runs)
    ]
    return {name: torch.stack([start[name] for start in starts]) for name in starts[0]}


def ways(
    model: DgcSpn, parameters: dict[str, Tensor], pixels: Tensor
) -> dict[str, Callable[[], object]]:
    """A step of all runs, in either way."""
    runs = len(parameters["root.weights"])
    batches = pixels.expand(runs, -1, -1)
    maps = pixels.view(-1, model.images.height, model.images.width)

    def whole() -> Tensor:
        log_densities, statistics = model.expectations(parameters, batches)
        model.maximised(parameters, statistics, STEP_SIZE)
        return _done(log_densities)

    def plain() -> Tensor:
        found = []
        for run in range(runs):
            one = {name: value[run] for name, value in parameters.items()}
            found.append(plain_step(one, maps, STEP_SIZE)[0])
        return _done(torch.stack(found))

    difference = (whole() - plain()).abs().max().item()
    print(f"\n{runs} runs: log densities differ by at most {difference:.1e} nats")
    return {"one layout, closed form": whole, "pad, unfold, autograd": plain}


def _done(result: Tensor) -> Tensor:
    if result.device.type == "cuda":
        torch.cuda.synchronize()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sums", type=int, default=16)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--side", type=int, default=28)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 5])
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    facts = ImageFacts(arguments.side, arguments.side, "gaussian", 0)
    values = {
        "sums": arguments.sums,
        "leaf_components": 4,
        "concentration": 0.1,
        "standardisation": "none",
        "centroids": "trained",
    }
    model = build(facts, values)
    pixels = torch.rand(arguments.batch, facts.pixels, generator=torch.Generator().manual_seed(0))
    pixels = pixels.to(device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    print(f"{model.parameter_count():,} parameters, batches of {arguments.batch}")
    clock = clock_for(device.type, arguments.threads)
    for runs in arguments.runs:
        both = ways(model, bank(model, runs, pixels), pixels)
        seconds = times_in_turn(both, arguments.rounds, warm_up=1, clock=clock)
        tell(seconds, "pad, unfold, autograd")


if __name__ == "__main__":
    main()
