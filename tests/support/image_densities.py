"""A density of images whose numbers have closed forms: a mixture of diagonal Gaussians.

It has every ability that the evaluation of image densities asks for: two "layers" that score, a
classifier that picks components, and marginals and conditionals in closed form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from workflow_src.config.models import measures_of
from workflow_src.data.arrays import PreparedData
from workflow_src.evaluate.image_densities.measurement import measure_run
from workflow_src.evaluate.image_densities.subject import Subject
from workflow_src.evaluate.measurement import Measurement
from workflow_src.models.building import build_model
from workflow_src.models.images import ImageFacts

Array = NDArray[np.float64]

SPEC: dict[str, Any] = {
    "model": "dcgmm",
    "data_set": "digits_without_0",
    "likelihood": "gaussian",
    "fraction": 1.0,
    "seed": 3,
    "protocol": "authors",
    "stream": "full",
}

EVERYTHING: dict[str, Any] = {
    "layer_scores": True,
    "anomalies": True,
    "samples": 5,
    "sharpened_samples": 4,
    "judged_samples": 0,
    "variants": 3,
    "inpainting": ["right", "random_pixels"],
    "side_by_side": 6,
    "centroids": True,
    "classification": True,
}

NOTHING: dict[str, Any] = {
    name: type(value)() if not isinstance(value, list) else [] for name, value in EVERYTHING.items()
}


@dataclass(frozen=True)
class GaussianMixture:
    """Means and standard deviations ``[K, D]``, weights ``[K]``; class k is component k.

    The lower layer scores an image by how near its first pixel is to 0, the top layer by its
    density. Taking hidden pixels for zeros is done by zeroing them.
    """

    facts: ImageFacts
    scale: float = 1.0
    is_normalised: bool = True
    has_sharpening: bool = True
    has_classifier: bool = True

    @property
    def layer_names(self) -> tuple[str, ...]:
        return ("layer_1", "layer_2")

    def parameter_count(self) -> int:
        return sum(int(np.prod(shape)) for shape in self.parameter_shapes().values())

    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        size = self.facts.pixels
        return {
            "layer_1.centroids": (4, 2, size),
            "layer_1.precision_roots": (1, 2, size),
            "layer_1.weight_logits": (1, 2),
        }

    def _terms(self, parameters: Mapping[str, Tensor], pixels: Tensor, seen: Tensor) -> Tensor:
        """log w_k + log N(seen pixels; component k), [N, K]."""
        normal = torch.distributions.Normal(parameters["mean"], parameters["deviation"])
        return normal.log_prob(pixels[:, None])[..., seen].sum(-1) + parameters["log_weight"]

    def _everything(self, pixels: Tensor) -> Tensor:
        return torch.ones(pixels.shape[1], dtype=torch.bool)

    def log_densities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        top = self._terms(parameters, pixels, self._everything(pixels)).logsumexp(-1)
        return torch.stack([-pixels[:, 0].abs(), top])

    def log_likelihood(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        return self.log_densities(parameters, pixels)[-1]

    def draw(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
        noise: bool = True,
    ) -> Tensor:
        weights = parameters["log_weight"].exp()
        picked = torch.multinomial(weights, count, replacement=True, generator=generator)
        if label is not None:
            picked = torch.full_like(picked, label)
        normal = torch.randn(count, parameters["mean"].shape[1], generator=generator)
        if not noise:
            return parameters["mean"][picked]
        return self._in_range(
            parameters["mean"][picked] + parameters["deviation"][picked] * normal * self.scale
        )

    def draw_sharpened(
        self,
        parameters: Mapping[str, Tensor],
        count: int,
        generator: torch.Generator,
        *,
        label: int | None = None,
    ) -> Tensor:
        drawn = self.draw(parameters, count, generator, label=label)
        return self._in_range((drawn - self.full_range / 2) * 1.5 + self.full_range / 2)

    @property
    def full_range(self) -> float:
        return float(self.facts.levels) if self.facts.likelihood == "binomial" else 1.0

    def _in_range(self, pixels: Tensor) -> Tensor:
        inside = pixels.clamp(0, self.full_range)
        return inside.round() if self.facts.likelihood == "binomial" else inside

    def expected(self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor) -> Tensor:
        shares = self._terms(parameters, pixels, ~hidden).softmax(-1)
        return torch.where(hidden, shares @ parameters["mean"], pixels)

    def expected_zeroed(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        zeroed = pixels.masked_fill(hidden, 0)
        shares = self._terms(parameters, zeroed, self._everything(pixels)).softmax(-1)
        return torch.where(hidden, shares @ parameters["mean"], pixels)

    def inpaint(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        hidden: Tensor,
        generator: torch.Generator,
        *,
        zeroed: bool = False,
    ) -> Tensor:
        seen = self._everything(pixels) if zeroed else ~hidden
        known = pixels.masked_fill(hidden, 0)
        shares = self._terms(parameters, known, seen).softmax(-1)
        picked = torch.multinomial(shares, 1, generator=generator)[:, 0]
        noise = torch.randn(pixels.shape, generator=generator)
        drawn = self._in_range(parameters["mean"][picked] + parameters["deviation"][picked] * noise)
        return torch.where(hidden, drawn, pixels)

    def conditional_log_density(
        self, parameters: Mapping[str, Tensor], pixels: Tensor, hidden: Tensor
    ) -> Tensor:
        whole = self._terms(parameters, pixels, self._everything(pixels)).logsumexp(-1)
        return whole - self._terms(parameters, pixels, ~hidden).logsumexp(-1)

    def variants(
        self,
        parameters: Mapping[str, Tensor],
        pixels: Tensor,
        count: int,
        generator: torch.Generator,
    ) -> Tensor:
        noise = torch.randn(len(pixels), count, pixels.shape[1], generator=generator)
        return self._in_range(pixels[:, None] + 0.1 * self.full_range * noise)

    def class_log_probabilities(self, parameters: Mapping[str, Tensor], pixels: Tensor) -> Tensor:
        return self._terms(parameters, pixels, self._everything(pixels)).log_softmax(-1)

    def centroids(self, parameters: Mapping[str, Tensor]) -> Tensor:
        facts = self.facts
        sides = (-1, facts.channels, facts.height, facts.width)
        return parameters["mean"].reshape(sides).movedim(1, -1)


def parameters_of(facts: ImageFacts, seed: int = 0) -> dict[str, Tensor]:
    """Two components, of weights 0.3 and 0.7."""
    random = np.random.default_rng(seed)
    largest = facts.levels if facts.likelihood == "binomial" else 1.0
    return {
        "mean": torch.tensor(random.uniform(0.2, 0.8, (2, facts.pixels)) * largest).float(),
        "deviation": torch.tensor(random.uniform(0.1, 0.3, (2, facts.pixels)) * largest).float(),
        "log_weight": torch.tensor([0.3, 0.7]).log(),
    }


def images(
    model: GaussianMixture, parameters: Mapping[str, Tensor], count: int, seed: int
) -> tuple[Tensor, NDArray[np.int64]]:
    """Images [count, D] of classes in turn, and their classes."""
    labels = np.arange(count) % 2
    generator = torch.Generator().manual_seed(seed)
    drawn = [model.draw(parameters, 1, generator, label=int(label)) for label in labels]
    return torch.cat(drawn), labels.astype(np.int64)


def subject(
    facts: ImageFacts | None = None,
    *,
    count: int = 70,
    anomalies: int = 9,
    at_a_time: int = 100,
    spec: Mapping[str, Any] | None = None,
    **abilities: Any,
) -> Subject:
    """Two-component mixture of small images, with images of its own and paler anomalies."""
    facts = facts or ImageFacts(4, 3, "gaussian", 16)
    model = GaussianMixture(facts, **abilities)
    parameters = parameters_of(facts)
    test, labels = images(model, parameters, count, 1)
    strange, _ = images(model, parameters, max(anomalies, 1), 2)
    return Subject(
        model=model,
        facts=facts,
        parameters=parameters,
        spec={**SPEC, "likelihood": facts.likelihood, **(spec or {})},
        test=test,
        labels=labels,
        anomalies=(strange * 0.7)[:anomalies],
        drawn_labels=(0, 1),
        mean_image=torch.full((facts.pixels,), 0.45, dtype=torch.float64),
        images_at_a_time=at_a_time,
    )


def prepared(facts: ImageFacts, labels: Mapping[str, list[int]], seed: int = 0) -> PreparedData:
    """Prepared data of so many images, of these labels by split."""
    random = np.random.default_rng(seed)
    parts: dict[str, NDArray[Any]] = {}
    for split, of_split in labels.items():
        counts = random.integers(0, facts.levels + 1, (len(of_split), facts.pixels))
        counts[np.array(of_split) == 0] //= 2
        binomial = facts.likelihood == "binomial"
        parts[split] = counts.astype(np.uint8) if binomial else counts / np.float32(facts.levels)
    return PreparedData(
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        labels={name: np.array(one, dtype=np.uint8) for name, one in labels.items()},
        shape=(facts.height, facts.width),
        levels=facts.levels,
        data_set="digits_without_0",
        likelihood=facts.likelihood,
        fingerprint="0" * 16,
        channels=facts.channels,
    )


LAYOUT = "F(3,1)-G(4)-F(6,1)-G(9)"
DIGITS = ImageFacts(8, 8, "gaussian", 16)
MODELS: dict[str, dict[str, Any]] = {
    "deep": {"model": "dcgmm", "layout": LAYOUT, "classifier": "highest"},
    "flat": {"model": "dcgmm", "layout": "F(8,1)-G(4)", "classifier": "none"},
    "rat_spn": {"model": "rat_spn", "components": 2, "split_depth": 2, "repetitions": 2},
    "pd_spn": {"model": "pd_spn", "components": 2, "split_step": 4},
}
"""What tells apart small runs of real models on images of 8 x 8 pixels."""

_OTHERS: dict[str, Any] = {
    "top_values": 2,
    "noise_divisor": 20.0,
    "sharpening_steps": 3,
    "sharpening_rate": 1.0,
    "structure_seed": 0,
    "minimum_variance": 0.01,
    "maximum_variance": 2.0,
    "batch_size": 50,
}

ANOMALIES = 19
"""Test images of the label 0, as many as the registry says of digits_without_0."""


def real_run(name: str) -> tuple[dict[str, Any], dict[str, Tensor], PreparedData]:
    """The spec, random parameters and data of a small run of `MODELS`."""
    spec = SPEC | _OTHERS | MODELS[name]
    labels = {
        "train": [1, 2, 3] * 12,
        "validation": [1, 2, 3],
        "test": [1, 2, 3] * 10 + [0] * ANOMALIES,
    }
    data = prepared(DIGITS, labels)
    model = build_model(spec, data.shape, data.levels, data.channels)
    generator = torch.Generator().manual_seed(0)
    if spec["model"] == "dcgmm":
        return spec, model.initial_parameters(generator), data
    return spec, model.initial_parameters(generator, torch.tensor(data.train)), data


def real_measurement(name: str) -> tuple[dict[str, Any], Measurement]:
    """A run of `MODELS` with everything measured that there is of its model: spec, measurement."""
    spec, parameters, data = real_run(name)
    asked = {one: EVERYTHING[one] for one in measures_of(spec["model"])}
    return spec, measure_run(spec, parameters, data, asked, torch.device("cpu"), 1 << 28)
