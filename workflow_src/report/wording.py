"""How numbers and names read: in tables, figures and on the page the same.

Nothing here knows a study, a model or a data set; titles come from their declarations.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from workflow_src.config import study_checks
from workflow_src.config.data_sets import COLLECTIONS, DATA_SETS
from workflow_src.config.experiments import Axis
from workflow_src.config.models import known_as, model_declarations

MINUS = "\N{MINUS SIGN}"
NOTHING = "-"

_MULTIPLES = {"thousand": 1e3, "million": 1e6}
_DECIMALS = {
    "nats": 2,
    "nats per dimension": 4,
    "nats per missing dimension": 4,
    "bits per dimension": 3,
    "samples": 1,
    "parameters": 0,
}
_TITLES = {
    "fraction": "Training images",
    # As a compared hyperparameter; those that a bound is measured with are no axis.
    "importance_samples": "Importance samples in training",
}
_AXES = get_args(Axis)
_LIKELIHOODS = {
    "gaussian": "Gaussian",
    "binomial": "Binomial",
    "bernoulli": "Bernoulli",
    "discretised_logistic": "discretised logistics",
    "gaussian_noise": "Gaussian noise",
}
PROPER_NAMES = {
    "nvil": "NVIL",
    "muprop": "MuProp",
    "rebar": "REBAR",
    "concrete": "Concrete",
    "boltzmann_machine": "Boltzmann machine",
    "bernoulli": "Bernoulli",
    "kl_balancing": "KL balancing",
    "em": "EM",
    "expectation_maximisation": "EM",
    "variational": "VAE",
    "relu": "ReLU",
    "leaky_relu": "leaky ReLU",
    "gaussian": "Gaussian",
    "laplace": "Laplace",
}
"""Names of methods, and of hyperparameters after them, that are not written as words."""

CLAIMS_STEM = study_checks.CLAIMS_STEM
"""Name of the files of a study's claims, after the study's name."""
CLAIMS_DETAILS = "## "
"""Starts the part of their Markdown file that tells every claim in full."""

STREAMS = {
    "full": "Every training image once per epoch.",
    "restart": "A shuffle buffer that starts again every 128 batches and so never reaches most "
    "images, as in the authors' program.",
}
"""What the streams of training images are, in a sentence each."""


def number(value: float, unit: str) -> str:
    """A value as tables show it: nats with one decimal, counts with thousands separators."""
    if unit not in _DECIMALS:
        return f"{value:.4g}"
    decimals = _DECIMALS[unit]
    text = f"{value:.{decimals}f}" if decimals else f"{value:,.0f}"
    # A difference that rounds to nothing has no sign.
    return text.removeprefix("-") if float(text.replace(",", "")) == 0 else text


def signed(value: float, unit: str) -> str:
    """A difference as tables show it, with its sign."""
    text = number(value, unit)
    return text if text.startswith("-") or float(text.replace(",", "")) == 0 else f"+{text}"


def typeset(text: str) -> str:
    """The text with a true minus sign before numbers that start with a hyphen."""
    return re.sub(r"(?<![^\s\[])-(?=\d)", MINUS, text)


def converted(value: float, unit: str, target: str) -> float | None:
    """A number of "thousand parameters" in "parameters", say, or of "percent" as a "share".

    None where units do not compare.
    """
    word, _, rest = unit.partition(" ")
    if unit == target:
        return value
    if (unit, target) == ("percent", "share"):
        return value / 100
    return value * _MULTIPLES[word] if word in _MULTIPLES and rest == target else None


def axis_title(axis: str) -> str:
    """The heading of one axis or hyperparameter."""
    return _TITLES.get(axis) or PROPER_NAMES.get(axis) or sentence(axis)


def axis_value(axis: str, value: Any) -> str:
    """One value of an axis or hyperparameter as people call it; a dash where a model has none."""
    if value is None:
        return NOTHING
    if axis == "fraction":
        return f"{value * 100:.10g} %"
    if axis == "model" and value in model_declarations():
        return model_declarations()[value].title
    if axis == "data_set" and value in DATA_SETS:
        return DATA_SETS[value].title
    if axis == "data_set" and value in COLLECTIONS:
        return COLLECTIONS[value].title
    if axis == "likelihood":
        return _LIKELIHOODS.get(value, str(value))
    if _is_named(axis, value):
        return str(known_as(axis, value))
    return PROPER_NAMES.get(str(value)) or str(value).replace("_", " ")


def hyperparameter_text(name: str, value: Any) -> str:
    """A compared hyperparameter with its value; a choice speaks for itself.

    One that several hyperparameters have does not: "normal global latents".
    """
    title = PROPER_NAMES.get(name) or axis_title(name).lower()
    if value is None or (value == "none" and value in _ambiguous_choices()):
        return f"no {title}"
    text = axis_value(name, value)
    if _is_named(name, value):
        return f"{title} {text}"
    if isinstance(value, str):
        return f"{text} {title}" if value in _ambiguous_choices() else text
    return f"{title} {text}"


def _is_named(name: str, value: Any) -> bool:
    """Whether a value is a layout that has a name."""
    return bool(known_as(name, value) != value)


@functools.cache
def _ambiguous_choices() -> frozenset[str]:
    """The values of choices that hyperparameters of different names have."""
    names: dict[str, set[str]] = {}
    for model in model_declarations().values():
        for name, one in model.hyperparameters.items():
            for value in one.choices or ():
                names.setdefault(value, set()).add(name)
    return frozenset(value for value, of in names.items() if len(of) > 1)


def heading_text(name: str, value: Any) -> str:
    """A value where no title stands over it: numbers of hyperparameters say whose they are."""
    return axis_value(name, value) if name in _AXES else hyperparameter_text(name, value)


def plain_key(names: Sequence[str], key: Sequence[Any]) -> list[str]:
    """Values as programs read them, those of hyperparameters as ``name=value``."""
    return [
        plain(value) if name in _AXES else f"{name}={plain(known_as(name, value))}"
        for name, value in zip(names, key, strict=True)
    ]


def sentence(name: str) -> str:
    """A name with underscores as the start of a sentence."""
    text = name.replace("_", " ")
    return text[:1].upper() + text[1:]


def described(hyperparameters: Mapping[str, Any]) -> str:
    """Hyperparameters as one line of words."""
    return ", ".join(
        f"{name.replace('_', ' ')} {known_as(name, value)}"
        for name, value in hyperparameters.items()
    )


def plain(value: Any) -> str:
    """One value of an axis as programs read it."""
    return "none" if value is None else str(value)


def listed(words: Iterable[str]) -> str:
    """Words joined as in a sentence: "a, b and c"."""
    *first, last = list(words)
    return f"{', '.join(first)} and {last}" if first else last


def counted(count: int, noun: str) -> str:
    """ "1 run", "2 runs"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if not math.isfinite(seconds):
        return "unknown"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
