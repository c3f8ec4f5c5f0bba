"""Points in the plane that are drawn, not published: the noisy circle and the noisy wave.

The circle is that of section 4.3 of the EM-DGN paper, the wave that of its appendix J. The paper
gives the wave as a picture alone; its law here is x ~ N(0, 1), y = cos(1.4 x), with noise on both
coordinates as on the circle. Every part is one draw, fixed by the data set and the part. Of the
test set, the anomalies are uniform on a rectangle around the others; a few of them lie where the
others do, so that no density tells all of them apart.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workflow_src.data.raw import Facts, Points, RawImages
from workflow_src.plan import seeds

CIRCLE_NOISE = 0.05
WAVE_NOISE = 0.1
WAVE_FREQUENCY = 1.4
CIRCLE_BOX = (1.5, 1.5)
WAVE_BOX = (3.0, 1.5)
"""Half the width and half the height of the rectangle of anomalies."""

ORDINARY, ANOMALOUS = 0, 1
"""Labels."""


def drawn_circle(facts: Facts) -> tuple[RawImages, ...]:
    """Points at a uniform angle on the unit circle, with noise of deviation 0.05 on x and y."""
    return _parts(facts, circle, CIRCLE_BOX)


def drawn_wave(facts: Facts) -> tuple[RawImages, ...]:
    """Points (x, cos 1.4 x) with x standard normal, with noise of deviation 0.1 on x and y."""
    return _parts(facts, wave, WAVE_BOX)


def circle(count: int, generator: np.random.Generator) -> Points:
    """``count`` points [count, 2] of the noisy circle."""
    angles = generator.uniform(0, 2 * np.pi, count)
    noiseless = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return noiseless + CIRCLE_NOISE * generator.standard_normal((count, 2))


def wave(count: int, generator: np.random.Generator) -> Points:
    """``count`` points [count, 2] of the noisy wave."""
    across = generator.standard_normal(count)
    noiseless = np.stack([across, np.cos(WAVE_FREQUENCY * across)], axis=1)
    return noiseless + WAVE_NOISE * generator.standard_normal((count, 2))


def _parts(
    facts: Facts,
    law: Callable[[int, np.random.Generator], Points],
    box: tuple[float, float],
) -> tuple[RawImages, ...]:
    counts = {**facts.sizes, "test": facts.sizes["test"] - facts.anomalies}
    parts = [
        _part(name, law(count, _generator(facts, name)), ORDINARY) for name, count in counts.items()
    ]
    half = np.array(box)
    uniform = _generator(facts, "anomalies").uniform(-half, half, (facts.anomalies, 2))
    return (*parts, _part("anomalies", uniform, ANOMALOUS))


def _part(name: str, points: Points, label: int) -> RawImages:
    return RawImages(name, points[:, None, :], np.full(len(points), label, dtype=np.uint8))


def _generator(facts: Facts, part: str) -> np.random.Generator:
    return np.random.Generator(
        np.random.PCG64(seeds.seed("points", data_set=facts.name, part=part))
    )
