"""Runs of one shape: side by side in a bank, one after another, or in two processes.

    python benchmarks/bank_of_runs.py [--runs 39] [--threads 1] [--rounds 3] [--device cpu]

The default is a column of Figure 2 of the SPVAE paper: 13 fractions with three seeds each.
Throughput of training steps (batch 128, 5 importance samples, Adam included). The two processes
share the machine as two shards of one node would; each takes half of the runs, one after another:
their time is that on the clock, the others' is processor time where there is one thread.
Peak memory is that of a process that takes the steps, beyond its start.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.synchronize import Barrier

import torch
from memory import measured
from pairing import clock_for, tell, times_in_turn
from training_step import Cell, banked, build, cell_given, tell_memory

from workflow_src.compute import open_device

CELLS: dict[str, Cell] = {
    "spvae": ("spvae", "gaussian", 30, 25),
    "vae": ("vae", "gaussian", 300, 50),
    "conv_spvae": ("conv_spvae", "gaussian", 64, 25),
    "conv_vae": ("conv_vae", "gaussian", 64, 200),
}
WAYS = ("one after another", "bank")


def steps_of(cell: Cell) -> int:
    """Steps in a turn; a convolutional one takes several times as long."""
    return 1 if cell[0].startswith("conv") else 4


def one_after_another(runs: int, cell: Cell, threads: int, barrier: Barrier, turns: int) -> None:
    device = open_device("cpu", threads)
    singles = [banked(build(cell), 1, device) for _ in range(runs)]
    for step in singles:
        step()
    for _ in range(turns):
        barrier.wait()
        for step in singles:
            for _ in range(steps_of(cell)):
                step()
        barrier.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=13 * 3)
    parser.add_argument("--models", nargs="+", choices=CELLS, default=["spvae", "vae", "conv_vae"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--memory-of", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--cell", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    if arguments.memory_of:
        cell = cell_given(arguments.cell)
        measured(lambda: two_turns(cell, arguments.memory_of, arguments.runs, device))
        return
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for name in arguments.models:
        compare(CELLS[name], arguments, device)


def compare(cell: Cell, arguments: argparse.Namespace, device: torch.device) -> None:
    model, count = build(cell), steps_of(cell)
    bank = banked(model, arguments.runs, device)
    singles = [banked(model, 1, device) for _ in range(arguments.runs)]
    ways = {
        "one after another": lambda: [step() for step in singles for _ in range(count)],
        "bank": lambda: [bank() for _ in range(count)],
    }
    print(f"\n{' '.join(map(str, cell))}: {arguments.runs} runs, {count} steps each")
    clock = clock_for(device.type, arguments.threads)
    tell(times_in_turn(ways, arguments.rounds, warm_up=1, clock=clock), "one after another")
    if device.type == "cpu":
        if (os.cpu_count() or 1) > 1:
            two_processes(cell, arguments)
        given = ["--threads", str(arguments.threads), "--runs", str(arguments.runs)]
        tell_memory(cell, dict.fromkeys(WAYS, given), __file__)


def two_turns(cell: Cell, way: str, runs: int, device: torch.device) -> None:
    model = build(cell)
    if way == "bank":
        steps = [banked(model, runs, device)]
    else:
        steps = [banked(model, 1, device) for _ in range(runs)]
    for step in steps * 2:
        step()


def two_processes(cell: Cell, arguments: argparse.Namespace) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(3)
    halves = [arguments.runs // 2, arguments.runs - arguments.runs // 2]
    workers = [
        context.Process(target=one_after_another, args=(half, cell, 1, barrier, arguments.rounds))
        for half in halves
    ]
    for worker in workers:
        worker.start()
    seconds = []
    for _ in range(arguments.rounds):
        barrier.wait()
        started = time.perf_counter()
        barrier.wait()
        seconds.append(time.perf_counter() - started)
    for worker in workers:
        worker.join()
    median = statistics.median(seconds) * 1e3
    print(f"{'two processes of one thread':<40} median {median:9.2f} ms")


if __name__ == "__main__":
    main()
