"""Variables of a MATLAB file as arrays, with one way of complaining about damaged ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.raw import DataError, missing


def matlab_variables(path: Path, names: Sequence[str], expected: str) -> dict[str, NDArray[Any]]:
    """The named variables; ``expected`` says in complaints what the file should be.

    Raises
    ------
    DataError
        For a file that is missing, damaged or has no variable of such a name.
    """
    from scipy.io import loadmat

    try:
        with path.open("rb") as stream:
            content = loadmat(stream, variable_names=list(names))
        return {name: np.asarray(content[name]) for name in names}
    except FileNotFoundError:
        raise missing(path, expected) from None
    except KeyError as error:
        raise DataError(f"has no variable {error}", path, expected) from None
    except Exception as error:
        # scipy's reader fails on damaged files in many ways, from TypeError to zlib.error.
        raise DataError(f"cannot be read ({error})", path, expected) from None
