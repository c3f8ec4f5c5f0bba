"""The figures that the page must show: their names and words by the report's own code, undrawn.

Pixels depend on fonts and on matplotlib's version, so that they are not compared; those of the page
must be those of the files that the manifest vouches for.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_RENDERERS = ("png", "svg", "panels_png")


def galleries_of(evidence: Any, study: Any) -> dict[str, Any]:
    """Galleries by experiment; the images of each figure are those that lie in its files."""
    from workflow_src.report.figures.drawing import Gallery, draw_study

    with _undrawn():
        drawn = draw_study(evidence, study)
    return {
        name: Gallery(
            tuple(
                dataclasses.replace(one, images=_images(evidence.results, one.name, one.images))
                for one in gallery.figures
            ),
            gallery.shown_under,
        )
        for name, gallery in drawn.items()
    }


def figure_files(results: Path, galleries: Mapping[str, Any]) -> set[Path]:
    """The files of these figures."""
    return {
        results / "figures" / f"{figure.name}{suffix}"
        for gallery in galleries.values()
        for figure in gallery.figures
        for suffix in figure.images
    }


def _images(results: Path, name: str, suffixes: Mapping[str, bytes]) -> dict[str, bytes]:
    paths = {suffix: results / "figures" / f"{name}{suffix}" for suffix in suffixes}
    return {suffix: path.read_bytes() if path.is_file() else b"" for suffix, path in paths.items()}


@contextlib.contextmanager
def _undrawn() -> Iterator[None]:
    """While this lasts, figures are told and not rendered, which takes nearly all of the time."""
    from workflow_src.report import figures

    names = [one.name for one in pkgutil.iter_modules(figures.__path__)]
    modules = [importlib.import_module(f"{figures.__name__}.{name}") for name in names]
    rendering = [
        (module, name) for module in modules for name in _RENDERERS if hasattr(module, name)
    ]
    before = [getattr(module, name) for module, name in rendering]
    try:
        for module, name in rendering:
            setattr(module, name, lambda *_, **__: b"")
        yield
    finally:
        for (module, name), function in zip(rendering, before, strict=True):
            setattr(module, name, function)
