"""Thirteen runs of one shape: side by side in a bank, one after another, or in two processes.

    python benchmarks/bank_of_runs.py [--threads 1] [--rounds 5] [--runs 13] [--device cpu]

Throughput of training steps (batch 128, 5 importance samples, Adam included). The two processes
share the machine as two shards of one node would; each takes half of the runs, one after another.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import time
from multiprocessing.synchronize import Barrier

import torch
from pairing import tell, times_in_turn
from training_step import banked, build_spvae, build_vae

from workflow_src.compute import open_device
from workflow_src.models.leaf_models import LeafModel

STEPS = 4


def one_after_another(runs: int, cell: str, threads: int, barrier: Barrier, turns: int) -> None:
    device = open_device("cpu", threads)
    steps = [banked(models(cell), 1, device) for _ in range(runs)]
    for step in steps:
        step()
    for _ in range(turns):
        barrier.wait()
        for step in steps:
            for _ in range(STEPS):
                step()
        barrier.wait()


def models(cell: str) -> LeafModel:
    return build_vae("gaussian") if cell == "vae" else build_spvae(("gaussian", 30, 25))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--runs", type=int, default=13)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    device = open_device(arguments.device, arguments.threads)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads")
    for cell in ("spvae", "vae"):
        model = models(cell)
        bank = banked(model, arguments.runs, device)
        singles = [banked(model, 1, device) for _ in range(arguments.runs)]
        ways = {
            "one after another": lambda singles=singles: [
                step() for step in singles for _ in range(STEPS)
            ],
            "bank": lambda bank=bank: [bank() for _ in range(STEPS)],
        }
        print(f"\n{cell}: {arguments.runs} runs, {STEPS} steps each")
        tell(times_in_turn(ways, arguments.rounds), "one after another")
        if device.type == "cpu" and (os.cpu_count() or 1) > 1:
            two_processes(cell, arguments)


def two_processes(cell: str, arguments: argparse.Namespace) -> None:
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
