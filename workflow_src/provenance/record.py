"""The record that every step writes beside its results: what made them, from what, and how.

Records form a chain: each names its parents with their digests and carries a digest of itself.
Checking a whole chain is the audit's work, not this module's.
"""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow_src.errors import UserError
from workflow_src.provenance.environment import describe_environment
from workflow_src.provenance.machine import describe_determinism, describe_machine
from workflow_src.provenance.repository import describe_repository
from workflow_src.storage import digest, read_json_object, refuse_newer, replacing_file, sha256_file

SCHEMA_VERSION = 2

ATTEMPT_VARIABLE = "DENSITY_BENCH_ATTEMPT"
"""Set by the command line's ``--attempt``: which time Snakemake sends this job."""

DIFFERENCE_LIMIT = 200_000

NOT_KEPT = "not_kept.json"
"""Beside a record that came out of a pack: its outputs that were left out of the pack."""

CODE_ROOT = Path(__file__).resolve().parents[2]


def remember_code(root: Path = CODE_ROOT) -> None:
    """Look at the source tree and the environment now, for all records of this process.

    A job calls this before it computes: the tree may have moved on when its record is written.
    """
    describe_repository(root)
    describe_environment(root)


def build_record(
    kind: str,
    *,
    fingerprint: str,
    content: Mapping[str, Any],
    parents: Sequence[Mapping[str, str]] = (),
    outputs: Mapping[str, Path] | None = None,
    timed_outputs: Collection[str] = (),
    started: datetime,
    ended: datetime | None = None,
    threads: int | None = None,
    determinism: Mapping[str, Any] | None = None,
    sources: Path | None = None,
    root: Path | None = None,
) -> dict[str, Any]:
    """The record of one finished step, as a dictionary of JSON values.

    Parameters
    ----------
    kind:
        What was made: ``prepared``, ``run``, ``measurement``, ``evaluation``, ``report`` ...
    fingerprint:
        The name that the plan gave it.
    content:
        What only this kind of record holds: the spec, the result, the recipe.
    parents:
        What it was made from, by `parent`.
    outputs:
        Name relative to the record's own directory -> file; sizes and digests are taken here.
    timed_outputs:
        Those of them that also tell how long something took, so that equal results differ in them.
    started, ended:
        With a time zone; ``ended`` is now where it is left out.
    threads:
        The CPU threads that the step was given.
    determinism:
        Settings that decide whether a repetition gives the same bits, beside those found in torch.
    sources:
        Folder that keeps the copy of uncommitted changes once for all records; where it is left
        out, the record holds the copy itself, at most `DIFFERENCE_LIMIT` bytes of it.
    root:
        The repository; the one that this code lies in where it is left out.
    """
    where = CODE_ROOT if root is None else root
    end = datetime.now(UTC) if ended is None else ended
    record: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "fingerprint": fingerprint,
        "content": dict(content),
        "environment": describe_environment(where),
        "machine": describe_machine(),
        "git": _described_repository(where, sources),
        "slurm": slurm_facts(),
        "attempt": _attempt(),
        "threads": threads,
        "determinism": {**describe_determinism(), **(determinism or {})},
        "time": {
            "started": started.astimezone(UTC).isoformat(timespec="milliseconds"),
            "ended": end.astimezone(UTC).isoformat(timespec="milliseconds"),
            "seconds": round((end - started).total_seconds(), 3),
        },
        "peak_memory": peak_memory(),
        "outputs": {name: describe_file(path) for name, path in sorted((outputs or {}).items())},
        "timed_outputs": sorted(timed_outputs),
        "parents": [dict(item) for item in parents],
    }
    record["result_digest"] = result_digest(record)
    return record | {"record_digest": digest(record)}


def result_digest(record: Mapping[str, Any]) -> str:
    """The digest of what came out, without time and circumstances: equal if it is made again.

    What is made from a result names its record and this, so that a result that was lost and made
    again with equal outputs still stands under it.
    """
    content = record["content"]
    result = content.get("result") or {}
    return digest(
        {
            "kind": record["kind"],
            "fingerprint": record["fingerprint"],
            "outputs": {
                name: facts["sha256"]
                for name, facts in record["outputs"].items()
                if name not in record["timed_outputs"]
            },
            "result": {name: one for name, one in result.items() if name != "device_seconds"},
            "metrics": untimed(content.get("metrics")),
            "status": content.get("status"),
            "winner": content.get("winner"),
        }
    )


def untimed(metrics: Any) -> Any:
    """Rows of metrics, those in seconds without their values, in which equal results differ.

    What are no rows, as in a damaged record, stays as it is.
    """
    if not isinstance(metrics, list):
        return metrics
    return [_without_time(row) for row in metrics]


def _without_time(row: Any) -> Any:
    if not isinstance(row, Mapping) or row.get("unit") != "s":
        return row
    return {name: one for name, one in row.items() if name != "value"}


def _described_repository(root: Path, sources: Path | None) -> dict[str, Any]:
    facts = dict(describe_repository(root))
    if "difference" not in facts:
        return facts
    copy = facts.pop("difference").encode(errors="surrogateescape")
    if sources is None:
        return facts | {"difference": copy[:DIFFERENCE_LIMIT].decode(errors="replace")}
    facts["difference_file"] = f"{facts['changes_digest']}.patch"
    place = sources / facts["difference_file"]
    if not place.exists():
        with replacing_file(place) as temporary:
            temporary.write_bytes(copy)
    return facts


def _attempt() -> int | None:
    text = os.environ.get(ATTEMPT_VARIABLE, "")
    return int(text) if text.isdecimal() else None


def parent(
    kind: str, fingerprint: str, path: Path, *, role: str | None = None, root: Path | None = None
) -> dict[str, str]:
    """A record's entry for what it was made from; ``path`` is the parent's own record file.

    ``role`` tells parents of one kind apart that serve for different things.
    """
    where = Path.cwd() if root is None else root
    shown = path.relative_to(where) if path.is_absolute() and path.is_relative_to(where) else path
    return {
        "kind": kind,
        "fingerprint": fingerprint,
        "path": shown.as_posix(),
        "sha256": sha256_file(where / path),
        "result_digest": read_json_object(where / path).get("result_digest", ""),
        **({} if role is None else {"role": role}),
    }


def describe_file(path: Path) -> dict[str, Any]:
    """A file's sha256 and size in bytes."""
    try:
        return {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    except OSError as error:
        raise UserError(f"an output cannot be read ({error.strerror})", place=str(path)) from error


def record_is_whole(record: Mapping[str, Any]) -> bool:
    """Whether the record still says what it said when it was written."""
    rest = {name: value for name, value in record.items() if name != "record_digest"}
    return record.get("record_digest") == digest(rest)


def refuse_newer_record(record: Mapping[str, Any], place: object) -> None:
    """Raise `NewerSchemaError` for a record that a newer version of this project wrote."""
    refuse_newer(record, SCHEMA_VERSION, "record", place)


def verify_outputs(record: Mapping[str, Any], directory: Path) -> list[str]:
    """What is wrong with a record and its files in ``directory``, one sentence each.

    Every byte that the record vouches for is read; an empty list means that all of it stands. A
    file that `NOT_KEPT` lists as the record has it may be absent.
    """
    findings = []
    if not record_is_whole(record):
        findings.append(f"{directory}: the record was changed after it was written")
    not_kept = _not_kept(directory)
    for name, expected in record.get("outputs", {}).items():
        path = directory / name
        if not path.exists() and name in not_kept and not_kept[name] == expected:
            continue
        if not path.is_file():
            findings.append(f"{path}: the file is missing")
        elif path.stat().st_size != expected["bytes"]:
            findings.append(
                f"{path}: {path.stat().st_size} bytes where the record says {expected['bytes']}"
            )
        elif (found := sha256_file(path)) != expected["sha256"]:
            findings.append(f"{path}: sha256 {found} where the record says {expected['sha256']}")
    return findings


def _not_kept(directory: Path) -> Mapping[str, Any]:
    path = directory / NOT_KEPT
    return read_json_object(path) if path.is_file() else {}


def slurm_facts() -> dict[str, str]:
    """The SLURM identity of this process; empty outside of a job."""
    names = {
        "SLURM_JOB_ID": "job",
        "SLURM_JOB_NAME": "name",
        "SLURM_JOB_PARTITION": "partition",
        "SLURM_CLUSTER_NAME": "cluster",
        "SLURM_JOB_NODELIST": "nodes",
        "SLURM_RESTART_COUNT": "restarts",
        "SLURM_JOB_ACCOUNT": "account",
        "SLURM_CPUS_PER_TASK": "cpus_per_task",
    }
    return {word: os.environ[name] for name, word in names.items() if name in os.environ}


def peak_memory() -> dict[str, int]:
    """The most bytes that this process has held, on the host and, where torch has one, the GPU."""
    unit = 1 if sys.platform == "darwin" else 1024
    peak = {"host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit}
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        peak["device_bytes"] = int(torch.cuda.max_memory_allocated())
    return peak
