"""A results directory with runs, measurements and evaluations of a few bytes each."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from workflow_src.archive.references import References, follow
from workflow_src.archive.results import KINDS, Results
from workflow_src.archive.writing import Summary, write_packs
from workflow_src.provenance.record import verify_outputs
from workflow_src.storage import digest, write_json

FAMILY = "vae/digits-gaussian"
MODULE = hashlib.sha256(b"def model(): ...").hexdigest()


class Tree:
    """Writes result directories as the jobs do."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.evaluations: list[str] = []

    def run(self, fingerprint: str, note: str = "", **facts: Any) -> str:
        """A finished run with a checkpoint of its own; its directory.

        With another ``note`` it has come out otherwise, with other ``facts`` its record differs.
        """
        files = {
            "checkpoint.safetensors": f"parameters of {fingerprint}{note}".encode() * 40,
            "history.parquet": f"history of {fingerprint}".encode(),
        }
        directory = f"runs/{FAMILY}/100pct-seed0-{fingerprint}"
        self.write(directory, "run.json", files, fingerprint=fingerprint, **facts)
        return directory

    def evaluation(self, fingerprint: str, runs: list[str], winner: str | None) -> str:
        """An evaluation that chose ``winner`` among ``runs``, with its measurement."""
        measurement = None
        parents = [self.parent("run", run, "run.json") for run in runs]
        if winner is not None:
            directory = f"measurements/{FAMILY}/{winner[-16:]}-{'m' * 16}"
            self.write(directory, "measurement.json", {"bounds.npz": b"bounds"})
            measurement = {"fingerprint": "m" * 16, "directory": f"results/{directory}"}
            parents.append(self.parent("measurement", directory, "measurement.json"))
        content = {
            "candidates": [
                {"fingerprint": run[-16:], "directory": f"results/{run}"} for run in runs
            ],
            "winner": winner[-16:] if winner else None,
            "measurement": measurement,
        }
        directory = f"evaluations/{FAMILY}/100pct-seed0-authors-full-{fingerprint}"
        result = digest([one["result_digest"] for one in parents])
        facts = {"fingerprint": fingerprint, "parents": parents, "result_digest": result}
        self.write(directory, "evaluation.json", {}, content=content, **facts)
        self.evaluations.append(directory)
        return directory

    def parent(self, kind: str, directory: str, record: str) -> dict[str, str]:
        """What records say of a directory that they were made from."""
        data = Results(self.root).read(directory, record)
        return {
            "kind": kind,
            "fingerprint": directory.rpartition("-")[2],
            "path": f"results/{directory}/{record}",
            "sha256": hashlib.sha256(data).hexdigest(),
            "result_digest": json.loads(data)["result_digest"],
        }

    def report(self, *evaluations: str) -> Path:
        """The manifest of a report of these evaluations."""
        path = self.root / "report" / f"manifest-{'9' * 16}.json"
        parents = [self.parent("evaluation", one, "evaluation.json") for one in evaluations]
        write_json(path, {"parents": parents})
        return path

    def write(self, directory: str, record: str, files: Mapping[str, bytes], **facts: Any) -> None:
        place = self.root / directory
        place.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (place / name).write_bytes(data)
        rest = {
            "fingerprint": "f" * 16,
            "git": {"difference_file": "changes.patch"},
            "outputs": {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
                for name, data in files.items()
            },
            "result_digest": digest(sorted((name, str(data)) for name, data in files.items())),
            **facts,
            "content": {"code": {"modules": {"models.vae": MODULE}}, **facts.get("content", {})},
        }
        write_json(place / record, rest | {"record_digest": digest(rest)})
        for name in (f"{MODULE}.py", "changes.patch", "nobody.py"):
            (self.root / "sources").mkdir(exist_ok=True)
            (self.root / "sources" / name).write_text(f"text of {name}\n")

    def remove_loose(self) -> None:
        """Nothing is left but packs."""
        for kind in (*KINDS, "sources"):
            shutil.rmtree(self.root / kind, ignore_errors=True)

    @property
    def wanted(self) -> References:
        """What all evaluations that were written refer to."""
        return follow(Results(self.root), self.evaluations)

    def pack(self, wanted: References | None = None, **options: Any) -> Summary:
        """Pack all of it, or what is given."""
        return write_packs(self.root, wanted or self.wanted, verify_outputs, **options)

    def packed(self) -> dict[str, bytes]:
        """Every file of the packs' folder."""
        return {path.name: path.read_bytes() for path in (self.root / "packed").iterdir()}

    def loose(self) -> dict[str, bytes]:
        """Every file of the loose directories."""
        return {
            path.relative_to(self.root).as_posix(): path.read_bytes()
            for kind in ("runs", "measurements", "evaluations")
            for path in sorted((self.root / kind).rglob("*"))
            if path.is_file()
        }


@pytest.fixture(autouse=True)
def no_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here outlives a machine, so nobody waits for its disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def empty(tmp_path: Path) -> Tree:
    """Nothing in it yet."""
    return Tree(tmp_path / "results")


@pytest.fixture
def tree(empty: Tree) -> Tree:
    """Two runs; the first won the only evaluation."""
    runs = [empty.run("a" * 16), empty.run("b" * 16)]
    empty.evaluation("e" * 16, runs, runs[0])
    return empty
