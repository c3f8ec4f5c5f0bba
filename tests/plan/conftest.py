"""A small package of the real one's module names, so that tests can edit code as they like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.stub_modules import with_stubs

from workflow_src.config.loading import settings_from_mapping
from workflow_src.config.settings import Settings

SOURCES = {
    "__init__.py": '"""A package."""\n',
    "models/__init__.py": "",
    "compute.py": "THREADS = 1\n",
    "models/building.py": "KINDS = 2\n",
    "models/spvae/drawing.py": "from workflow_src.models.spvae.model import LEAVES\n\nROWS = 4\n",
    "models/vae/drawing.py": "from workflow_src.models.vae.model import SAMPLES\n\nROWS = 1\n",
    "models/shared.py": "def add(a, b):\n    return a + b\n",
    "models/spvae/__init__.py": "",
    "models/spvae/model.py": "from workflow_src.models.shared import add\n\nLEAVES = 32\n",
    "models/vae/__init__.py": "",
    "models/vae/model.py": "from workflow_src.models import shared\n\nSAMPLES = 5\n",
    "models/conv_spvae/model.py": "from workflow_src.models.shared import add\n\nFILTERS = 4\n",
    "models/conv_spvae/drawing.py": "ROWS = 4\n",
    "models/conv_vae/model.py": "from workflow_src.models import shared\n\nFILTERS = 32\n",
    "models/conv_vae/drawing.py": "ROWS = 1\n",
    "models/discrete_vae/model.py": "from workflow_src.models.shared import add\n\nUNITS = 200\n",
    "models/dvaepp/model.py": "from workflow_src.models.shared import add\n\nGROUPS = 16\n",
    "models/deep_generative_network/model.py": "from workflow_src.models.shared import add\n",
    "train/__init__.py": "",
    "train/gradient/__init__.py": "",
    "train/gradient/trainer.py": "from . import stopping\n\nRATE = 0.9\n",
    "train/gradient/stopping.py": "PATIENCE = 11\n",
    "train/annealed/trainer.py": "STEPS = 3\n",
    "train/piecewise_affine/trainer.py": "EPOCHS = 150\n",
    "data/__init__.py": "",
    "data/preparation.py": "from workflow_src.errors import UserError\n\nNOISE = 1 / 255\n",
    "errors.py": "class UserError(Exception):\n    pass\n",
    "data/arrays.py": "SPLITS = 3\n",
    "data/prepared.py": "from . import arrays\n\nRECORD = 'record.json'\n",
    "train/bank.py": "from workflow_src.data import arrays\n\nRESULTS = 5\n",
    "train/checkpoints.py": "TENSORS = 'safetensors'\n",
    "evaluate/__init__.py": "",
    "evaluate/leaf_models/measurement.py": "CHUNK = 64\n",
    "evaluate/latent_variables/measurement.py": "DRAWS = 5\n",
    "evaluate/exact_densities/measurement.py": "REGIONS = 9\n",
    "evaluate/selection.py": "BEST = max\n",
    "report/__init__.py": "",
    "report/report.py": "TITLE = 'Report'\n",
    "report/page.html": "<html></html>\n",
    "nobody_imports_this.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The folder of the small package."""
    folder = tmp_path / "code" / "workflow_src"
    for name, text in with_stubs(SOURCES).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty directory that the settings' paths are relative to."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """Settings of the first study with the given keys, the rest by default."""

    def make(**keys: Any) -> Settings:
        return settings_from_mapping({"studies": ["spvae"], **keys})

    return make
