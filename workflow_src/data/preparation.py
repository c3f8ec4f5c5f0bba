"""From published files to the arrays that models train on, for one likelihood.

Gaussian and binomial: the SPVAE paper's text defines no scaling; this follows its published
program. Every image is stretched to [0, 1]. For the Gaussian, one draw of noise with standard
deviation 1/255, fixed per data set and split, is added, since a density on discrete pixels has no
bound. For the binomial, pixels are rounded to counts.

Bernoulli (DVAE++ paper): nothing is stretched. A gray level over the largest one is the probability
of a 1. Validation and test images are drawn once, fixed per data set and split; training images
stay gray levels, of which a trainer draws anew or once. Binary images are what they are.

Discretised logistic: nothing is changed.

Gaussian noise (EM-DGN paper's published program): every image is divided by its Euclidean norm, and
one draw of noise with standard deviation 0.1, fixed per data set and split, is added. Points are
what they are: their noise is part of how they were drawn. Writing and recording are job.py's.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workflow_src.data.raw import DataError, Facts, Labels, Pixels
from workflow_src.data.readers import read
from workflow_src.data.splitting import Indices, split_indices
from workflow_src.plan import seeds

LIKELIHOODS = ("gaussian", "binomial", "bernoulli", "discretised_logistic", "gaussian_noise")
NOISE_STANDARD_DEVIATIONS = {"gaussian": 1 / 255, "gaussian_noise": 0.1}
"""Of the noise that is added to images, where any is."""
_CHUNK = 8192

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class PreparedSplit:
    """One split: images [images, channels * height * width], labels and image numbers [images].

    ``constant_images`` counts images of one gray level, and is 0 for points; ``noise_sha256`` is
    the digest of the noise that was added (little-endian float64, image after image), empty where
    none was.
    """

    images: NDArray[Any]
    labels: Labels
    indices: Indices
    constant_images: int
    noise_sha256: str = field(default="")


def prepare(facts: Facts, likelihood: str, raw_directory: Path) -> dict[str, PreparedSplit]:
    """Train, validation and test of a data set for one likelihood.

    Raises
    ------
    DataError
        For damaged files, files of other sizes than ``facts`` says, or an unknown likelihood.
    """
    if likelihood not in LIKELIHOODS:
        raise DataError(
            f"there is no preparation for the likelihood {likelihood!r}",
            f"data set {facts.name}",
            "one of " + ", ".join(LIKELIHOODS),
        )
    parts = read(facts, raw_directory)
    splits = split_indices(facts, parts)
    images = np.concatenate([part.images for part in parts])
    images = images.reshape(len(images), -1)
    labels = np.concatenate([part.labels for part in parts])
    prepared = {}
    for split, indices in splits.items():
        raw = images[indices]
        constant = 0 if _are_points(raw) else int(np.sum(raw.min(axis=1) == raw.max(axis=1)))
        pixels, noise_sha256 = _pixels(raw, facts, likelihood, split)
        prepared[split] = PreparedSplit(pixels, labels[indices], indices, constant, noise_sha256)
    return prepared


def _pixels(
    raw: NDArray[Any], facts: Facts, likelihood: str, split: str
) -> tuple[NDArray[Any], str]:
    """One split's images as ``likelihood`` reads them, and the digest of noise, if any."""
    if likelihood == "gaussian_noise":
        if _are_points(raw):
            return raw.astype(np.float32), ""
        return normalised(raw, _generator("noise", facts, split))
    if likelihood == "gaussian":
        return perturbed(raw, _generator("noise", facts, split))
    if likelihood == "binomial":
        return counts_of(raw, facts.levels), ""
    if likelihood == "bernoulli" and split != "train":
        return binarised(raw, facts.levels, _generator("binarisation", facts, split)), ""
    return raw, ""


def binarised(images: Pixels, levels: int, generator: np.random.Generator) -> NDArray[np.uint8]:
    """One draw of 0s and 1s, each 1 with the probability of exactly its pixel over ``levels``."""
    thresholds = generator.integers(levels, size=images.shape, dtype=np.uint8)
    return (thresholds < images).astype(np.uint8)


def stretched(images: NDArray[Any], top: float = 1.0) -> Reals:
    """Every image's pixels moved and scaled to run from 0 to ``top``; a constant one is all 0."""
    lowest = images.min(axis=1, keepdims=True).astype(np.float64)
    extent = images.max(axis=1, keepdims=True) - lowest
    # The product comes first: with integers it is exact, and so are ties between two counts.
    scaled: Reals = (images - lowest) * top / np.where(extent == 0, 1, extent)
    return scaled


def counts_of(images: Pixels, levels: int) -> NDArray[np.uint8]:
    """Stretched images as counts 0..levels, rounded half to even; levels is at most 255."""
    counts = np.empty(images.shape, dtype=np.uint8)
    for start in range(0, len(images), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        counts[chunk] = np.rint(stretched(images[chunk], levels))
    return counts


def perturbed(images: Pixels, generator: np.random.Generator) -> tuple[NDArray[np.float32], str]:
    """Stretched images with reflected noise, stretched again, and the sha256 of the noise."""
    result = np.empty(images.shape, dtype=np.float32)
    digest = hashlib.sha256()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        noise = NOISE_STANDARD_DEVIATIONS["gaussian"] * generator.standard_normal(chunk.shape)
        digest.update(noise.astype("<f8", copy=False).tobytes())
        noisy = reflected(stretched(chunk) + noise)
        # Stretching what was a constant image would blow its noise up to the full range.
        constant = chunk.min(axis=1, keepdims=True) == chunk.max(axis=1, keepdims=True)
        result[start : start + _CHUNK] = np.where(constant, noisy, stretched(noisy))
    return result, digest.hexdigest()


def normalised(images: Pixels, generator: np.random.Generator) -> tuple[NDArray[np.float32], str]:
    """Images over their Euclidean norm, plus noise, and the sha256 of the noise.

    A black image has no direction and stays 0 before the noise.
    """
    result = np.empty(images.shape, dtype=np.float32)
    digest = hashlib.sha256()
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK].astype(np.float64)
        noise = NOISE_STANDARD_DEVIATIONS["gaussian_noise"] * generator.standard_normal(chunk.shape)
        digest.update(noise.astype("<f8", copy=False).tobytes())
        norms = np.linalg.norm(chunk, axis=1, keepdims=True)
        result[start : start + _CHUNK] = chunk / np.where(norms == 0, 1, norms) + noise
    return result, digest.hexdigest()


def reflected(values: Reals) -> Reals:
    """Values in (-1, 2) folded back into [0, 1] at both ends."""
    folded = np.abs(values)
    return np.where(folded > 1, 2 - folded, folded)


def _are_points(raw: NDArray[Any]) -> bool:
    return raw.dtype.kind == "f"


def _generator(purpose: str, facts: Facts, split: str) -> np.random.Generator:
    seed = seeds.seed(purpose, data_set=facts.name, split=split)
    return np.random.Generator(np.random.PCG64(seed))
