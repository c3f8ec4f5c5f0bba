"""Ways to spoil one file of a finished workflow, and to mend it again."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from workflow_src.audit.audit import audit_results
from workflow_src.audit.findings import Report
from workflow_src.config.loading import load_layered
from workflow_src.plan.plan import Plan, build_plan


class World:
    """A finished workflow in the working directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def plan(self, **keys: Any) -> Plan:
        """The plan of its config.yaml."""
        return build_plan(load_layered([Path("config.yaml")]), **keys)

    def audit(self, **keys: Any) -> Report:
        """The audit of what lies there now, in this process."""
        return audit_results(self.plan(**keys), jobs=1)

    def files(self, *patterns: str) -> list[Path]:
        """The files that match, which must be some."""
        found = sorted({path for p in patterns for path in Path().glob(p) if path.is_file()})
        assert found, patterns
        return found

    def file(self, *patterns: str) -> Path:
        """The first of them."""
        return self.files(*patterns)[0]


@contextlib.contextmanager
def mended(*paths: Path) -> Iterator[None]:
    """Put these files back as they were, also those that were not there."""
    before = {path: path.read_bytes() if path.exists() else None for path in paths}
    try:
        yield
    finally:
        for path, data in before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(data)


def flip_a_bit(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def cut_off(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data))])


def append_a_byte(path: Path, chance: random.Random) -> None:
    path.write_bytes(path.read_bytes() + bytes([chance.randrange(256)]))


def exchange_two_bytes(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    first = chance.randrange(len(data))
    second = chance.choice([at for at, value in enumerate(data) if value != data[first]])
    data[first], data[second] = data[second], data[first]
    path.write_bytes(data)


def remove(path: Path, chance: random.Random) -> None:
    path.unlink()


CHANGES: tuple[Callable[[Path, random.Random], None], ...] = (
    flip_a_bit,
    flip_a_bit,
    flip_a_bit,
    exchange_two_bytes,
    cut_off,
    append_a_byte,
)
