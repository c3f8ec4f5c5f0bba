"""`Settings`: what config.yaml may say.

Types, defaults and one sentence per key; config.yaml, schemas/config.schema.json and the
documentation follow from here. Reading files is `workflow_src.config.loading`'s.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field

from workflow_src.config.complaints import Complaint, shown
from workflow_src.config.strict import (
    Distinct,
    ProtocolName,
    Seed,
    Stream,
    StrictModel,
    word_or_choices,
    word_or_names,
    word_or_whole_numbers,
)

Names = Annotated[tuple[str, ...], Field(min_length=1)]
AllOrNames = Annotated[Literal["all"] | Names, BeforeValidator(word_or_names("all"))]
DefaultOrNames = Annotated[Literal["default"] | Names, BeforeValidator(word_or_names("default"))]
DefaultOrSeeds = Annotated[
    Literal["default"] | Annotated[tuple[Seed, ...], Field(min_length=1)],
    BeforeValidator(word_or_whole_numbers("default")),
]
DefaultOrProtocols = Annotated[
    Literal["default"] | Annotated[tuple[ProtocolName, ...], Field(min_length=1)],
    BeforeValidator(word_or_choices("default", get_args(ProtocolName))),
]
DefaultOrStreams = Annotated[
    Literal["default"] | Annotated[tuple[Stream, ...], Field(min_length=1)],
    BeforeValidator(word_or_choices("default", get_args(Stream))),
]

_DEVICE = r"cpu|cuda(:[0-9]+)?"


def _device(value: Any) -> Any:
    if not (isinstance(value, str) and re.fullmatch(_DEVICE, value)):
        raise Complaint(
            (), f"{shown(value)} is not allowed", expected="cpu, cuda or cuda:N"
        ).raised_in_validator()
    return value


Device = Annotated[
    str, BeforeValidator(_device), Field(json_schema_extra={"pattern": f"^({_DEVICE})$"})
]
AnyPath = Annotated[Path, Field(strict=False), AfterValidator(Path.expanduser)]


class ShardSettings(StrictModel):
    """How runs are packed into jobs."""

    target_hours: float = Field(
        4.0,
        gt=0,
        allow_inf_nan=False,
        description="Expected hours of one job at most; a run that takes longer has its own job.",
    )
    maximum_runs: int = Field(64, ge=1, description="Runs that one job trains at most.")


class EvaluationSettings(StrictModel):
    """How winners are measured."""

    memory_megabytes: int = Field(
        1024,
        ge=16,
        description="Memory of the host for what is computed of importance samples at a time, on "
        "a CPU; results do not depend on it.",
    )
    gpu_memory_megabytes: int = Field(
        8192,
        ge=16,
        description="The same of a GPU's memory, where larger pieces keep it busy; the random "
        "numbers that a GPU draws depend on it, and so results within their standard errors.",
    )

    def budget_megabytes(self, device: str) -> int:
        """Of the kind of device that ``device`` (such as cuda:0) is."""
        return self.gpu_memory_megabytes if device.startswith("cuda") else self.memory_megabytes


class Directories(StrictModel):
    """Where files go."""

    data: AnyPath = Field(Path("data"), description="Directory of raw and prepared data sets.")
    results: AnyPath = Field(
        Path("results"), description="Directory of runs, evaluations, tables and the report."
    )


class IdentitySettings(StrictModel):
    """What makes two results the same result."""

    environment: bool = Field(
        False,
        description="Whether the versions of Python, numpy and torch are part of fingerprints, so "
        "that training and evaluation are done again under other ones.",
    )


class Settings(StrictModel):
    """Everything that config.yaml says about what to run, on what and where."""

    studies: Distinct[str] = Field(
        ("spvae", "dvaepp", "emdgn", "dcgmm"),
        description="Names of files in workflow_src/studies, or paths of study files (.yaml).",
    )
    experiments: AllOrNames = Field(
        "all", description="Experiments of these studies: all that exist at this scale, or names."
    )
    scale: Literal["demo", "paper"] = Field(
        "demo",
        description="demo: small grids for minutes; paper: the paper's grids and more beside.",
    )
    data_sets: DefaultOrNames = Field(
        "default",
        description="Data sets: those of each experiment at this scale, or names, also of "
        "collections.",
    )
    likelihoods: DefaultOrNames = Field(
        "default", description="Likelihoods: those of each experiment at this scale, or names."
    )
    seeds: DefaultOrSeeds = Field(
        "default",
        description="Each run is repeated once per seed: those of each experiment at this scale, "
        "or numbers.",
    )
    protocols: DefaultOrProtocols = Field(
        "default",
        description="Those of each experiment at this scale, or a list. authors: learning rates "
        "and stopping of the authors' program; text: of the paper's text.",
    )
    streams: DefaultOrStreams = Field(
        "default",
        description="Those of each experiment at this scale, or a list. full: training sees every "
        "image; restart: it restarts a shuffle buffer as the authors' program does.",
    )
    device: Device = Field(
        "cpu",
        description="Device of training and evaluation: cpu, cuda, or cuda:N for the N-th card.",
    )
    threads: int = Field(1, ge=1, description="CPU threads of one job.")
    shard: ShardSettings = Field(ShardSettings(), description="How runs are packed into jobs.")
    memory_cap_gigabytes: float = Field(
        8.0,
        gt=0,
        allow_inf_nan=False,
        description="Memory that one run may take, in 10^9 bytes. Cells of grids that would take "
        "more are not trained, and are named wherever their numbers would stand; only models that "
        "know what they take are held to it.",
    )
    mirror: AnyPath | None = Field(
        None,
        description="Folder with downloaded data sets, tried before the network; the environment "
        "variable DENSITY_BENCH_MIRROR goes before it.",
    )
    evaluation: EvaluationSettings = Field(
        EvaluationSettings(), description="How winners are measured."
    )
    identity: IdentitySettings = Field(
        IdentitySettings(), description="What makes two results the same result."
    )
    directories: Directories = Field(Directories(), description="Where files go.")
