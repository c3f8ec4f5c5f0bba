"""Which files a measurement of an exact density must have beside it, and of what shapes.

Both follow from what was asked for and from the sizes of the model and the data, not from the rows
that the files are to explain. Sizes that nothing else tells must agree within a file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from workflow_src.audit import exact_densities
from workflow_src.audit.exact_densities import LOG_LIKELIHOODS
from workflow_src.audit.findings import Notes
from workflow_src.audit.numbers import arrays_of

_Shape = tuple[int | str, ...]
_Check = Callable[[str, Mapping[str, Any], bytes, Notes], None]

_EXACT, _SHOWN = 3, 2
"""Latent dimensions up to which masses are exact, and up to which the latent space is drawn."""

_SMALL = 8
"""Values of a point up to which covariances of components are kept."""

_SHAPES: Mapping[str, Mapping[str, _Shape]] = {
    "partition.npz": {
        "window": ("S", 2),
        "slopes": ("R", "D", "S"),
        "offsets": ("R", "D"),
        "colours": ("R", 3),
        "log_prior_mass": ("R",),
        "discovery_steps": ("R",),
    },
    "triangulation.npz": {"triangles": ("T", 3, 2), "region": ("T",), "window": (2, 2)},
    "marginal.npz": {
        "first": ("G",),
        "second": ("G",),
        "log_density": ("G", "G"),
        "test": ("shown test points", 2),
        "train": ("shown training points", 2),
    },
    "posteriors.npz": {
        "points": ("P", "D"),
        "kinds": ("P",),
        "drawn_latents": ("P", "S"),
        "log_likelihood": ("P",),
        "mean": ("P", "S"),
        "covariance": ("P", "S", "S"),
        "region_probabilities": ("P", "R"),
        "reconstructions": ("P", "D"),
    },
    "zero_noise.npz": {
        "points": ("P", "D"),
        "latents": ("P", "S"),
        "reconstructions": ("P", "D"),
        "regions": ("P",),
        "penalised_latents": ("P", "S"),
        "clipped_latents": ("P", "S"),
        "clip": (),
        "noise_standard_deviations": ("V",),
        "means": ("V", "P", "S"),
        "standard_deviations": ("V", "P", "S"),
    },
    "components.npz": {
        "log_weights": ("R",),
        "slopes": ("R", "D", "S"),
        "offsets": ("R", "D"),
        "means": ("R", "D"),
        "latent_means": ("R", "S"),
        "latent_covariances": ("R", "S", "S"),
    },
}
"""S latent dimensions, D values of a point and R regions are known; others agree within a file."""

_OF_LINES: Mapping[str, Mapping[str, _Shape]] = {
    "partition.npz": {"lower": ("R",), "upper": ("R",)},
    "posteriors.npz": {
        "latents": ("G",),
        "log_density": ("P", "G"),
        "modes": ("P",),
        "boundaries": ("B",),
    },
    "marginal.npz": {"curve": ("M", 2)},
}
"""More where S = 1."""

_OF_PLANES: Mapping[str, Mapping[str, _Shape]] = {
    "partition.npz": {"vertices": ("all vertices", 2), "starts": ("R + 1",)},
    "posteriors.npz": {"latents": (2, "G"), "log_density": ("P", "G", "G")},
}
"""More where S = 2."""

PICTURES = frozenset(_SHAPES) - exact_densities.CHECKS.keys()
"""Files that no row follows from."""


def wanted_files(content: Mapping[str, Any]) -> set[str]:
    """The files that what was asked for needs, for a model and data of such sizes."""
    asked = content["measures"]
    latent, values = content["spec"]["latent_dimensions"], content["dimensions"]
    exact, shown = latent <= _EXACT, latent <= _SHOWN
    reference = bool(asked.get("reference")) and exact
    needed = {
        "partition.npz": asked.get("partition") and shown,
        "triangulation.npz": asked.get("partition") and latent == 2,
        "marginal.npz": asked.get("densities") and values == 2,
        "posteriors.npz": asked.get("posteriors") and shown,
        "point_samples.npz": asked.get("point_samples"),
        "zero_noise.npz": asked.get("zero_noise") and exact,
        "components.npz": asked.get("components") and exact,
        "gaps.npz": asked.get("gaps") and exact,
        "modes.npz": asked.get("gaps") and latent == 1,
        "imputation.npz": asked.get("imputation") and values > 1 and exact,
        "model_selection.npz": asked.get("model_selection"),
        "integrals.npz": reference,
        "costs.npz": asked.get("costs") or reference,
    }
    return {LOG_LIKELIHOODS, *(file for file, wanted in needed.items() if wanted)}


def one_flip(arrays: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """How far a count or share moves by the one entry that rounding may turn, by metric.

    ``arrays`` are a measurement's, by file.
    """
    found = {"region_count": 1.0}
    for metric, file, name in (
        ("multimodal_share", "modes", "modes"),
        ("unfinished_search_share", "gaps", "converged"),
        ("reference_lost_share", "integrals", "log_likelihood"),
    ):
        if file in arrays:
            found[metric] = 1 / len(arrays[file][name])
    if "model_selection" in arrays:
        points = int(arrays["model_selection"]["points"])
        found |= {"score_rank": 1.0, "akaike_criterion_of_rank": 2.0}
        found["bayesian_criterion_of_rank"] = math.log(points)
    known = arrays.get("log_likelihoods", {})
    pairs = len(known.get("test", ())) * len(known.get("anomalies", ()))
    return found | ({"anomaly_auc": 1 / pairs} if pairs else {})


def _check_shapes(
    file: str, place: str, record: Mapping[str, Any], data: bytes, notes: Notes
) -> bool:
    """Whether the arrays of a file are there and have the shapes that belong together."""
    content = record["content"]
    shapes = _shapes_of(file, content)
    arrays = arrays_of(place, file, data, tuple(shapes), notes)
    if arrays is None:
        return False
    sizes = _known_sizes(content)
    for name, shape in shapes.items():
        found = arrays[name].shape
        for size, length in zip(shape, found, strict=False):
            if isinstance(size, str):
                sizes.setdefault(size, length)
        expected = tuple(size if isinstance(size, int) else sizes[size] for size in shape)
        if found != expected:
            text = f"{file} has {name} of shape {found}; expected {expected}"
            notes.find("number", place, text)
            return False
    if file == "partition.npz":
        return _is_a_discovery(place, arrays["discovery_steps"], notes)
    return file != "posteriors.npz" or _are_those_asked(place, content, arrays["kinds"], notes)


def _shapes_of(file: str, content: Mapping[str, Any]) -> dict[str, _Shape]:
    latent, values = content["spec"]["latent_dimensions"], content["dimensions"]
    more = {1: _OF_LINES, 2: _OF_PLANES}.get(latent, {}).get(file, {})
    shapes = {**_SHAPES[file], **more}
    if file == "components.npz" and values <= _SMALL:
        shapes["covariances"] = ("R", "D", "D")
    return shapes


def _known_sizes(content: Mapping[str, Any]) -> dict[str, int]:
    sizes = {"S": content["spec"]["latent_dimensions"], "D": content["dimensions"]}
    for row in content["metrics"]:
        if row["metric"] == "region_count":
            sizes |= {"R": int(row["value"]), "R + 1": int(row["value"]) + 1}
    return sizes


def _are_those_asked(place: str, content: Mapping[str, Any], kinds: Any, notes: Notes) -> bool:
    """That as many observations of each kind are shown as was asked for; of test points fewer."""
    asked = content["measures"]["posteriors"]
    counts = [int((kinds == kind).sum()) for kind in ("noiseless", "noisy", "test")]
    right = counts[:2] == [asked, asked] and counts[2] <= asked and sum(counts) == len(kinds)
    if not right:
        notes.find(
            "number", place, f"posteriors.npz is of {counts} observations; expected {asked} of each"
        )
    return right


def _is_a_discovery(place: str, steps: Any, notes: Notes) -> bool:
    """That one region is the start, every other one is reached, and no step finds nothing."""
    counts = Counter(steps.tolist())
    right = steps.dtype.kind == "i" and counts[0] == 1 and set(counts) == set(range(len(counts)))
    if not right:
        notes.find(
            "number",
            place,
            "partition.npz has discovery steps that do not reach every region from one",
        )
    return right


def _check_of(file: str) -> _Check:
    follow = exact_densities.CHECKS.get(file)

    def check(place: str, record: Mapping[str, Any], data: bytes, notes: Notes) -> None:
        whole = file not in _SHAPES or _check_shapes(file, place, record, data, notes)
        if whole and follow is not None:
            follow(place, record, data, notes)

    return check


CHECKS: Mapping[str, _Check] = {
    file: _check_of(file) for file in sorted({*_SHAPES, *exact_densities.CHECKS})
}
"""How each file of arrays is checked: by its shapes, and by the rows that follow from it."""
