"""The shape of the JSON in which the page looks up where a number comes from.

What many evaluations have in common (specs, machines, environments, commits, code, data, the first
lines of commands) stands once in a table of its own and is referred to by key, so that thousands of
runs stay small. `Provenance` is the whole value; all keys are always there, None (null) where there
is nothing. Paths are relative to the repository; times are ISO 8601 in UTC; sizes are bytes.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Provenance(TypedDict):
    """All of one study; every table is by key, and a key is text without spaces."""

    study: str
    evaluations: dict[str, EvaluationLine]
    """By fingerprint."""
    specs: dict[str, dict[str, Any]]
    """All that a person may choose about a run, but for the seed."""
    machines: dict[str, Machine]
    environments: dict[str, Environment]
    commits: dict[str, Commit]
    codes: dict[str, Code]
    data: dict[str, Data]
    """By the fingerprint of the prepared data."""
    judges: dict[str, RunLine]
    """Runs that judged what winners drew, by fingerprint."""
    commands: dict[str, list[str]]
    """The first lines of commands, up to the data."""


class EvaluationLine(TypedDict):
    """One seed's choice of a winner, and all below it."""

    seed: int
    axes: dict[str, Any]
    """model, data_set, likelihood, fraction, seed, protocol, stream."""
    state: str
    """measured, no_winner or missing."""
    reason: str | None
    """Why there is no number; None where there is one."""
    record: str
    """Path of its record, be it there or not."""
    pack: str | None
    """The pack that holds it; None where it lies loose."""
    candidates: int
    chosen: dict[str, Any]
    """Of the winner's spec the values in which candidates differ; empty if there was no choice."""
    run: RunLine | None
    """The winner; None where there is none."""
    measurement: MeasurementLine | None
    judges: list[str]
    """Keys of judges."""
    made: Circumstances | None
    """How the choice was made; None where there is no record."""
    commands: Commands


class RunLine(TypedDict):
    """One training."""

    fingerprint: str
    directory: str
    pack: str | None
    here: bool
    """Whether its record is here; else what follows ``reason`` is what others remember of it."""
    spec: str
    """Key of specs."""
    seed: int | None
    state: str
    """completed, diverged or missing."""
    reason: str | None
    validation_bound: float | None
    """Nats."""
    best_step: int | None
    steps: int | None
    parameters: int | None
    device_seconds: float | None
    device: str | None
    """cpu or cuda."""
    bank: int | None
    """How many runs were trained side by side, this one with them."""
    interruptions: list[Interruption]
    checkpoint: Checkpoint | None
    """None for a run without one, or whose record is not here."""
    data: str | None
    """Key of data."""
    made: Circumstances | None


class Interruption(TypedDict):
    """Training went on from that step."""

    step: int | None
    host: str | None
    at: str | None


class Checkpoint(TypedDict):
    """The run's parameters at its best point."""

    path: str
    sha256: str
    bytes: int
    kept: bool
    """False where it was left out of a pack, or is not here for another reason."""


class MeasurementLine(TypedDict):
    """What was measured on the winner."""

    fingerprint: str
    directory: str
    pack: str | None
    here: bool
    seconds: float | None
    images: int | None
    made: Circumstances | None


class Circumstances(TypedDict):
    """How one step was made."""

    commit: str | None
    """Key of commits, and so for the next three; None where the record does not tell."""
    code: str | None
    environment: str | None
    machine: str | None
    threads: int | None
    slurm: dict[str, str]
    """job, partition, nodes ...; empty outside of SLURM."""
    attempt: int | None
    started: str | None
    ended: str | None
    seconds: float | None
    """Wall time from start to end."""
    peak_host_bytes: int | None
    """The most that the process held until then; runs of one bank share it."""
    peak_device_bytes: int | None


class Machine(TypedDict):
    """A computer, and the one device of it that was used."""

    host: str | None
    cpu: str | None
    cores: int | None
    gpu: str | None
    """Name, driver and CUDA; None where there was none."""


class Environment(TypedDict):
    """Python and the libraries that were installed; ``lock`` names them all."""

    python: str | None
    torch: str | None
    platform: str | None
    lock: str | None
    lock_sha256: str | None


class Commit(TypedDict):
    """The state of the source tree."""

    commit: str | None
    """None for code in no git repository, or before the first commit."""
    reason: str | None
    """Why there is no commit, or no copy of uncommitted changes."""
    dirty: bool
    files: list[str]
    """The uncommitted ones, at most 20 of them."""
    file_count: int
    copy: str | None
    """Path of the copy of uncommitted changes."""


class Code(TypedDict):
    """The modules that a step can depend on."""

    digest: str
    modules: int
    counts_as: str | None
    """Digest of earlier code that an acceptance declares it equivalent to; None without one."""


class Data(TypedDict):
    """Arrays that models were trained on, and the published files that they were made from."""

    data_set: str | None
    likelihood: str | None
    record: str | None
    """Path of the record of the prepared data."""
    here: bool
    images: dict[str, int]
    """train, validation, test."""
    split_sha256: str | None
    """Of the indices of the split."""
    homepage: str | None
    licence: str | None
    files: list[PublishedFile]
    """Empty for data that come with a library or are drawn by this program."""


class PublishedFile(TypedDict):
    """One file as its publisher has it."""

    name: str
    digest: str | None
    """sha256 where the record of fetching it is here, else the digest that it was asked for by."""
    source: str | None
    """Address or place that it was fetched from."""


class Commands(TypedDict):
    """``shared`` is a key of commands: its lines, then ``own``. With ``reason`` there are none."""

    shared: str | None
    own: list[str]
    reason: str | None
