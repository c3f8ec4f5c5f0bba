"""Packing many runs: seconds and the most memory held, anew, again, from packs alone, and reading.

    python benchmarks/packing.py [--runs 12000] [--kilobytes 100]

The runs are made up, in a temporary folder: a record of a real one's size, a history and a
checkpoint of random bytes. One run in five has won an evaluation.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workflow_src.archive.loose import remove_loose
from workflow_src.archive.rebuilding import rebuild_index
from workflow_src.archive.references import References
from workflow_src.archive.results import Results
from workflow_src.archive.writing import write_packs
from workflow_src.provenance.record import record_is_whole, verify_outputs
from workflow_src.storage import digest

PACKS = 24
PADDING = {f"module {number}": hashlib.sha256(b"%d" % number).hexdigest() for number in range(60)}


def make_run(root: Path, number: int, checkpoint: int) -> str:
    fingerprint = f"{number:016x}"
    name = f"runs/vae/set{number % PACKS}-gaussian/100pct-seed{number}-{fingerprint}"
    place = root / name
    place.mkdir(parents=True)
    files = {"history.parquet": os.urandom(2000), "checkpoint.safetensors": os.urandom(checkpoint)}
    outputs: dict[str, Any] = {}
    for file, data in files.items():
        (place / file).write_bytes(data)
        outputs[file] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
    content = {"code": {"modules": PADDING}}
    record = {"fingerprint": fingerprint, "content": content, "outputs": outputs}
    text = {**record, "record_digest": digest(record)}
    (place / "run.json").write_text(str(text).replace("'", '"'))
    return name


def read(root: Path) -> None:
    results = Results(root)
    for directory in results.directories("runs"):
        results.record(directory)


def timed(title: str, what: Callable[[], object]) -> None:
    started = time.perf_counter()
    what()
    seconds = time.perf_counter() - started
    megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{title:<28}{seconds:6.1f} s, at most {megabytes:.0f} MB of memory")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=12_000)
    parser.add_argument("--kilobytes", type=int, default=100, help="of one checkpoint")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "results"
        size = arguments.kilobytes * 1000
        names = [make_run(root, number, size) for number in range(arguments.runs)]
        wanted = References(frozenset(names), frozenset(names[::5]))

        def pack() -> None:
            write_packs(root, wanted, verify_outputs)

        timed("packing anew", pack)
        timed("packing again", pack)
        timed("removing loose directories", lambda: remove_loose(root))
        timed("packing from packs alone", pack)
        timed("reading all records", lambda: read(root))
        timed("making the index anew", lambda: rebuild_index(root, record_is_whole))


if __name__ == "__main__":
    main()
