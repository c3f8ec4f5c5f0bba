"""A small package with results of its own: planned, pretended to be made, edited, planned again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support.stub_modules import with_stubs
from support.studies import tiny_study
from workflow_src.changes.explaining import explain
from workflow_src.changes.reasons import Explanation
from workflow_src.config.loading import settings_from_mapping
from workflow_src.plan.fingerprints import Code
from workflow_src.plan.memberships import write_memberships
from workflow_src.plan.plan import Plan, build_plan

_SOURCES = {
    "__init__.py": "",
    "compute.py": "",
    "models/__init__.py": "",
    "models/building.py": "",
    "models/shared.py": "def add(a, b):\n    return a + b\n\n\ndef double(a):\n    return 2 * a\n",
    "models/spvae/__init__.py": "",
    "models/spvae/model.py": "from workflow_src.models.shared import add\n\nLEAVES = 32\n",
    "models/spvae/drawing.py": "ROWS = 4\n",
    "models/vae/__init__.py": "",
    "models/vae/model.py": (
        "from workflow_src.models import shared\n\n\nclass Vae:\n    hidden = 3\n\n"
        "    def encode(self, x):\n        return x\n\n    def decode(self, z):\n        return z\n"
    ),
    "models/vae/drawing.py": "ROWS = 1\n",
    "models/conv_spvae/model.py": "FILTERS = 4\n",
    "models/conv_spvae/drawing.py": "ROWS = 4\n",
    "models/conv_vae/model.py": "FILTERS = 32\n",
    "models/conv_vae/drawing.py": "ROWS = 1\n",
    "train/__init__.py": "",
    "train/gradient/__init__.py": "",
    "train/gradient/trainer.py": "RATE = 0.9\n",
    "train/annealed/trainer.py": "STEPS = 3\n",
    "train/piecewise_affine/trainer.py": "EPOCHS = 150\n",
    "models/discrete_vae/model.py": "UNITS = 200\n",
    "models/dvaepp/model.py": "GROUPS = 16\n",
    "models/deep_generative_network/model.py": "LEAK = 0.1\n",
    "evaluate/latent_variables/measurement.py": "DRAWS = 5\n",
    "evaluate/exact_densities/measurement.py": "REGIONS = 9\n",
    "data/__init__.py": "",
    "train/bank.py": "",
    "train/checkpoints.py": "",
    "data/arrays.py": "",
    "data/prepared.py": "",
    "data/preparation.py": "def scale(x):\n    return x / 255\n",
    "evaluate/__init__.py": "",
    "evaluate/leaf_models/measurement.py": "def measure(x):\n    return x\n",
    "evaluate/selection.py": "def choose(candidates):\n    return max(candidates)\n",
    "report/__init__.py": "",
    "report/report.py": "TITLE = 'Report'\n",
}

SOURCES = with_stubs(_SOURCES)

STUDY = tiny_study(
    spvae=[{"hidden_units": [2, 3], "latent_dimensions": [1]}],
    vae=[{"hidden_units": [4, 8], "latent_dimensions": [2]}],
)


@dataclass
class World:
    """Code, settings, a study and results, all to be changed at will.

    ``study`` is written to a file at every planning; ``settings`` go beside it.
    """

    package: Path
    root: Path
    study: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(STUDY)))
    settings: dict[str, Any] = field(default_factory=lambda: {"seeds": [0]})
    commit: str | None = None

    def plan(self) -> Plan:
        path = self.root / "tiny.yaml"
        path.write_text(yaml.safe_dump(self.study))
        settings = settings_from_mapping({"studies": [str(path)], **self.settings})
        return build_plan(settings, package_root=self.package, root=self.root)

    def explain(self) -> Explanation:
        return explain(self.plan())

    def edit(self, module: str, before: str, now: str) -> None:
        path = self.package / module
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, now))

    def grid(self) -> dict[str, Any]:
        """The experiment's grid, to be changed."""
        grid: dict[str, Any] = self.study["experiments"]["table1"]["scales"]["demo"]
        return grid

    def finish(self) -> Plan:
        """Everything that is planned and missing is there, with records like real ones."""
        plan = self.plan()
        write_memberships(plan)
        for data in plan.prepared:
            content = {"recipe": data.recipe, "code": code_of(plan.closures.of_preparation())}
            self._write(plan.root / data.record, "prepared", data.fingerprint, content)
        for name in plan.missing:
            run = plan.runs[name]
            content = {
                "spec": run.spec.canonical(),
                "data": run.prepared.fingerprint,
                "data_recipe": run.prepared.recipe,
                "code": code_of(plan.closures.of_model(run.spec.model)),
                "result": {"device_seconds": 360.0},
            }
            self._write(plan.root / run.record, "run", name, content)
        for one in plan.evaluations:
            if not one.exists:
                model = str(one.axes["model"])
                content = {
                    "axes": one.axes,
                    "measures": one.measures,
                    "candidates": [
                        {"fingerprint": name, "spec": plan.runs[name].spec.canonical()}
                        for name in one.runs
                    ],
                    "code": code_of(plan.closures.of_evaluation(model)),
                }
                self._write(plan.root / one.path, "evaluation", one.fingerprint, content)
        content = {"code": code_of(plan.closures.of_report())}
        parents = [{"fingerprint": one.fingerprint} for one in plan.evaluations]
        manifest = plan.root / plan.layout.report_manifest(plan.report)
        self._write(manifest, "report", plan.report, content, parents)
        return plan

    def _write(
        self, path: Path, kind: str, name: str, content: dict[str, Any], parents: Iterable[Any] = ()
    ) -> None:
        record = {
            "schema_version": 2,
            "kind": kind,
            "fingerprint": name,
            "content": content,
            "environment": {"python": "3.12.0", "packages": {}},
            "machine": {"gpu": None, "host": "somewhere"},
            "git": {"commit": self.commit},
            "time": {"ended": "2026-01-02T03:04:05.000+00:00"},
            "outputs": {},
            "parents": list(parents),
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(record))


def code_of(code: Code) -> dict[str, Any]:
    """What records say of code."""
    return {"digest": code.digest, "identity": code.identity, "modules": code.modules}
