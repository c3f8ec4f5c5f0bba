"""How much memory a training takes, for models that say so: models/<name>/size.py, found by name.

Such a module imports neither numpy nor torch. It has

    training_bytes(values: Mapping[str, Scalar], shape: tuple[int, int], channels: int) -> int

for one run: its parameters, statistics, and what it holds of one batch. ``values`` are the
hyperparameters of model and trainer by name, all resolved. A model without such a module says
nothing, and no cap holds for it.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
from collections.abc import Callable, Mapping

from workflow_src.config.data_sets import DataSet
from workflow_src.config.models import model_declaration
from workflow_src.config.strict import Scalar

TrainingBytes = Callable[[Mapping[str, Scalar], tuple[int, int], int], int]


def training_bytes(model: str, values: Mapping[str, Scalar], facts: DataSet) -> int | None:
    """Bytes that training one run takes on images of a data set; None where nobody says."""
    known = _known(model)
    return None if known is None else known(values, facts.shape, facts.channels)


@functools.cache
def _known(model: str) -> TrainingBytes | None:
    name = f"{model_declaration(model).module.rpartition('.')[0]}.size"
    if importlib.util.find_spec(name) is None:
        return None
    found: TrainingBytes = importlib.import_module(name).training_bytes
    return found
