"""The figures of a report's folder: one image file each, and their titles and captions by name.

Other files of the same figures lie in ``results/figures``; the folder has the one that suits pages.
"""

from __future__ import annotations

import io
import json
import re
from typing import Any

from PIL import Image

from workflow_src.plan.captions import CAPTIONS
from workflow_src.report.figures.shrinking import is_drawing, report_image
from workflow_src.report.figures.style import DPI, Figure
from workflow_src.report.page.addresses import figures_folder

_PIXELS_PER_INCH = 96
_POINTS_PER_INCH = 72
_OPENING = re.compile(rb"<svg\b[^>]*>")
_LENGTHS = tuple(re.compile(rb'\b%s="([\d.]+)pt"' % name) for name in (b"width", b"height"))


class Pictures:
    """Gathers the figures that pages show; ``files`` are by name within the report's folder."""

    def __init__(self, fingerprint: str) -> None:
        self.folder = figures_folder(fingerprint)
        self._images: dict[str, bytes] = {}
        self._captions: dict[str, dict[str, str]] = {}

    @property
    def files(self) -> dict[str, bytes]:
        """All images, and the captions in one file that is there also where no figure is."""
        captions = json.dumps(self._captions, indent=0, sort_keys=True) + "\n"
        return {f"{self.folder}/{CAPTIONS}": captions.encode(), **self._images}

    def shown(self, study: str, part: str, figure: Figure) -> dict[str, Any]:
        """What the template of a figure shows; ``part`` is its experiment."""
        own = figure.name.removeprefix(f"{study}_{part}").lstrip("_") or part
        name = f"{study}/{part}/{own}"
        suffix, data = report_image(figure)
        address = f"{self.folder}/{name}{suffix}"
        self._images[address] = data
        self._captions[name] = {"title": figure.title, "caption": figure.caption}
        width, height = _size(suffix, data)
        return {
            "address": address,
            "title": figure.title,
            "caption": figure.caption,
            "kind": "drawing" if is_drawing(suffix, data) else "picture",
            "width": width,
            "height": height,
        }


def _size(suffix: str, data: bytes) -> tuple[int, int]:
    """Width and height of an image in CSS pixels."""
    if suffix == ".svg":
        opening = _OPENING.search(data)
        found = [opening and length.search(opening[0]) for length in _LENGTHS]
        points = [float(one[1]) if one else 0.0 for one in found]
        width, height = (one * _PIXELS_PER_INCH / _POINTS_PER_INCH for one in points)
        return round(width), round(height)
    with Image.open(io.BytesIO(data)) as image:
        dots = image.info.get("dpi", (DPI, DPI))
        width, height = (
            length * _PIXELS_PER_INCH / per_inch
            for length, per_inch in zip(image.size, dots, strict=True)
        )
    return round(width), round(height)
