"""Acceptances: code changes that were declared to change no result, in acceptances.yaml.

An accepted step's code keeps the *identity* of the code that it took the place of, and identities
are what fingerprints are made from: nothing that was made by the old code is made again. How a
change is tried before it is accepted is `workflow_src.changes`'.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from workflow_src.config.complaints import validate
from workflow_src.config.strict import StrictModel
from workflow_src.config.yaml_lines import dump_yaml, read_yaml
from workflow_src.errors import UserError
from workflow_src.storage import digest, explain, write_text

log = logging.getLogger(__name__)

FILE = "acceptances.yaml"

_LOCK_FILE = ".acceptances.lock"

_HEADING = """\
# Code changes that were declared to change no result: results of the old code count as results of
# the new. Written by `python -m workflow_src accept`; the evidence says what was run again and what
# was found. Taking an entry away has the results of that code made again.
"""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Replacement(StrictModel):
    """The digests of one step's code before and after the change."""

    old: Digest = Field(description="Digest of the code before.")
    new: Digest = Field(description="Digest of the code after.")


class Acceptance(StrictModel):
    """One accepted change: ``identifier`` is the digest of everything else in it."""

    identifier: str = Field(pattern=r"^[0-9a-f]{12}$", description="Digest of the rest.")
    why: str = Field(min_length=1, description="Why the change changes no result.")
    by: str = Field(min_length=1, description="Who says so.")
    at: str = Field(description="When, in UTC.")
    since: str = Field(description="The commit before the change.")
    until: str = Field(description="The commit after it, or what uncommitted changes it was.")
    steps: dict[str, Replacement] = Field(min_length=1, description="Code by step.")
    evidence: Annotated[
        tuple[dict[str, Any], ...], BeforeValidator(lambda v: tuple(v) if type(v) is list else v)
    ] = Field((), description="What was run again, and what was found.")


class Acceptances:
    """Every accepted change, in the order in which they were accepted.

    Raises
    ------
    UserError
        Two entries that give one code two identities, and entries that go in a circle.
    """

    def __init__(self, entries: tuple[Acceptance, ...], place: str = FILE) -> None:
        self.entries = entries
        self._place = place
        self._by_new: dict[tuple[str, str], Acceptance] = {}
        for entry in entries:
            for step, code in entry.steps.items():
                known = self._by_new.setdefault((step, code.new), entry)
                if known.steps[step].old != code.old:
                    raise self._refused(f"{known.identifier} and {entry.identifier} disagree")
        for step, new in self._by_new:
            self.chain(step, new)

    def identity(self, step: str, code: str) -> str:
        """What stands for ``code`` in fingerprints of ``step``: the oldest equivalent code."""
        chain = self.chain(step, code)
        return chain[-1].steps[step].old if chain else code

    def chain(self, step: str, code: str) -> tuple[Acceptance, ...]:
        """The acceptances that lead from ``code`` to its identity, the latest first."""
        chain: list[Acceptance] = []
        while (entry := self._by_new.get((step, code))) is not None:
            if entry in chain:
                raise self._refused(f"the acceptances of {step} go in a circle")
            chain.append(entry)
            code = entry.steps[step].old
        return tuple(chain)

    def _refused(self, problem: str) -> UserError:
        return UserError(problem, place=self._place, remedy="take one of the entries away")


def identifier_of(values: Mapping[str, Any]) -> str:
    """The identifier that an entry with these ``values`` has."""
    return digest({name: value for name, value in values.items() if name != "identifier"})[:12]


def read_acceptances(package_root: Path) -> Acceptances:
    """The acceptances of the package in ``package_root``; none where it has no such file.

    Raises
    ------
    UserError
        Also a file that does not say what it should, or an entry that was changed.
    """
    path = package_root / "plan" / FILE
    if not path.is_file():
        return Acceptances(())
    return _parsed(path.read_bytes(), path)


@functools.lru_cache(maxsize=8)
def _parsed(text: bytes, path: Path) -> Acceptances:
    document = read_yaml(path)
    content = validate(_File, document.value, document.place)
    for position, entry in enumerate(content.acceptances):
        if identifier_of(entry.model_dump(mode="json")) != entry.identifier:
            raise UserError(
                f"the acceptance {entry.identifier} was changed after it was written",
                place=document.place(("acceptances", position)),
                remedy="take the change back, or take the entry away and accept anew",
            )
    return Acceptances(content.acceptances, str(path))


def append_acceptance(package_root: Path, acceptance: Acceptance) -> None:
    """Add an entry to the file, which is checked as a whole before it is written.

    Entries that others add at the same time are kept.

    Raises
    ------
    UserError
        Also where another entry says the same of the same code.
    """
    path = package_root / "plan" / FILE
    with _locked(path.with_name(_LOCK_FILE)):
        before = read_acceptances(package_root)
        for one in before.entries:
            if one.steps == acceptance.steps:
                raise UserError(
                    f"the same change was accepted meanwhile, by {one.identifier}", place=str(path)
                )
        entries = (*before.entries, acceptance)
        Acceptances(entries, str(path))
        content = {"acceptances": [entry.model_dump(mode="json") for entry in entries]}
        write_text(path, _HEADING + dump_yaml(content))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel lets go when its holder ends; waits for another holder."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX)
            except OSError as error:
                log.warning("%s: no lock here (%s); accept one change at a time", path, error)
            yield
    except OSError as error:
        raise explain(error, path) from error


class _File(StrictModel):
    acceptances: Annotated[
        tuple[Acceptance, ...], BeforeValidator(lambda v: tuple(v) if type(v) is list else v)
    ] = Field((), description="Accepted changes, the oldest first.")
