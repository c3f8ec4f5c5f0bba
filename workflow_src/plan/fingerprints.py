"""Names that say what a result was made from: the hash of spec, data recipe and code closure.

Equal fingerprints mean that a result need not be made again. The environment is recorded beside
results and does not enter; titles, addresses and other words do not either.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import DataSet, data_set
from workflow_src.config.models import model_declaration, trainer_declaration
from workflow_src.plan.acceptances import Acceptances, read_acceptances
from workflow_src.plan.closure import code_closure
from workflow_src.plan.specs import RunSpec
from workflow_src.storage import digest

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""

BEYOND = ("archive", "config", "errors", "provenance", "storage")
"""Parts of the package that no code closure enters.

Configuration reaches results through specs and recipes alone; the others say how things are
written, read, told and recorded, never what is computed.
"""

PREPARATION = "preparation"
REPORT = "report"

_COMPUTING = (
    "workflow_src.compute",
    "workflow_src.data.prepared",
    "workflow_src.models.building",
    "workflow_src.train.checkpoints",
)
"""What every step that computes with a model goes through."""


ENVIRONMENT = "(environment)"
"""What the versions of installed libraries are called among a closure's modules."""


@dataclass(frozen=True)
class Code:
    """The code that a step's result can depend on.

    Attributes
    ----------
    step:
        What it is the code of, as acceptances name it.
    digest:
        Of ``modules``.
    modules:
        The digest of every module by its name, as `workflow_src.plan.closure` finds them.
    identity:
        What fingerprints are made from: ``digest``, or that of the code which this one was accepted
        to be equivalent to.
    """

    step: str
    digest: str
    modules: dict[str, str]
    identity: str


class Closures:
    """The code of every kind of step, each found once.

    Where ``environment`` is true, the versions of the libraries that compute count as code of
    training and evaluation, under the name `ENVIRONMENT`.
    """

    def __init__(self, package_root: Path, *, environment: bool = False) -> None:
        self.package_root = package_root
        self.environment = environment
        self.acceptances = read_acceptances(package_root)
        self._known: dict[str, Code] = {}

    @property
    def known(self) -> tuple[Code, ...]:
        """The code of every step that was asked for so far."""
        return tuple(self._known.values())

    def of_model(self, model: str) -> Code:
        """The code that a run of ``model`` can depend on: the model's and its trainer's."""
        declaration = model_declaration(model)
        trainer = trainer_declaration(declaration.trainer).module
        roots = (declaration.module, trainer, "workflow_src.train.bank", *_COMPUTING)
        return self._of(f"training of {model}", *roots)

    def of_preparation(self) -> Code:
        """The code that prepared data can depend on."""
        return self._of(PREPARATION, "workflow_src.data.preparation", "workflow_src.data.arrays")

    def of_measurement(self, model: str) -> Code:
        """The code that a measurement of ``model`` can depend on, beside what trained it."""
        return self._of(f"measurement of {model}", *_measuring(model), *_COMPUTING)

    def of_evaluation(self, model: str) -> Code:
        """The code that the choice of a winner and its measurement can depend on."""
        return self._of(
            f"evaluation of {model}",
            "workflow_src.evaluate.selection",
            *_measuring(model),
            *_COMPUTING,
        )

    def of_report(self) -> Code:
        """The code that tables, figures and the page can depend on."""
        return self._of(REPORT, "workflow_src.report.report")

    def _of(self, step: str, *roots: str) -> Code:
        if step not in self._known:
            beyond = [f"{self.package_root.name}.{part}" for part in BEYOND]
            found = code_closure(roots, self.package_root, beyond=beyond)
            identity = self.acceptances.identity(step, found.digest)
            code = Code(step, found.digest, found.modules, identity)
            if self.environment and set(_COMPUTING) <= set(roots):
                code = _with_environment(code)
            self._known[step] = code
        return self._known[step]


def identity_of(step: str, modules: Mapping[str, str], acceptances: Acceptances) -> str:
    """The identity of the code that a record names by its ``modules``."""
    bare = {name: one for name, one in modules.items() if name != ENVIRONMENT}
    identity = acceptances.identity(step, digest(bare))
    if ENVIRONMENT not in modules:
        return identity
    return _identity_with_environment(identity, modules[ENVIRONMENT])


def _with_environment(code: Code) -> Code:
    versions = digest(_computing_versions())
    modules = code.modules | {ENVIRONMENT: versions}
    identity = _identity_with_environment(code.identity, versions)
    return Code(code.step, digest(modules), modules, identity)


def _identity_with_environment(identity: str, versions: str) -> str:
    return digest({"code": identity, ENVIRONMENT: versions})


def _computing_versions() -> dict[str, str]:
    """The versions that numbers may depend on, found without importing what they are of."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in ("numpy", "torch")}}


def _measuring(model: str) -> tuple[str, ...]:
    """The module that measures a model, and the one that draws it, if it has one."""
    declaration = model_declaration(model)
    drawing = () if declaration.drawing is None else (declaration.drawing,)
    return (declaration.measurement, *drawing)


def data_recipe(facts: DataSet, likelihood: str) -> dict[str, Any]:
    """What prepared data are made from, but for the code: source files by digest, shape, sizes.

    What only some data have (channels, a training label, anomalies, another data set that they are
    part of, with its own recipe) is told of these alone, so that the others keep the recipe that
    they had before.
    """
    files = {
        file.name: file.sha256 or file.git_blob or file.md5 or "unknown" for file in facts.files
    }
    return {
        "data_set": facts.name,
        "likelihood": likelihood,
        "reader": facts.reader,
        "shape": list(facts.shape),
        "levels": facts.largest_count,
        "sizes": facts.sizes.model_dump(),
        "files": files,
        **({} if facts.channels == 1 else {"channels": facts.channels}),
        **({} if facts.training_label is None else {"training_label": facts.training_label}),
        **({} if facts.anomalies == 0 else {"anomalies": facts.anomalies}),
        **_part(facts, likelihood),
    }


def _part(part: DataSet, likelihood: str) -> dict[str, Any]:
    """What is kept of which data set; nothing of one that is no part of another."""
    if part.part_of is None:
        return {}
    whole = data_set(part.part_of)
    return {
        "training_labels": list(part.training_labels),
        "part_of": data_recipe(whole, likelihood),
    }


def prepared_fingerprint(recipe: Mapping[str, Any], code: Code) -> str:
    """The name of one data set prepared for one likelihood."""
    return _short({"recipe": recipe, "code": code.identity})


def run_fingerprint(spec: RunSpec, prepared: str, code: Code) -> str:
    """The name of one training; ``prepared`` is the fingerprint of its data."""
    return _short({"spec": spec.canonical(), "data": prepared, "code": code.identity})


def measurement_fingerprint(
    run: str, measures: Mapping[str, Any], code: Code, judges: Iterable[str] = ()
) -> str:
    """The name of what is measured on one run; ``run`` is its fingerprint.

    ``judges`` are the fingerprints of the runs that judge what it draws.
    """
    named = _judges(judges)
    return _short({"run": run, "measures": measures, "code": code.identity, **named})


def evaluation_fingerprint(
    runs: Iterable[str], measures: Mapping[str, Any], code: Code, judges: Iterable[str] = ()
) -> str:
    """The name of the choice among ``runs`` and of what is measured on the winner, with judges."""
    named = _judges(judges)
    return _short({"runs": sorted(runs), "measures": measures, "code": code.identity, **named})


def _judges(judges: Iterable[str]) -> dict[str, list[str]]:
    """What only measurements with judges have, so that others keep their names."""
    named = sorted(judges)
    return {"judges": named} if named else {}


def report_fingerprint(shown: Mapping[str, Any], code: Code, package_root: Path) -> str:
    """The name of tables, figures and page; ``shown`` is all that they are made from."""
    templates = _files_digest(package_root / "report")
    return _short({"shown": shown, "code": code.identity, "templates": templates})


def _short(value: Any) -> str:
    return digest(value)[:LENGTH]


def _files_digest(folder: Path) -> dict[str, str]:
    """The files beside the code, such as page templates, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name[0] != "."
    }
