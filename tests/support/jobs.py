"""The jobs that Snakemake tells of, in the words of the settings instead of digests."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from support.checkout import Checkout

_JOB = re.compile(r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    wildcards: (.*)$", re.MULTILINE)
_COUNT = re.compile(r"^(fetch|prepare|train_shard|evaluate_group|report) +(\d+)$", re.MULTILINE)


def would_run(checkout: Checkout, words: str = "") -> set[str]:
    """What a dry run lists."""
    return jobs(checkout, checkout.snakemake(f"-n {words}"))


def ran(checkout: Checkout, words: str = "") -> set[str]:
    """What Snakemake really started."""
    return jobs(checkout, checkout.snakemake(words))


def jobs(checkout: Checkout, told: str) -> set[str]:
    """Every piece of work that ``told``, Snakemake's words, names; a shard is each of its runs.

    Such as ``fetch mnist``, ``prepare digits-gaussian``, ``train vae 4x2 seed0 digits-gaussian``
    (hidden units x latent dimensions), ``evaluate vae seed0 digits-gaussian`` and ``report``.
    """
    found = _JOB.findall(told)
    # A dry run gives the numbers first and last; another job may start in the same moment.
    counted = {rule: int(number) for rule, number in _COUNT.findall(told)}
    assert sum(counted.values()) == len(found), told
    plan = checkout.folder / "results" / "plan"
    return {name for rule, text in found for name in _names(plan, rule, _wildcards(text))}


def training(spec: dict[str, Any]) -> str:
    """The training of one run, by its spec."""
    cell = f"{spec['hidden_units']}x{spec['latent_dimensions']}"
    return f"train {spec['model']} {cell} {_family(spec)}"


def train(model: str, *cells: str, seed: int = 0, data_set: str = "digits") -> set[str]:
    """The trainings of some cells of a model's grid under both likelihoods."""
    kinds = _kinds(data_set)
    return {f"train {model} {cell} seed{seed} {kind}" for cell in cells for kind in kinds}


def evaluate(*models: str, seed: int = 0, data_set: str = "digits") -> set[str]:
    """The evaluations of some models under both likelihoods."""
    kinds = _kinds(data_set)
    return {f"evaluate {model} seed{seed} {kind}" for model in models for kind in kinds}


def prepare(data_set: str = "digits") -> set[str]:
    """The preparations of a data set for both likelihoods."""
    return {f"prepare {kind}" for kind in _kinds(data_set)}


def _kinds(data_set: str) -> list[str]:
    return [f"{data_set}-{likelihood}" for likelihood in ("binomial", "gaussian")]


def _names(plan: Path, rule: str, wildcards: dict[str, str]) -> Iterator[str]:
    if rule == "train_shard":
        for run in _content(plan / "shards" / f"{wildcards['digest']}.json")["runs"]:
            yield training(run["spec"])
    elif rule == "evaluate_group":
        content = _content(plan / "evaluations" / f"{wildcards['fingerprint']}.json")
        yield f"evaluate {content['axes']['model']} {_family(content['axes'])}"
    elif rule == "prepare":
        yield f"prepare {wildcards['data_set']}-{wildcards['likelihood']}"
    elif rule == "fetch":
        yield f"fetch {wildcards['data_set']}"
    else:
        yield rule


def _family(axes: dict[str, Any]) -> str:
    return f"seed{axes['seed']} {axes['data_set']}-{axes['likelihood']}"


def _wildcards(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split(", "))


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
