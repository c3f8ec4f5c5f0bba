"""`python -m workflow_src evaluate`: choose the winner of one group and measure it."""

from __future__ import annotations

import argparse
from pathlib import Path

from workflow_src.config.settings import EvaluationSettings

GROUP = "steps"
EXAMPLES = (
    (
        "choose the winner of one group of the plan and measure it",
        "evaluate --evaluation results/plan/evaluations/0123456789abcdef.json",
    ),
    (
        "on a GPU",
        "evaluate --evaluation results/plan/evaluations/0123456789abcdef.json --device cuda",
    ),
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare this command's arguments."""
    parser.add_argument(
        "--evaluation", type=Path, required=True, metavar="FILE", help="which group (from the plan)"
    )
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads")
    parser.add_argument(
        "--memory-megabytes",
        type=int,
        metavar="N",
        help="memory for what is computed of importance samples at a time: the host's, or the "
        "GPU's where that is the device; config.yaml's default for it where this is left out",
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate the group that the membership file names."""
    from workflow_src.evaluate.job import evaluate

    megabytes = arguments.memory_megabytes
    if megabytes is None:
        megabytes = EvaluationSettings().budget_megabytes(arguments.device)
    evaluate(
        arguments.evaluation,
        device=arguments.device,
        threads=arguments.threads,
        memory_megabytes=megabytes,
    )
    return 0
