"""Names that say what a result was made from: the hash of spec, data recipe and code closure.

Equal fingerprints mean that a result need not be made again. The environment is recorded beside
results and does not enter; titles, addresses and other words do not either.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workflow_src.config.data_sets import DataSet
from workflow_src.config.models import model_declaration, trainer_declaration
from workflow_src.plan.closure import Closure, code_closure
from workflow_src.plan.specs import RunSpec
from workflow_src.storage import digest

LENGTH = 16
"""Hexadecimal digits of a fingerprint."""

BEYOND = ("config", "errors", "provenance", "storage")
"""Parts of the package that no code closure enters.

Configuration reaches results through specs and recipes alone; the others say how things are
written, told and recorded, never what is computed.
"""


_COMPUTING = ("workflow_src.compute", "workflow_src.models.building")
"""What every step that computes with a model goes through."""


ENVIRONMENT = "(environment)"
"""What the versions of installed libraries are called among a closure's modules."""


class Closures:
    """The code closure of every kind of step, each found once.

    Where ``environment`` is true, the versions of the libraries that compute count as code of
    training and evaluation, under the name `ENVIRONMENT`.
    """

    def __init__(self, package_root: Path, *, environment: bool = False) -> None:
        self.package_root = package_root
        self.environment = environment
        self._known: dict[tuple[str, ...], Closure] = {}

    def of_model(self, model: str) -> Closure:
        """The code that a run of ``model`` can depend on: the model's and its trainer's."""
        declaration = model_declaration(model)
        trainer = trainer_declaration(declaration.trainer).module
        return self._of(declaration.module, trainer, *_COMPUTING)

    def of_preparation(self) -> Closure:
        """The code that prepared data can depend on."""
        return self._of("workflow_src.data.preparation")

    def of_measurement(self, model: str) -> Closure:
        """The code that a measurement of ``model`` can depend on, beside what trained it."""
        return self._of("workflow_src.evaluate.measurement", _drawing(model), *_COMPUTING)

    def of_evaluation(self, model: str) -> Closure:
        """The code that the choice of a winner and its measurement can depend on."""
        return self._of(
            "workflow_src.evaluate.measurement",
            "workflow_src.evaluate.selection",
            _drawing(model),
            *_COMPUTING,
        )

    def of_report(self) -> Closure:
        """The code that tables, figures and the page can depend on."""
        return self._of("workflow_src.report.report")

    def _of(self, *roots: str) -> Closure:
        if roots not in self._known:
            beyond = [f"{self.package_root.name}.{part}" for part in BEYOND]
            found = code_closure(roots, self.package_root, beyond=beyond)
            if self.environment and set(_COMPUTING) <= set(roots):
                modules = found.modules | {ENVIRONMENT: digest(_computing_versions())}
                found = Closure(digest(modules), modules)
            self._known[roots] = found
        return self._known[roots]


def _computing_versions() -> dict[str, str]:
    """The versions that numbers may depend on, found without importing what they are of."""
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python, **{name: version(name) for name in ("numpy", "torch")}}


def _drawing(model: str) -> str:
    """The module that puts a model's images together, beside the module of the model itself."""
    return model_declaration(model).module.removesuffix("model") + "drawing"


def data_recipe(data_set: DataSet, likelihood: str) -> dict[str, Any]:
    """What prepared data are made from, but for the code: source files by digest, shape, sizes."""
    files = {file.name: file.sha256 or file.md5 or "unknown" for file in data_set.files}
    return {
        "data_set": data_set.name,
        "likelihood": likelihood,
        "reader": data_set.reader,
        "shape": list(data_set.shape),
        "levels": data_set.levels,
        "sizes": data_set.sizes.model_dump(),
        "files": files,
    }


def prepared_fingerprint(recipe: Mapping[str, Any], code: Closure) -> str:
    """The name of one data set prepared for one likelihood."""
    return _short({"recipe": recipe, "code": code.digest})


def run_fingerprint(spec: RunSpec, prepared: str, code: Closure) -> str:
    """The name of one training; ``prepared`` is the fingerprint of its data."""
    return _short({"spec": spec.canonical(), "data": prepared, "code": code.digest})


def measurement_fingerprint(run: str, measures: Mapping[str, Any], code: Closure) -> str:
    """The name of what is measured on one run; ``run`` is its fingerprint."""
    return _short({"run": run, "measures": measures, "code": code.digest})


def evaluation_fingerprint(runs: Iterable[str], measures: Mapping[str, Any], code: Closure) -> str:
    """The name of the choice among ``runs`` and of what is measured on the winner."""
    return _short({"runs": sorted(runs), "measures": measures, "code": code.digest})


def report_fingerprint(shown: Mapping[str, Any], code: Closure, package_root: Path) -> str:
    """The name of tables, figures and page; ``shown`` is all that they are made from."""
    templates = _files_digest(package_root / "report")
    return _short({"shown": shown, "code": code.digest, "templates": templates})


def _short(value: Any) -> str:
    return digest(value)[:LENGTH]


def _files_digest(folder: Path) -> dict[str, str]:
    """The files beside the code, such as page templates, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in (".py", ".pyc") and path.name[0] != "."
    }
